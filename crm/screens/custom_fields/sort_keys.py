"""The value of a custom field or of an answer as something that sorts: one expression for filters, orders, indexes.

Each kind has a function of the database. It never fails and is never null: a missing value, or one that does not fit
the kind, has the lowest key. What filters and sorts by the same expression is served by an index on it.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import models
from django.db.models import F, Func, Value
from django.db.models.functions import Collate, Lower
from psycopg import sql

from crm.models import CustomField, CustomFieldKind
from crm.screens.custom_fields.questions import QuestionField

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
    """A function of the database `(jsonb, key)`, what it returns, and the lowest key, that of no value."""

    function: str
    output_field: models.Field
    lowest: Any
    collation: str = ""

    def expression(self, data: models.expressions.Combinable, key: str) -> models.expressions.Combinable:
        """Return the sort key of `key` in `data`, the column or the group in it that holds `key`."""
        value = Func(data, Value(key), function=self.function, output_field=self.output_field)
        return Collate(value, self.collation) if self.collation else value

    def compose(self, data: sql.Composable, key: str) -> sql.Composed:
        """Return the same expression as SQL."""
        value = sql.SQL("{}({}, {})").format(sql.Identifier(self.function), data, sql.Literal(key))
        if not self.collation:
            return value
        return sql.SQL("({} COLLATE {})").format(value, sql.Identifier(self.collation))


NUMBER_KEY = SortKey("json_number_key", NumericField(), Decimal("-Infinity"))
TEXT_KEY = SortKey("json_text_key", models.TextField(), "", "C")
TIME_KEY = SortKey("json_time_key", models.TextField(), "", "C")
YES_NO_KEY = SortKey("json_yes_no_key", models.SmallIntegerField(), -1)
# Several choices have no order; the GIN index of the column serves their filters.
SORT_KEYS: dict[str, SortKey] = {
    **{kind.value: TEXT_KEY for kind in CustomFieldKind if kind != CustomFieldKind.CHOICES},
    CustomFieldKind.NUMBER.value: NUMBER_KEY,
    CustomFieldKind.MONEY.value: NUMBER_KEY,
    CustomFieldKind.DATE.value: TIME_KEY,
    CustomFieldKind.DATE_TIME.value: TIME_KEY,
    CustomFieldKind.YES_NO.value: YES_NO_KEY,
}

SORT_KEY_FUNCTIONS = {one.function for one in SORT_KEYS.values()}


class JsonMember(Func):
    """The value of a key in a JSON object. The key is always a name, where Django takes "5" for a position."""

    template, arg_joiner = "(%(expressions)s)", " -> "

    def __init__(self, data: models.expressions.Combinable, key: str) -> None:
        super().__init__(data, Value(key), output_field=models.JSONField())


class JsonMemberText(JsonMember):
    """The value of a key in a JSON object as text."""

    arg_joiner = " ->> "

    def __init__(self, data: models.expressions.Combinable, key: str) -> None:
        super().__init__(data, key)
        self.output_field = models.TextField()


def holder(field: FilterField) -> models.expressions.Combinable:
    """Return the JSON object in a row that holds the value of `field`: its column, or a group in it."""
    data: models.expressions.Combinable = F(field.column)
    for step in field.steps[:-1]:
        data = JsonMember(data, step)
    return data


def compose_holder(column: str, steps: Sequence[str]) -> sql.Composed:
    """Return the JSON object that holds the last of `steps` as SQL, the same as `holder`."""
    data = sql.Composed([sql.Identifier(column)])
    for step in steps[:-1]:
        data = sql.SQL("({} -> {})").format(data, sql.Literal(step))
    return data


def sort_key(field: FilterField) -> models.expressions.Combinable:
    """Return the sort key of `field` in a row; the field is of a kind that has one."""
    return SORT_KEYS[field.kind].expression(holder(field), field.steps[-1])


def text_keys(text: str) -> list[models.expressions.Combinable]:
    """Return the keys that `json_text_key` gives to `text`, and to the number that it may be."""
    keys = [Lower(Value(text[:TEXT_KEY_LENGTH]))]
    try:
        number = Decimal(text)
    except ArithmeticError:
        return keys
    if number.is_finite() and abs(number.adjusted()) < TEXT_KEY_LENGTH:
        keys.append(Value(format(number.normalize(), "f")[:TEXT_KEY_LENGTH]))
    return keys
