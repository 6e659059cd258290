"""What can be asked of a custom field or of a question of a form, as conditions on its JSON column."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import models
from django.db.models import Q, Value
from django.db.models.lookups import (
    Exact,
    GreaterThan,
    GreaterThanOrEqual,
    IContains,
    In,
    IsNull,
    LessThan,
    LessThanOrEqual,
)
from django.utils.dateparse import parse_date

from crm.exceptions import InvalidInput
from crm.models import CustomFieldKind, SchemaDecision
from crm.models.custom_field import REFERENCE_TABLES
from crm.records.custom_fields.references import ReferenceNames, record_key
from crm.records.json_keys import ELEMENTS
from crm.records.local_time import start_of_reader_day
from crm.screens.custom_fields.group_tables import HasEntry, fits_column
from crm.screens.custom_fields.sort_keys import (
    SORT_KEYS,
    FilterField,
    JsonMember,
    holder,
    sort_key,
    text_keys,
    text_value,
)
from crm.screens.json_forms.display import NO_COLOUR
from crm.text.numbers import parse_typed_number, read_json_number

MAX_QUOTED_LENGTH = 40
MIN_DATE, MAX_DATE = date(1900, 1, 1), date(2200, 1, 1)
NO_VALUES: tuple[Any, ...] = (None, "", [])

EQUALITY = {"is": "is", "not": "is not"}
EMPTINESS = {"empty": "is empty", "filled": "is not empty"}
# These find records by what they do not have.
NEGATIONS = frozenset({"not", "empty"})
RANGE_OPERATORS = {"is": "is", "from": "from", "to": "up to", "between": "between", "not": "is not", **EMPTINESS}
# The first operator of a kind is the one of a filter that names none.
OPERATORS_BY_KIND: dict[str, dict[str, str]] = {
    **{kind.value: {**EQUALITY, "contains": "contains", **EMPTINESS} for kind in CustomFieldKind},
    CustomFieldKind.NUMBER.value: RANGE_OPERATORS,
    CustomFieldKind.MONEY.value: RANGE_OPERATORS,
    CustomFieldKind.DATE.value: RANGE_OPERATORS,
    CustomFieldKind.DATE_TIME.value: {**RANGE_OPERATORS, "is": "on", "not": "not on"},
    CustomFieldKind.YES_NO.value: {**EQUALITY, **EMPTINESS},
    CustomFieldKind.CHOICE.value: {"is": "is", "any": "is any of", "not": "is not", **EMPTINESS},
    CustomFieldKind.CHOICES.value: {"any": "has any of", "all": "has all of", "not": "has none of", **EMPTINESS},
    **dict.fromkeys(REFERENCE_TABLES, {"is": "is", "any": "is any of", "not": "is not", **EMPTINESS}),
}
# The GIN index of a column finds an entry of a repeated group by equality, and nothing else does without reading all.
REPEATED_OPERATORS = {"is": "one is", "not": "none is"}
REPEATED_CHOICE_OPERATORS = {"any": "one is any of", "not": "none is any of"}


def operators_of(field: FilterField) -> dict[str, str]:
    """Return the label of each comparison that can be asked of `field`; the first is that of a filter without one."""
    if field.is_repeated:
        return REPEATED_CHOICE_OPERATORS if field.has_choices else REPEATED_OPERATORS
    return OPERATORS_BY_KIND[field.kind]


@dataclass(frozen=True)
class FieldCondition:
    """A question about one field: an operator and its values, still as text. "between" has two values.

    `names` are what the reader reads in place of references.
    """

    field: FilterField
    operator: str
    values: tuple[str, ...] = ()
    names: ReferenceNames | None = None

    def to_q(self) -> Q:
        """Return the condition on rows.

        Raises:
            InvalidInput: the operator does not fit the kind of the field, or a value cannot be read.
        """
        if self.operator not in operators_of(self.field):
            raise InvalidInput(f"“{self.operator[:MAX_QUOTED_LENGTH]}” is no comparison for “{self.field}”.")
        condition = self.field.scope & self.value_condition()
        return condition & self.field.asked if self.operator in NEGATIONS else condition

    def value_condition(self) -> Q:
        if self.operator in EMPTINESS:
            return is_empty(self.field) if self.operator == "empty" else ~is_empty(self.field)
        if not self.values or (self.operator == "between" and len(self.values) != 2):
            raise InvalidInput(f"Enter {'both values' if self.operator == 'between' else 'a value'}.")
        return CONDITION_BY_KIND.get(self.field.kind, text_condition)(self)

    def badges(self) -> list[tuple[str, str]]:
        """Return the label and the colour of each value, if the choices of the field have colours."""
        labels, colours = self.field.choice_labels(), self.field.choice_colours()
        has_badges = colours and self.operator not in EMPTINESS
        return (
            [(labels.get(value, value), colours.get(value, NO_COLOUR)) for value in self.values] if has_badges else []
        )

    @property
    def operator_label(self) -> str:
        return operators_of(self.field).get(self.operator, self.operator)

    def describe(self) -> str:
        """Return the operator and the values for reading."""
        labels = {"true": "yes", "false": "no"} if self.field.kind == CustomFieldKind.YES_NO else {}
        labels = self.field.choice_labels() if self.field.has_choices else labels
        names = [self.names[value].text if self.names else labels.get(value, value) for value in self.values]
        if self.operator in EMPTINESS:
            names = []
        text = (" and " if self.operator == "between" else ", ").join(names)
        return f"{self.operator_label} {text}".strip()


def equals(field: FilterField, value: Any) -> Q:
    """Return the rows whose `field` is `value`, or has it among others.

    The GIN index of the column serves it, or the table of a repeated group that has one.
    """
    if field.promotion == SchemaDecision.TABLE and fits_column(value):
        return Q(HasEntry(field.table, field.column, field.steps, value))
    for step in reversed(field.steps):
        value = [value] if field.is_repeated and step == ELEMENTS else {step: value}
    return Q(**{f"{field.column}__contains": value})


def is_empty(field: FilterField) -> Q:
    """Return the rows without the key of `field`, or with nothing in it."""
    stored = JsonMember(holder(field), field.steps[-1])
    blank = [Q(Exact(stored, Value(value, models.JSONField()))) for value in NO_VALUES]
    return Q(IsNull(stored, True)) | blank[0] | blank[1] | blank[2]


def text_equals(field: FilterField, value: str) -> Q:
    """Return the rows whose `field` is `value` as text, number or boolean."""
    condition = equals(field, value)
    if value in {"true", "false"}:
        condition |= equals(field, value == "true")
    number = read_json_number(value)
    return condition if number is None else condition | equals(field, number)


def text_condition(condition: FieldCondition) -> Q:
    field, value = condition.field, condition.values[0]
    if condition.operator == "contains":
        return Q(IContains(text_value(field), value))
    same = text_equals(field, value)
    if condition.operator == "not":
        return ~same
    has_sort_key_index = field.promotion and not field.is_repeated
    return same & Q(In(sort_key(field), text_keys(value))) if has_sort_key_index else same


def yes_no_condition(condition: FieldCondition) -> Q:
    field, value = condition.field, condition.values[0]
    if value not in {"true", "false"}:
        raise InvalidInput(f"“{value[:MAX_QUOTED_LENGTH]}” is neither yes nor no.")
    if condition.operator == "not":
        return ~equals(field, value == "true")
    if field.promotion:
        return Q(Exact(sort_key(field), Value(int(value == "true"))))
    return equals(field, value == "true")


def choice_condition(condition: FieldCondition) -> Q:
    """A choice that the definition does not have is no error: rows may have it from an import."""
    is_list = condition.field.kind == CustomFieldKind.CHOICES
    each = [equals(condition.field, [value] if is_list else value) for value in condition.values]
    if condition.operator == "all":
        return Q(*each)
    any_of_them = Q(*each, _connector=Q.OR)
    if condition.operator == "not":
        return ~any_of_them
    if condition.field.promotion and not is_list:
        keys = [key for value in condition.values for key in text_keys(value)]
        return any_of_them & Q(In(sort_key(condition.field), keys))
    return any_of_them


def reference_condition(condition: FieldCondition) -> Q:
    field, keys = condition.field, [read_record_key(value) for value in condition.values]
    # Other programs may write keys in capitals.
    any_of_them = Q(*(equals(field, text) for key in keys for text in (key, key.upper())), _connector=Q.OR)
    if condition.operator == "not":
        return ~any_of_them
    return any_of_them & Q(In(sort_key(field), [UUID(key) for key in keys])) if field.promotion else any_of_them


def number_condition(condition: FieldCondition) -> Q:
    return range_condition(condition, [read_number(value) for value in condition.values])


def date_condition(condition: FieldCondition) -> Q:
    return range_condition(condition, [read_date(value) for value in condition.values])


def date_time_condition(condition: FieldCondition) -> Q:
    """Compare with whole days of the reader."""
    days = [read_date(value) for value in condition.values]
    first, last = start_of_reader_day(days[0]), start_of_reader_day(days[-1] + timedelta(days=1))
    stored = sort_key(condition.field)
    since, until = Q(GreaterThanOrEqual(stored, Value(first))), Q(LessThan(stored, Value(last)))
    if condition.operator == "not":
        return ~(since & until)
    return {"from": since, "to": until & has_sort_key(condition.field)}.get(condition.operator, since & until)


def range_condition(condition: FieldCondition, values: list[Any]) -> Q:
    """Return the rows with a value within the range of the condition, by the sort key of the field."""
    field, operator = condition.field, condition.operator
    stored, output_field = sort_key(field), SORT_KEYS[field.kind].output_field
    bounds = [Value(value, output_field=output_field) for value in values]
    if operator in EQUALITY and not (operator == "is" and field.promotion):
        same = equals(field, stored_value(values[0]))
        return same if operator == "is" else ~same
    since, until = Q(GreaterThanOrEqual(stored, bounds[0])), Q(LessThanOrEqual(stored, bounds[-1]))
    answers = {
        "is": Q(Exact(stored, bounds[0])),
        "from": since,
        "to": until & has_sort_key(field),
        "between": since & until,
    }
    return answers[operator]


def has_sort_key(field: FilterField) -> Q:
    """Return the rows with a value that fits the kind of `field`."""
    key = SORT_KEYS[field.kind]
    return Q(GreaterThan(sort_key(field), Value(key.lowest, output_field=key.output_field)))


def stored_value(value: Any) -> int | float | str:
    """Return a number or a date as JSON stores it."""
    if isinstance(value, date):
        return value.isoformat()
    return int(value) if value == value.to_integral_value() else float(value)


def read_number(text: str) -> Any:
    number = parse_typed_number(text)
    if number is None:
        raise InvalidInput(f"“{text[:MAX_QUOTED_LENGTH]}” is not a number.")
    return number


def read_record_key(text: str) -> str:
    key = record_key(text)
    if not key:
        raise InvalidInput(f"“{text[:MAX_QUOTED_LENGTH]}” is not a record. Choose one from the list.")
    return key


def read_date(text: str) -> date:
    try:
        day = parse_date(text.strip())
    except ValueError:
        day = None
    if day is None:
        raise InvalidInput(f"“{text[:MAX_QUOTED_LENGTH]}” is not a date.")
    return min(max(day, MIN_DATE), MAX_DATE)


def utc_text(moment: datetime) -> str:
    """Return `moment` as custom fields store it: in UTC, so that the order of the texts is that of the times."""
    return moment.astimezone(UTC).isoformat(timespec="seconds")


CONDITION_BY_KIND: dict[str, Callable[[FieldCondition], Q]] = {
    CustomFieldKind.NUMBER.value: number_condition,
    CustomFieldKind.MONEY.value: number_condition,
    CustomFieldKind.DATE.value: date_condition,
    CustomFieldKind.DATE_TIME.value: date_time_condition,
    CustomFieldKind.YES_NO.value: yes_no_condition,
    CustomFieldKind.CHOICE.value: choice_condition,
    CustomFieldKind.CHOICES.value: choice_condition,
    **dict.fromkeys(REFERENCE_TABLES, reference_condition),
}
