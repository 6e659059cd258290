"""Filters of a list by custom fields, and by the questions of forms.

`cf.<key>=<value>` filters by a value; `cf.<key>~op=<operator>` chooses another comparison, and `cf.<key>~to=<value>`
is the end of "between". A key without a definition can only be compared for equality. `answer.<form>.<question>`
filters by a question in the same way, `answer.<form>.<group>.<question>` by one of a repeated group.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from typing import Any

from django.apps import apps
from django.db import models
from django.forms import Media

from crm.exceptions import InvalidInput
from crm.models import CustomField, CustomFieldKind, FieldUse, User
from crm.models.schema_change import with_promotion
from crm.records.custom_fields.references import ReferenceNames
from crm.records.field_usage import count_use
from crm.records.json_keys import key_path
from crm.screens.custom_fields.conditions import EMPTINESS, FieldCondition, operators_of, text_equals
from crm.screens.custom_fields.filter_plans import (
    SMALL_TABLE_ROWS,
    FilterPlan,
    estimate_table_rows,
    plan_filter,
)
from crm.screens.custom_fields.questions import (
    FORM_FILTER,
    QUESTION_PREFIX,
    QuestionField,
    QuestionForm,
    load_question_forms,
)
from crm.screens.custom_fields.sort_keys import SORT_KEYS, FilterField, sort_key
from crm.screens.json_forms.reference_input import ReferenceSelectMultiple
from crm.screens.paging import Order
from crm.text.cleaning import strip_nul

# Each takes a statement; more filters than these are rare.
MAX_PLANS = 3
PREFIX, OPERATOR_SUFFIX, END_SUFFIX = "cf.", "~op", "~to"
YES_NO_LABELS = {"true": "Yes", "false": "No"}
INPUT_TYPES = {
    CustomFieldKind.DATE.value: "date",
    CustomFieldKind.DATE_TIME.value: "date",
}


@dataclass
class SentFilter:
    """What the address says of one field."""

    values: list[str] = field(default_factory=list)
    end: str = ""
    operator: str = ""


class CustomFieldFilters:
    """The filters by custom fields and questions in `sent_data`, the parameters of the list of `table` (a model label).

    A field goes by the name of its parameter, such as `cf.level` or `answer.auto.mileage`. What `reader` may not open
    is not named.
    """

    def __init__(self, sent_data: Mapping[str, Any], table: str, reader: User | None = None) -> None:
        self.table, self.sent_data, self.reader = table, sent_data, reader
        self.errors: dict[str, str] = {}
        self.plans: dict[str, FilterPlan] = {}

    @cached_property
    def data(self) -> dict[str, list[str]]:
        """The parameters of these filters. One of an unknown question is none of them."""
        names = (name for name in self.sent_data if name.startswith((PREFIX, QUESTION_PREFIX)))
        return {
            name: value_list(self.sent_data, name)
            for name in names
            if name.startswith(PREFIX) or self.split_name(name)[0] in self.questions
        }

    @cached_property
    def fields(self) -> dict[str, CustomField]:
        """The defined custom fields of the table by key."""
        return {each.key: each for each in with_promotion(CustomField.objects.of_table(self.table))}

    @cached_property
    def question_forms(self) -> list[QuestionForm]:
        """The forms that the address is about: those of a question that it names, and the one of the filter `line`."""
        sorted_by = str(self.sent_data.get("order") or "")
        names = [name for name in (*self.sent_data, sorted_by) if name.startswith(QUESTION_PREFIX)]
        codes = {name.split(".")[1] for name in names} | {str(self.sent_data.get(FORM_FILTER) or "")} - {""}
        return load_question_forms(self.table, {strip_nul(code) for code in codes})

    @cached_property
    def questions(self) -> dict[str, QuestionField]:
        """The questions of these forms by parameter."""
        return {each.parameter: each for form in self.question_forms for each in form.fields}

    def find_field(self, name: str) -> FilterField | None:
        """Return the field whose parameter is `name`; None if it has no definition."""
        if name.startswith(PREFIX):
            return self.fields.get(name.removeprefix(PREFIX))
        return self.questions.get(name)

    @cached_property
    def sent(self) -> dict[str, SentFilter]:
        """What the address says, by field."""
        by_name: dict[str, SentFilter] = {}
        for parameter, values in self.data.items():
            name, suffix = self.split_name(parameter)
            one = by_name.setdefault(name, SentFilter())
            if suffix == OPERATOR_SUFFIX:
                one.operator = values[-1] if values else ""
            elif suffix == END_SUFFIX:
                one.end = values[-1] if values else ""
            else:
                one.values = values
        return by_name

    def split_name(self, parameter: str) -> tuple[str, str]:
        """Return the field and the suffix in the name of a parameter; a defined key may itself end like a suffix."""
        name = strip_nul(parameter)
        for suffix in (OPERATOR_SUFFIX, END_SUFFIX):
            if name.endswith(suffix) and not self.find_field(name) and self.find_field(name.removesuffix(suffix)):
                return name.removesuffix(suffix), suffix
        return name, ""

    @cached_property
    def conditions(self) -> dict[str, FieldCondition]:
        """What is asked of the defined fields; one without a value asks nothing."""
        return {
            name: replace(condition, names=self.reference_names.get(name))
            for name, one in self.sent.items()
            if (defined := self.find_field(name)) and (condition := make_condition(defined, one))
        }

    @cached_property
    def reference_names(self) -> dict[str, ReferenceNames]:
        """What the reader reads in place of the references that the address asks for, by field."""
        return {
            parameter_name(each): ReferenceNames(each.refers_to, self.reader, stored=())
            for each in self.fields.values()
            if each.refers_to
        }

    @cached_property
    def plain_values(self) -> dict[str, str]:
        """The values asked of keys without a definition, by key."""
        pairs = ((name, one.values[-1] if one.values else "") for name, one in self.sent.items())
        return {
            name.removeprefix(PREFIX): value
            for name, value in pairs
            if name != PREFIX and value and not self.find_field(name)
        }

    @cached_property
    def orders(self) -> dict[str, Order]:
        """The orders by the fields that are promoted, by the name that the address gives them."""
        return {
            parameter_name(each): Order(f"By {each.label}", {order_key(each): sort_key(each), "id": models.F("id")})
            for each in (*self.fields.values(), *self.questions.values())
            if each.promotion and not each.is_repeated and SORT_KEYS[each.kind].has_order
        }

    def filter(self, queryset: models.QuerySet) -> models.QuerySet:
        """Return the rows that meet every condition; one that cannot be read is left out and listed in `errors`."""
        if not self.data:
            return queryset
        for key, value in self.plain_values.items():
            queryset = queryset.filter(text_equals(undefined_field(key), value))
        for name, condition in self.conditions.items():
            try:
                queryset = queryset.filter(condition.to_q())
            except InvalidInput as error:
                self.errors[name] = f"{condition.field}: {error}"
        return queryset

    def fields_in_force(self) -> list[FilterField]:
        """Return the fields of the filters in force; valid after `filter`."""
        used = [condition.field for name, condition in self.conditions.items() if name not in self.errors]
        return [*map(undefined_field, self.plain_values), *used]

    def is_active(self, parameter: str) -> bool:
        """Whether `parameter` is part of a filter in force."""
        if parameter not in self.data:
            return False
        name, _ = self.split_name(parameter)
        return name.removeprefix(PREFIX) in self.plain_values or (name in self.conditions and name not in self.errors)

    def label(self, parameter: str) -> str:
        name, _ = self.split_name(parameter)
        defined = self.find_field(name)
        return defined.label if defined else name.removeprefix(PREFIX)

    def describe(self, parameter: str) -> str:
        """Return the filter that `parameter` belongs to, for reading."""
        name, _ = self.split_name(parameter)
        if name in self.conditions:
            return self.conditions[name].describe()
        return self.plain_values.get(name.removeprefix(PREFIX), "")

    def chip_parts(self, name: str) -> dict[str, Any]:
        """Return what the chip of the filter that the parameter `name` belongs to shows: text, or coloured choices."""
        condition = self.conditions.get(self.split_name(name)[0])
        badges = condition.badges() if condition else []
        return {"value": condition.operator_label if badges else self.describe(name), "badges": badges}

    @cached_property
    def table_rows(self) -> int:
        """The estimated number of rows of the table."""
        return estimate_table_rows(apps.get_model(self.table)._meta.db_table)

    def plan(self, parameter: str) -> FilterPlan | None:
        """Return how the filter that `parameter` belongs to finds its rows.

        None where it does not matter, because the table is small, and beyond the first few filters.
        """
        name, _ = self.split_name(parameter)
        if name in self.plans or len(self.plans) >= MAX_PLANS:
            return self.plans.get(name)
        defined = self.find_field(name) or undefined_field(name.removeprefix(PREFIX))
        if self.table_rows < SMALL_TABLE_ROWS:
            is_promoted = bool(defined.promotion)
            return FilterPlan(True, self.table_rows, defined.promotion_label) if is_promoted else None
        value = self.plain_values.get(name.removeprefix(PREFIX), "")
        condition = self.conditions[name].to_q() if name in self.conditions else text_equals(defined, value)
        plan = plan_filter(apps.get_model(self.table), condition, defined.indexed_column, self.table_rows)
        self.plans[name] = replace(plan, index_label=defined.promotion_label)
        return self.plans[name]

    def parameters_of(self, parameter: str) -> set[str]:
        """Return the parameters of the same filter as `parameter`."""
        name, _ = self.split_name(parameter)
        return {other for other in self.data if self.split_name(other)[0] == name}

    @property
    def media(self) -> Media:
        """The files of the pickers in the filter sheet, if it has any."""
        return sum((ReferenceSelectMultiple(each.table).media for each in self.reference_names.values()), Media())

    def inputs(self) -> Iterator[dict[str, Any]]:
        """Yield what the filter sheet needs to draw the inputs of each custom field that is offered as a filter."""
        return self.describe_fields(self.fields.values())

    def question_groups(self, chosen: str = "") -> list[tuple[str, list[dict[str, Any]]]]:
        """Return the label and the inputs of the form `chosen`, and of each form with a filter in force."""
        codes = {name.split(".")[1] for name in self.conditions if name.startswith(QUESTION_PREFIX)} | {chosen}
        forms = load_question_forms(self.table, codes - {""})
        groups = [(form.label, list(self.describe_fields(form.fields))) for form in forms]
        return [
            (label, [{**one, "label": one["label"].removeprefix(f"{label}: ")} for one in inputs])
            for label, inputs in groups
        ]

    def describe_fields(self, fields: Iterable[FilterField], *, all_of_them: bool = False) -> Iterator[dict[str, Any]]:
        """Yield the inputs of those of `fields` that are offered as filters or filter already, or `all_of_them`."""
        for each in fields:
            name = parameter_name(each)
            if all_of_them or each.is_filterable or name in self.conditions:
                sent = self.sent.get(name, SentFilter())
                picker = reference_picker(each, sent, self.reference_names[name]) if each.refers_to else ""
                yield {**describe_filter(each, sent), "picker": picker, "is_used": name in self.conditions}


class CustomFieldFilterMixin:
    """For a FilterSet of a table with custom fields, and perhaps with answers to the questions of forms."""

    def __init__(self, data: Any = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(data, *args, **kwargs)
        table, reader = self._meta.model._meta.label_lower, getattr(self.request, "user", None)
        self.custom_fields = CustomFieldFilters({} if data is None else data, table, reader)

    def filter_queryset(self, queryset: models.QuerySet) -> models.QuerySet:
        queryset = self.custom_fields.filter(super().filter_queryset(queryset))
        user = getattr(self.request, "user", None)
        for used in self.custom_fields.fields_in_force():
            count_use(FieldUse.FILTERED, self.custom_fields.table, used.column, [key_path(*used.steps)], user)
        return queryset


def parameter_name(defined: FilterField) -> str:
    """Return the name of the filter by `defined` in the address of a list, and of the order by it."""
    return defined.parameter if isinstance(defined, QuestionField) else f"{PREFIX}{defined.key}"


def order_key(defined: FilterField) -> str:
    """Return the name of the sort key in an Order; a key may hold characters that no name of a column may."""
    return "cf_" + sha256(parameter_name(defined).encode()).hexdigest()[:16]


def undefined_field(key: str) -> CustomField:
    """Return a key of `custom_fields` without a definition as a field of text."""
    return CustomField(key=key, label=key, kind=CustomFieldKind.TEXT)


def value_list(data: Mapping[str, Any], name: str) -> list[str]:
    """Return the values of a parameter that are not empty."""
    values = data.getlist(name) if hasattr(data, "getlist") else [data[name]]
    return [text for value in values if (text := strip_nul(str(value)).strip())]


def make_condition(defined: FilterField, sent: SentFilter) -> FieldCondition | None:
    """Return what is asked of a field; None if there is no value to compare with."""
    operator = sent.operator or next(iter(operators_of(defined)))
    if operator in EMPTINESS:
        return FieldCondition(defined, operator)
    if operator == "between":
        values = tuple(filter(None, [*sent.values[-1:], sent.end]))
        return FieldCondition(defined, operator, values) if values else None
    return FieldCondition(defined, operator, tuple(sent.values)) if sent.values else None


def reference_picker(defined: CustomField, sent: SentFilter, names: ReferenceNames) -> str:
    """Return the input of a filter by a reference, with the chosen records."""
    name, chosen = parameter_name(defined), [(value, names[value].text) for value in sent.values]
    picker = ReferenceSelectMultiple(defined.refers_to, choices=chosen)
    return picker.render(name, sent.values, {"id": f"id_{name}", "aria-label": defined.label})


def describe_filter(defined: FilterField, sent: SentFilter) -> dict[str, Any]:
    operators = operators_of(defined)
    choices = YES_NO_LABELS if defined.kind == CustomFieldKind.YES_NO else defined.choice_labels()
    return {
        "name": parameter_name(defined),
        "label": defined.label,
        "operators": operators,
        "operator": sent.operator or next(iter(operators)),
        "choices": choices,
        "colours": defined.choice_colours(),
        "is_multiple": defined.has_choices,
        "values": sent.values,
        "value": sent.values[-1] if sent.values else "",
        "has_end": "between" in operators,
        "end": sent.end,
        "promotion_label": defined.promotion_label if defined.promotion else "",
        "input_type": INPUT_TYPES.get(defined.kind, "text"),
    }
