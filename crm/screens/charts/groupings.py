"""How the rows of a list can be grouped: by its filters, tags, custom fields, and the questions of a line.

Each group names the filters of the list that find its rows, so a chart counts what the list behind it shows.
"""

from calendar import monthrange
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Case, Exists, F, Func, OuterRef, Q, Value, When
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast, TruncMonth
from django.db.models.lookups import Exact, IsNull
from django.utils.text import capfirst

from crm.models import CustomField, CustomFieldKind, User
from crm.records.custom_fields.references import ReferenceNames, named_records
from crm.records.local_time import format_month
from crm.screens.charts.ranges import Ranges, find_ranges
from crm.screens.custom_fields.conditions import MAX_DATE, MIN_DATE, is_empty, stored_value
from crm.screens.custom_fields.filters import END_SUFFIX, OPERATOR_SUFFIX, YES_NO_LABELS, parameter_name
from crm.screens.custom_fields.sort_keys import SORT_KEYS, FilterField, JsonMember, NumericField, holder
from crm.screens.json_forms.display import number_text, with_unit
from crm.text.numbers import parse_typed_number, plain_digits, read_json_number

NO_VALUE, OTHER_VALUES = "No value", "Values of another kind"
# What a filter of a list calls the rows without a value.
NONE = "none"
# The text of a JSON value of some types, and the texts of a JSON array; null and "" are no text.
TEXT_TEMPLATE = """
    (SELECT CASE WHEN jsonb_typeof(value) IN ({types}) THEN nullif(value #>> '{{}}', '') END
       FROM (SELECT %(expressions)s) AS one (value))
"""
# The text of everything that the filter of a text compares, with one text for 1 and 1.0.
ANY_TEXT_TEMPLATE = """
    (SELECT CASE jsonb_typeof(value)
            WHEN 'string' THEN nullif(value #>> '{}', '')
            WHEN 'number' THEN trim_scale(value::numeric)::text
            WHEN 'boolean' THEN value::text END
       FROM (SELECT %(expressions)s) AS one (value))
"""
TEXTS_TEMPLATE = """
    ARRAY(SELECT DISTINCT element #>> '{}'
            FROM (SELECT %(expressions)s) AS one (value), jsonb_array_elements(
                     CASE WHEN jsonb_typeof(value) = 'array' THEN value ELSE '[]' END) AS element
           WHERE jsonb_typeof(element) = 'string' AND element <> '""')
"""
Params = tuple[tuple[str, str], ...]


class GroupName(NamedTuple):
    """What a group is called, and the filters that find its rows; None where no filter does."""

    label: str
    params: Params | None


@dataclass(frozen=True)
class Grouping:
    """A way to group rows.

    `value` is the group of a row as text, null if it has none; with `is_list`, an array of texts, and the row is in
    the group of each. Where null may also mean a value that does not fit, `blank` are the rows without any. `rows` are
    those that have a group at all. `case_function` is the function of the database by which the filter unites the
    spellings of a value. `is_ordered` puts the groups in their own order, the others in that of their size.

    Where the groups depend on the rows, `adapt` returns the grouping of these rows. `load` reads at once what
    `describe` needs of several groups.
    """

    name: str
    label: str
    value: Combinable
    describe: Callable[[str | None], GroupName]
    is_list: bool = False
    case_function: str = ""
    is_ordered: bool = False
    adapt: Callable[[Sequence[models.QuerySet]], "Grouping"] | None = None
    load: Callable[[Iterable[Any]], None] | None = None
    blank: Q | None = None
    rows: Q = field(default_factory=Q)
    # The JSON column and the key whose use the chart is.
    json_field: FilterField | None = None


@dataclass(frozen=True)
class Amount:
    """A number that a chart adds up."""

    name: str
    label: str
    value: Combinable
    is_money: bool = True


@dataclass(frozen=True)
class ListChart:
    """The charts of a list: the column behind each filter that groups its rows, and the columns to add up by label."""

    filters: Mapping[str, str]
    amounts: Mapping[str, str] = field(default_factory=dict)
    has_tags: bool = False


def find_groupings(chart: ListChart, filterset: Any) -> dict[str, Grouping]:
    """Return the groupings of a list by name: those declared, and those that staff defined."""
    groupings = [filter_grouping(filterset, name, column) for name, column in chart.filters.items()]
    if chart.has_tags:
        groupings.append(tag_grouping())
    custom_fields = filterset.custom_fields
    questions = (one for one in custom_fields.questions.values() if not one.is_repeated)
    for defined in (*custom_fields.fields.values(), *questions):
        groupings.extend(field_groupings(defined, custom_fields.reader))
    return {one.name: one for one in groupings}


