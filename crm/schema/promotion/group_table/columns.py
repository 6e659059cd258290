"""The columns of the table of a repeated group: one for each question, of the type of its kind."""

from dataclasses import dataclass
from typing import NamedTuple

from psycopg import sql

from crm.models import CustomFieldKind
from crm.schema.promotion.columns import JSON_TEXTS
from crm.screens.custom_fields.group_tables import MAX_TEXT_LENGTH, question_column_name


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


@dataclass(frozen=True)
class QuestionColumn:
    """The column for the answers to a question of the group; `kind` is that of a custom field, or another one."""

    key: str
    kind: str

    @property
    def name(self) -> str:
        return question_column_name(self.key)

    @property
    def type(self) -> ColumnType:
        return TYPES.get(self.kind, ANYTHING)

    def value(self, data: sql.Composable) -> sql.Composed:
        """Return the answer in the entry `data` as a value of the column, null if it does not fit."""
        return sql.SQL(self.type.value).format(data=data, key=sql.Literal(self.key))

    def as_json(self, value: sql.Composable) -> sql.Composed:
        """Return a value of the column as the answer in an entry."""
        return sql.SQL(self.type.json).format(value=value)
