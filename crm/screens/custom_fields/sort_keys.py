"""The value of a custom field or of an answer as something that sorts: one expression for filters, orders, indexes.

It reads the JSON, or the column that the key is promoted to. Each kind has a function of the database. A sort key is
never an error and never null: a missing value, or one that does not fit the kind, has the lowest key. What filters and
sorts by the same expression is served by an index on it.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from django.db import models
from django.db.models import F, Func, Value
from django.db.models.functions import Collate, Lower
from psycopg import sql

from crm.models import CustomField, CustomFieldKind, SchemaDecision
from crm.models.custom_field import REFERENCE_TABLES
from crm.screens.custom_fields.promoted_columns import PromotedColumn, column_name
from crm.screens.custom_fields.questions import QuestionField
from crm.text.numbers import plain_digits, read_json_number

FilterField = CustomField | QuestionField
COLUMN = "custom_fields"
# As many characters of a text are part of its key.
TEXT_KEY_LENGTH = 200


class NumericField(models.DecimalField):
    """PostgreSQL's numeric without a limit to its digits; also infinite."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_digits": None, "decimal_places": None, **kwargs})

    def db_type(self, connection: Any) -> str:
        return "numeric"

    cast_db_type = db_type

    def to_python(self, value: Any) -> Any:
        return Decimal(value) if str(value) == "-Infinity" else super().to_python(value)


class SortKey(NamedTuple):
    """How the values of a kind sort, in JSON and in a column that the key is promoted to.

    `function` and `value_function` are functions of the database `(jsonb, key)`. The first gives the sort key, never
    null, with `lowest` for no value; the second the value, or null. `column_template` gives the sort key of a column.
    """

    function: str
    value_function: str
    column_type: str
    output_field: models.Field
    lowest: Any
    column_template: str
    value_field: models.Field
    collation: str = ""
    # Whether a list may be sorted by it.
    has_order: bool = True

    def expression(self, data: models.expressions.Combinable, key: str) -> models.expressions.Combinable:
        """Return the sort key of `key` in `data`, the column or the group in it that holds `key`."""
        return self.collate(Func(data, Value(key), function=self.function, output_field=self.output_field))

    def column_expression(self, column: PromotedColumn) -> models.expressions.Combinable:
        """Return the same of a row with a column for the key."""
        template = self.column_template.format("%(expressions)s")
        return self.collate(Func(column, template=template, output_field=self.output_field))

    def collate(self, value: models.expressions.Combinable) -> models.expressions.Combinable:
        return Collate(value, self.collation) if self.collation else value

    def compose(self, data: sql.Composable, key: str) -> sql.Composed:
        """Return `expression` as SQL."""
        return self.compose_collated(compose_call(self.function, data, key))

    def compose_column(self, name: str) -> sql.Composed:
        """Return `column_expression` as SQL, of the column `name`."""
        return self.compose_collated(sql.SQL(self.column_template).format(sql.Identifier(name)))

    def compose_value(self, data: sql.Composable, key: str) -> sql.Composed:
        """Return the value that a column for `key` has, as SQL."""
        return compose_call(self.value_function, data, key)

    def compose_collated(self, value: sql.Composed) -> sql.Composed:
        if not self.collation:
            return value
        return sql.SQL("({} COLLATE {})").format(value, sql.Identifier(self.collation))


def compose_call(function: str, data: sql.Composable, key: str) -> sql.Composed:
    return sql.SQL("{}({}, {})").format(sql.Identifier(function), data, sql.Literal(key))