def find_amounts(chart: ListChart, filterset: Any) -> dict[str, Amount]:
    """Return what the charts of a list can add up, by name: columns, and custom fields that are numbers."""
    amounts = [Amount(column, label, F(column)) for label, column in chart.amounts.items()]
    for defined in filterset.custom_fields.fields.values():
        if defined.kind in {CustomFieldKind.NUMBER, CustomFieldKind.MONEY}:
            is_money = defined.kind == CustomFieldKind.MONEY
            amounts.append(Amount(parameter_name(defined), defined.label, typed_value(defined), is_money))
    return {one.name: one for one in amounts}


def filter_grouping(filterset: Any, name: str, column: str) -> Grouping:
    """Group by `column`, which the filter `name` compares: with one of its choices, or with a text in any case."""
    form_field = filterset.form.fields[name]
    labels = {str(value): str(label) for value, label in getattr(form_field, "choices", ()) if value}

    def describe(value: str | None) -> GroupName:
        key = NONE if value is None else value
        if key in labels or (value and not labels):
            return text_group(name, key, labels.get(key, key))
        return GroupName(value or NO_VALUE, None)

    value = Cast(F(column), models.TextField())
    # `iexact` compares in upper case, where ß is SS and both s of Greek are one.
    return Grouping(name, str(form_field.label), value, describe, case_function="" if labels else "upper")


def tag_grouping() -> Grouping:
    def describe(tag: str | None) -> GroupName:
        # The filter takes several tags, and none of them is "no tag".
        return GroupName("No tags", None) if tag is None else GroupName(tag, (("tags", tag),))

    return Grouping("tags", "Tag", F("tags"), describe, is_list=True, case_function="lower")


def text_group(name: str, value: str, label: str = "") -> GroupName:
    """Return the group of `value`, which the filter `name` compares. Filters drop the space around a value."""
    return GroupName(label or value, ((name, value),) if value == value.strip() else None)


def field_groupings(defined: FilterField, reader: User | None) -> Iterator[Grouping]:
    """Yield the grouping by a custom field or question; none for a kind whose values are not in groups."""
    make = GROUPINGS_BY_KIND.get(defined.kind)
    if defined.refers_to:
        yield group_by_reference(defined, reader)
    elif make:
        yield make(defined)


def condition_params(name: str, operator: str, *values: str) -> Params:
    """Return the filter by the field `name`, as the address of a list has it."""
    params = ((f"{name}{OPERATOR_SUFFIX}", operator), (name, *values[:1]), (f"{name}{END_SUFFIX}", *values[1:]))
    return tuple(one for one in params if len(one) == 2)


def group_field(
    defined: FilterField, value: Combinable, describe: Callable[[str], GroupName], **options: Any
) -> Grouping:
    """Return the grouping by `value`; where it is null, the field is empty, or of another kind than its own."""
    name = parameter_name(defined)
    empty = GroupName(NO_VALUE, condition_params(name, "empty"))
    return Grouping(
        name,
        defined.label,
        value,
        lambda text: empty if text is None else describe(text),
        blank=is_empty(defined),
        rows=defined.scope & defined.asked,
        json_field=defined,
        **options,
    )


def typed_value(defined: FilterField, reference: type[F] = F) -> Func:
    """Return the value of a field in a row by its kind, null if there is none that fits.

    The row is that of an outer query if `reference` is an OuterRef.
    """
    key = SORT_KEYS[defined.kind]
    return Func(
        holder(defined, reference), Value(defined.steps[-1]), function=key.value_function, output_field=key.value_field
    )


def json_text(defined: FilterField, template: str) -> Func:
    member = JsonMember(holder(defined), defined.steps[-1])
    return Func(member, template=template, output_field=models.TextField())


def group_by_text(defined: FilterField) -> Grouping:
    name, text = parameter_name(defined), json_text(defined, ANY_TEXT_TEMPLATE)

    def describe(value: str) -> GroupName:
        # The filter finds a number in any spelling: that of “05” finds 5, too, which is another group.
        number = read_json_number(value)
        return text_group(name, value) if number is None or plain_digits(number) == value else GroupName(value, None)

    return group_field(defined, text, describe)


def group_by_choice(defined: FilterField) -> Grouping:
    name, labels = parameter_name(defined), defined.choice_labels()
    text = json_text(defined, TEXT_TEMPLATE.format(types="'string'"))
    return group_field(defined, text, lambda value: text_group(name, value, labels.get(value, value)))


