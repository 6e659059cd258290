"""The columns of the table of a repeated group: one for each question, of the type of its kind."""

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

from psycopg import sql

from crm.models import CustomFieldKind, CustomFieldTable
from crm.schema.promotion.columns import JSON_TEXTS

MAX_NAME_LENGTH = 50
PLAIN_NAME = re.compile(r"[a-z][a-z0-9_]*")
OWNER_COLUMNS: dict[str, str] = {label: f"{label.partition('.')[2]}_id" for label in CustomFieldTable.values}
# The columns that every table has, and those of PostgreSQL.
OTHER_COLUMNS = frozenset({"id", "position", "data", "tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"})
RESERVED_NAMES = OTHER_COLUMNS | frozenset(OWNER_COLUMNS.values())
# A longer text is not in the column, because an index could not hold it.
MAX_TEXT_LENGTH = 500


class ColumnType(NamedTuple):
    """A type of the database; SQL for the value of `{key}` in the JSON object `{data}`, and for `{value}` as JSON."""

    name: str
    value: str
    json: str = "to_jsonb({value})"


SHORT_TEXT = "CASE WHEN length({{data}} ->> {{key}}) <= {length} THEN json_text({{data}}, {{key}}) END"
TEXT = ColumnType("text", SHORT_TEXT.format(length=MAX_TEXT_LENGTH))
LONG_TEXT = ColumnType("text", "json_text({data}, {key})")
NUMBER = ColumnType("numeric", "json_number({data}, {key})")
YES_NO = ColumnType("boolean", "json_yes_no({data}, {key})")
DATE = ColumnType("date", "json_date({data}, {key})")
MOMENT = ColumnType(
    "timestamp with time zone",
    "json_date_time({data}, {key})",
    f"to_jsonb({JSON_TEXTS['timestamptz'].format('{value}')})",
)
ANYTHING = ColumnType("jsonb", "nullif({data} -> {key}, 'null'::jsonb)", "{value}")
TYPES: dict[str, ColumnType] = {
    **{kind.value: TEXT for kind in CustomFieldKind},
    CustomFieldKind.LONG_TEXT.value: LONG_TEXT,
    CustomFieldKind.NUMBER.value: NUMBER,
    CustomFieldKind.MONEY.value: NUMBER,
    CustomFieldKind.YES_NO.value: YES_NO,
    CustomFieldKind.DATE.value: DATE,
    CustomFieldKind.DATE_TIME.value: MOMENT,
    CustomFieldKind.CHOICES.value: ANYTHING,
}
# People look for an entry by these, as by a VIN; the GIN index of the JSON column finds the others.
INDEXED_KINDS = frozenset({CustomFieldKind.TEXT, CustomFieldKind.LINK, CustomFieldKind.EMAIL, CustomFieldKind.PHONE})
MAX_INDEXES = 10


@dataclass(frozen=True)
class QuestionColumn:
    """The column for the answers to a question of the group; `kind` is that of a custom field, or another one."""

    key: str
    kind: str

    @property
    def name(self) -> str:
        return short_name(self.key, is_free=self.key not in RESERVED_NAMES)

    @property
    def type(self) -> ColumnType:
        return TYPES.get(self.kind, ANYTHING)

    @property
    def is_indexed(self) -> bool:
        return self.kind in INDEXED_KINDS

    def value(self, data: sql.Composable) -> sql.Composed:
        """Return the answer in the entry `data` as a value of the column, null if it does not fit."""
        return sql.SQL(self.type.value).format(data=data, key=sql.Literal(self.key))

    def as_json(self, value: sql.Composable) -> sql.Composed:
        """Return a value of the column as the answer in an entry."""
        return sql.SQL(self.type.json).format(value=value)


def short_name(text: str, *, identity: str = "", is_free: bool = True) -> str:
    """Return `text` as a name in the database.

    If it is long, has other characters or is not free, a hash of `identity` makes it differ from others.
    """
    if is_free and len(text) <= MAX_NAME_LENGTH and PLAIN_NAME.fullmatch(text):
        return text
    plain = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
    return f"{plain[: MAX_NAME_LENGTH - 9] or 'x'}_{sha256((identity or text).encode()).hexdigest()[:8]}"