NUMBER_KEY = SortKey(
    "json_number_key",
    "json_number",
    "numeric",
    NumericField(),
    Decimal("-Infinity"),
    "coalesce({}, '-Infinity'::numeric)",
    NumericField(),
)
TEXT_KEY = SortKey(
    "json_text_key",
    "json_text",
    "text",
    models.TextField(),
    "",
    f"lower(left(coalesce({{}}, ''), {TEXT_KEY_LENGTH}))",
    models.TextField(),
    "C",
)
DATE_KEY = SortKey(
    "json_date_key",
    "json_date",
    "date",
    models.DateField(),
    date.min,
    "coalesce({}, make_date(1, 1, 1))",
    models.DateField(),
)
DATE_TIME_KEY = SortKey(
    "json_date_time_key",
    "json_date_time",
    "timestamptz",
    models.DateTimeField(),
    datetime.min.replace(tzinfo=UTC),
    "greatest({}, make_timestamp(1, 1, 1, 0, 0, 0) AT TIME ZONE 'UTC')",
    models.DateTimeField(),
)
YES_NO_KEY = SortKey(
    "json_yes_no_key",
    "json_yes_no",
    "boolean",
    models.SmallIntegerField(),
    -1,
    "coalesce({}::integer, -1)",
    models.BooleanField(),
)
# A key has no order that a person understands: an index of it serves filters alone.
REFERENCE_KEY = SortKey(
    "json_uuid_key",
    "json_uuid",
    "uuid",
    models.UUIDField(),
    UUID(int=0),
    "coalesce({}, '00000000-0000-0000-0000-000000000000'::uuid)",
    models.UUIDField(),
    has_order=False,
)
# Several choices have no order; the GIN index of the column serves their filters.
SORT_KEYS: dict[str, SortKey] = {
    **{kind.value: TEXT_KEY for kind in CustomFieldKind if kind != CustomFieldKind.CHOICES},
    CustomFieldKind.NUMBER.value: NUMBER_KEY,
    CustomFieldKind.MONEY.value: NUMBER_KEY,
    CustomFieldKind.DATE.value: DATE_KEY,
    CustomFieldKind.DATE_TIME.value: DATE_TIME_KEY,
    CustomFieldKind.YES_NO.value: YES_NO_KEY,
    **dict.fromkeys(REFERENCE_TABLES, REFERENCE_KEY),
}

SORT_KEY_FUNCTIONS = {one.function for one in SORT_KEYS.values()}


class JsonMember(Func):
    """The value of a key in a JSON object. The key is always a name, where Django takes "5" for a position."""

    template, arg_joiner = "(%(expressions)s)", " -> "

    def __init__(self, data: models.expressions.Combinable, key: str) -> None:
        super().__init__(data, Value(key), output_field=models.JSONField())


def holder(field: FilterField, reference: type[F] = F) -> models.expressions.Combinable:
    """Return the JSON object in a row that holds the value of `field`: its column, or a group in it."""
    data: models.expressions.Combinable = reference(field.column)
    for step in field.steps[:-1]:
        data = JsonMember(data, step)
    return data


def compose_member(data: sql.Composable, steps: Sequence[str]) -> sql.Composed:
    """Return what stands under `steps` in `data` as SQL, with the operators of `holder`."""
    data = sql.Composed([data])
    for step in steps:
        data = sql.SQL("({} -> {})").format(data, sql.Literal(step))
    return data


def sort_key(field: FilterField) -> models.expressions.Combinable:
    """Return the sort key of `field` in a row; the field is of a kind that has one.

    It reads the column of the field, if the key is promoted to one, and else the JSON.
    """
    key = SORT_KEYS[field.kind]
    if has_column(field):
        return key.column_expression(promoted_column(field))
    return key.expression(holder(field), field.steps[-1])


def text_value(field: FilterField) -> models.expressions.Combinable:
    """Return the whole text of `field` in a row, null if it has none; the field is of a kind that is a text."""
    if has_column(field):
        return promoted_column(field)
    value = Value(field.steps[-1])
    return Func(holder(field), value, function=TEXT_KEY.value_function, output_field=models.TextField())


def has_column(field: FilterField) -> bool:
    return field.promotion == SchemaDecision.COLUMN


def promoted_column(field: CustomField) -> PromotedColumn:
    name = column_name(field.table, COLUMN, field.key, field.kind)
    return PromotedColumn(name, SORT_KEYS[field.kind].value_field, COLUMN, field.key)


def text_keys(text: str) -> list[models.expressions.Combinable]:
    """Return the keys that `json_text_key` gives to `text`, and to the number that it may be."""
    keys = [Lower(Value(text[:TEXT_KEY_LENGTH]))]
    number = read_json_number(text)
    return keys if number is None else [*keys, Value(plain_digits(number)[:TEXT_KEY_LENGTH])]