def group_by_choices(defined: FilterField) -> Grouping:
    name, labels = parameter_name(defined), defined.choice_labels()
    texts = json_text(defined, TEXTS_TEMPLATE)
    return group_field(defined, texts, lambda value: text_group(name, value, labels.get(value, value)), is_list=True)


def group_by_yes_no(defined: FilterField) -> Grouping:
    name, text = parameter_name(defined), json_text(defined, TEXT_TEMPLATE.format(types="'boolean'"))
    return group_field(defined, text, lambda value: GroupName(YES_NO_LABELS[value], ((name, value),)))


def group_by_month(defined: FilterField) -> Grouping:
    """Group by the month of a date, or of a moment as the reader counts days."""
    name = parameter_name(defined)
    month = Cast(Cast(TruncMonth(typed_value(defined)), models.DateField()), models.TextField())

    def describe(text: str) -> GroupName:
        try:
            first = date.fromisoformat(text)
        except ValueError:  # a moment that is in no year of Python in the zone of the reader
            return GroupName(text, None)
        last = first.replace(day=monthrange(first.year, first.month)[1])
        if first < MIN_DATE or last > MAX_DATE:  # filters do not compare with such days
            return GroupName(format_month(first), None)
        return GroupName(format_month(first), condition_params(name, "between", text, last.isoformat()))

    return group_field(defined, month, describe, is_ordered=True)


def group_by_range(defined: FilterField) -> Grouping:
    """Group by ranges of numbers, which depend on the rows."""
    number = typed_value(defined)
    return replace(
        group_in_ranges(defined, Ranges((), Decimal(1))),
        adapt=lambda branches: group_in_ranges(defined, find_ranges(branches, number)),
    )


def group_in_ranges(defined: FilterField, ranges: Ranges) -> Grouping:
    borders = Value([*ranges.borders], ArrayField(NumericField()))
    index = Func(typed_value(defined), borders, function="width_bucket", output_field=models.IntegerField())
    # The numbers of the ranges have one digit, so their texts sort as the ranges do.
    value = Cast(index, models.TextField())
    return group_field(defined, value, lambda text: name_range(defined, ranges, int(text)), is_ordered=True)


def name_range(defined: FilterField, ranges: Ranges, index: int) -> GroupName:
    """Return what a range is called, and its filter: none where a filter cannot read one of its borders."""
    is_money = defined.kind == CustomFieldKind.MONEY
    label = ranges.describe(
        index, lambda number: with_unit(number_text(number, is_money=is_money), "$" if is_money else "")
    )
    operator, bounds = ranges.condition(index)
    can_be_asked = all(is_read_exactly(bound, is_compared=operator == "is") for bound in bounds)
    texts = [format(bound, "f") for bound in bounds]
    return GroupName(label, condition_params(parameter_name(defined), operator, *texts) if can_be_asked else None)


def is_read_exactly(number: Decimal, *, is_compared: bool) -> bool:
    """Whether a filter reads `number` without a loss. One that `is_compared` is looked up as a float in JSON."""
    is_read = parse_typed_number(format(number, "f")) == number
    return is_read and (not is_compared or Decimal(repr(stored_value(number))) == number)


def group_by_reference(defined: CustomField, reader: User | None) -> Grouping:
    """Group by the record that a field refers to; those that the reader may not open are one group."""
    name, names = parameter_name(defined), ReferenceNames(defined.refers_to, reader)
    key, hidden = typed_value(defined), ""
    named = named_records(defined.refers_to, reader).filter(Exact(F("pk"), typed_value(defined, OuterRef)))
    text = Cast(key, models.TextField())
    value = Case(
        When(IsNull(key, True), then=None),
        When(Exists(named), then=text),
        default=Value(hidden),
        output_field=text.output_field,
    )

    def describe(text: str) -> GroupName:
        if text == hidden:
            return GroupName(f"{capfirst(names.nouns)} that you may not open", None)
        return GroupName(names[text].text, condition_params(name, "is", text))

    return replace(group_field(defined, value, describe), load=names.load)


GROUPINGS_BY_KIND: dict[str, Callable[[FilterField], Grouping]] = {
    CustomFieldKind.TEXT.value: group_by_text,
    CustomFieldKind.CHOICE.value: group_by_choice,
    CustomFieldKind.CHOICES.value: group_by_choices,
    CustomFieldKind.YES_NO.value: group_by_yes_no,
    CustomFieldKind.NUMBER.value: group_by_range,
    CustomFieldKind.MONEY.value: group_by_range,
    CustomFieldKind.DATE.value: group_by_month,
    CustomFieldKind.DATE_TIME.value: group_by_month,
}
