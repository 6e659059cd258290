"""The table that a repeated group is promoted to: names, and the condition that looks an entry up in it.

All names follow from the place of the list alone, so every database has the same.
"""

import json
import re
from collections.abc import Collection, Iterable
from hashlib import sha256
from typing import Any

from django.apps import apps
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Func, Value

from crm.models import CustomFieldKind, CustomFieldTable
from crm.models.schema_change import JsonColumn
from crm.records.json_keys import ELEMENTS, path_steps
from crm.text.numbers import plain_digits

MAX_NAME_LENGTH = 50
PLAIN_NAME = re.compile(r"[a-z][a-z0-9_]*")
# Between the name of a group and that of the line that it belongs to.
OF = "_of_"
OWNER_COLUMNS: dict[str, str] = {label: f"{label.partition('.')[2]}_id" for label in CustomFieldTable.values}
# The columns that every table has, and those of PostgreSQL.
OTHER_COLUMNS = frozenset({"id", "position", "data", "tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"})
RESERVED_NAMES = OTHER_COLUMNS | frozenset(OWNER_COLUMNS.values())
# A longer text is not in the column, because an index could not hold it.
MAX_TEXT_LENGTH = 500
# People look for an entry by these, as by a VIN; the GIN index of the JSON column finds the others.
INDEXED_KINDS = frozenset({CustomFieldKind.TEXT, CustomFieldKind.LINK, CustomFieldKind.EMAIL, CustomFieldKind.PHONE})
MAX_INDEXES = 10


def group_table_name(table: str, column: str, steps: tuple[str, ...]) -> str:
    """Return the name of the table of the list under `steps` in a JSON `column` of `table` (a model label).

    It is such as `lead_vehicles` for the line with a column of its own, or `lead_vehicles_of_truck`.
    """
    *lines, group = steps
    parts = [group, *([] if column == JsonColumn.AUTO_DATA else lines or [column.removesuffix("_data")])]
    plain = f"{table.partition('.')[2]}_{OF.join(parts)}"
    others = {model._meta.db_table for model in apps.get_models(include_auto_created=True)}
    is_clear = len(lines) < 2 and plain not in others and not any(OF in f"_{part}_" for part in parts)
    is_usual = bool(lines) == (column == JsonColumn.LINE_DATA) and lines != ["home"]
    return short_name(plain, identity=json.dumps([column, *steps]), is_free=is_clear and is_usual)


def question_column_name(key: str) -> str:
    """Return the name of the column for the question `key` of a group."""
    return short_name(key, is_free=key not in RESERVED_NAMES)


def short_name(text: str, *, identity: str = "", is_free: bool = True) -> str:
    """Return `text` as a name in the database.

    If it is long, has other characters or is not free, a hash of `identity` makes it differ from others.
    """
    if is_free and len(text) <= MAX_NAME_LENGTH and PLAIN_NAME.fullmatch(text):
        return text
    plain = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
    return f"{plain[: MAX_NAME_LENGTH - 9] or 'x'}_{sha256((identity or text).encode()).hexdigest()[:8]}"


def list_steps(key: str) -> tuple[str, ...]:
    """Return the steps to the list that a request names by its path, with `[]` at the end or without."""
    steps = tuple(path_steps(key))
    return steps[:-1] if steps[-1:] == (ELEMENTS,) else steps


def indexed_keys(questions: Iterable[tuple[str, str]]) -> Collection[str]:
    """Return the keys of those questions of a group, given with their kinds, that its table has an index for."""
    return sorted(key for key, kind in questions if kind in INDEXED_KINDS)[:MAX_INDEXES]


class HasEntry(Func):
    """Whether a list of the record has an entry with `value` under a key, by the index of the group's table.

    The column has texts; the entry itself tells "10" from 10. `steps` lead to the answer, as those of a question.
    """

    def __init__(self, table: str, column: str, steps: tuple[str, ...], value: Any) -> None:
        self.names = (
            OWNER_COLUMNS[table],
            group_table_name(table, column, steps[:-2]),
            question_column_name(steps[-1]),
        )
        texts = Value([value_text(value)], ArrayField(models.TextField()))
        entry = Value({steps[-1]: value}, models.JSONField())
        super().__init__(F("pk"), texts, entry, output_field=models.BooleanField())

    def as_sql(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, list[Any]]:
        (key, key_params), (texts, text_params), (entry, entry_params) = (
            compiler.compile(one) for one in self.get_source_expressions()
        )
        owner, table, column = map(connection.ops.quote_name, self.names)
        sql = (
            f"{key} IN (SELECT entry.{owner} FROM {table} AS entry"
            f" WHERE entry.{column} = ANY ({texts}) AND entry.data @> {entry})"
        )
        return sql, [*key_params, *text_params, *entry_params]


def value_text(value: Any) -> str:
    """Return what a text column of the group's table has for `value`."""
    if isinstance(value, str):
        return value
    return str(value).lower() if isinstance(value, bool) else plain_digits(value)


def fits_column(value: Any) -> bool:
    """Return whether a text column has `value`; a longer one is in the entry only."""
    return len(value_text(value)) <= MAX_TEXT_LENGTH
