"""Filters of a list by custom fields.

`cf.<key>=<value>` filters by a value; `cf.<key>~op=<operator>` chooses another comparison, and `cf.<key>~to=<value>`
is the end of "between". A key without a definition can only be compared for equality.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from typing import Any

from django.apps import apps
from django.db import models

from crm.exceptions import InvalidInput
from crm.models import CustomField, CustomFieldKind, FieldUse
from crm.models.schema_change import with_promotion
from crm.records.field_usage import count_use
from crm.records.json_keys import key_path
from crm.screens.custom_fields.conditions import (
    COLUMN,
    EMPTINESS,
    OPERATORS_BY_KIND,
    FieldCondition,
    text_equals,
)
from crm.screens.custom_fields.filter_plans import (
    SMALL_TABLE_ROWS,
    FilterPlan,
    estimate_table_rows,
    plan_filter,
)
from crm.screens.custom_fields.sort_keys import sort_key
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
    """What the address says of one key."""

    values: list[str] = field(default_factory=list)
    end: str = ""
    operator: str = ""


class CustomFieldFilters:
    """The filters by custom fields in `data`, the parameters of the list of `table` (a model label)."""

    def __init__(self, data: Mapping[str, Any], table: str) -> None:
        self.table = table
        self.data = {name: value_list(data, name) for name in data if name.startswith(PREFIX)}
        self.errors: dict[str, str] = {}
        self.plans: dict[str, FilterPlan] = {}

    @cached_property
    def fields(self) -> dict[str, CustomField]:
        """The defined fields of the table by key."""
        return {each.key: each for each in with_promotion(CustomField.objects.of_table(self.table))}

    @cached_property
    def sent(self) -> dict[str, SentFilter]:
        """What the address says, by key."""
        by_key: dict[str, SentFilter] = {}
        for name, values in self.data.items():
            key, suffix = self.split_name(name)
            one = by_key.setdefault(key, SentFilter())
            if suffix == OPERATOR_SUFFIX:
                one.operator = values[-1] if values else ""
            elif suffix == END_SUFFIX:
                one.end = values[-1] if values else ""
            else:
                one.values = values
        return by_key

    def split_name(self, name: str) -> tuple[str, str]:
        """Return the key and the suffix in the name of a parameter; a defined key may itself end like a suffix."""
        key = strip_nul(name.removeprefix(PREFIX))
        for suffix in (OPERATOR_SUFFIX, END_SUFFIX):
            if key.endswith(suffix) and key not in self.fields and key.removesuffix(suffix) in self.fields:
                return key.removesuffix(suffix), suffix
        return key, ""

    @cached_property
    def conditions(self) -> dict[str, FieldCondition]:
        """The questions about defined fields, by key; one without a value asks nothing."""
        return {
            key: condition
            for key, one in self.sent.items()
            if key in self.fields and (condition := make_condition(self.fields[key], one))
        }

    @cached_property
    def plain_values(self) -> dict[str, str]:
        """The values asked of keys without a definition."""
        pairs = ((key, one.values[-1] if one.values else "") for key, one in self.sent.items())
        return {key: value for key, value in pairs if key and value and key not in self.fields}

    @cached_property
    def orders(self) -> dict[str, Order]:
        """The orders by the fields that have an index, by the name that the address gives them."""
        return {
            order_name(each): Order(f"By {each.label}", {order_key(each): sort_key(each), "id": models.F("id")})
            for each in self.fields.values()
            if each.promotion
        }

    def filter(self, queryset: models.QuerySet) -> models.QuerySet:
        """Return the rows that meet every condition; one that cannot be read is left out and listed in `errors`."""
        if not self.data:
            return queryset
        for key, value in self.plain_values.items():
            queryset = queryset.filter(text_equals(key, value))
        for key, condition in self.conditions.items():
            try:
                queryset = queryset.filter(condition.to_q())
            except InvalidInput as error:
                self.errors[key] = f"{condition.field}: {error} This filter was left out."
        return queryset

    def keys_in_force(self) -> set[str]:
        """Return the keys of the filters in force; valid after `filter`."""
        return {*self.plain_values, *self.conditions} - self.errors.keys()

    def is_active(self, name: str) -> bool:
        """Whether the parameter `name` is part of a filter in force."""
        if name not in self.data:
            return False
        key, _ = self.split_name(name)
        return key in self.plain_values or (key in self.conditions and key not in self.errors)

    def label(self, name: str) -> str:
        key, _ = self.split_name(name)
        return self.fields[key].label if key in self.fields else key

    def describe(self, name: str) -> str:
        """Return the filter that the parameter `name` belongs to, for reading."""
        key, _ = self.split_name(name)
        return self.conditions[key].describe() if key in self.conditions else self.plain_values.get(key, "")

    @cached_property
    def table_rows(self) -> int:
        """The estimated number of rows of the table."""
        return estimate_table_rows(apps.get_model(self.table))

    def plan(self, name: str) -> FilterPlan | None:
        """Return how the filter that the parameter `name` belongs to finds its rows.

        None where it does not matter, because the table is small, and beyond the first few filters.
        """
        key, _ = self.split_name(name)
        if key in self.plans or len(self.plans) >= MAX_PLANS:
            return self.plans.get(key)
        if self.table_rows < SMALL_TABLE_ROWS:
            is_promoted = key in self.fields and self.fields[key].promotion
            return FilterPlan(True, self.table_rows, self.fields[key].promotion_label) if is_promoted else None
        condition = self.conditions[key].to_q() if key in self.conditions else text_equals(key, self.plain_values[key])
        plan = plan_filter(apps.get_model(self.table), condition, self.table_rows)
        if key in self.fields:
            plan = replace(plan, index_label=self.fields[key].promotion_label)
        self.plans[key] = plan
        return plan

    def parameters_of(self, name: str) -> set[str]:
        """Return the parameters of the same filter as `name`."""
        key, _ = self.split_name(name)
        return {other for other in self.data if self.split_name(other)[0] == key}

    def inputs(self) -> Iterator[dict[str, Any]]:
        """Yield what the filter sheet needs to draw the inputs of each field that is offered as a filter."""
        for key, each in self.fields.items():
            if each.is_filterable or key in self.conditions:
                yield describe_filter(each, self.sent.get(key, SentFilter()))


class CustomFieldFilterMixin:
    """For a FilterSet of a table with custom fields."""

    def __init__(self, data: Any = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(data, *args, **kwargs)
        self.custom_fields = CustomFieldFilters(data or {}, self._meta.model._meta.label_lower)

    def filter_queryset(self, queryset: models.QuerySet) -> models.QuerySet:
        queryset = self.custom_fields.filter(super().filter_queryset(queryset))
        if keys := self.custom_fields.keys_in_force():
            user = getattr(self.request, "user", None)
            count_use(FieldUse.FILTERED, self.custom_fields.table, COLUMN, map(key_path, keys), user)
        return queryset


def order_name(field: CustomField) -> str:
    """Return the name of the order by `field` in the address of a list."""
    return f"{PREFIX}{field.key}"


def order_key(field: CustomField) -> str:
    """Return the name of the sort key in an Order; a key may hold characters that no name of a column may."""
    return "cf_" + sha256(field.key.encode()).hexdigest()[:16]


def value_list(data: Mapping[str, Any], name: str) -> list[str]:
    """Return the values of a parameter that are not empty."""
    values = data.getlist(name) if hasattr(data, "getlist") else [data[name]]
    return [text for value in values if (text := strip_nul(str(value)).strip())]


def make_condition(defined: CustomField, sent: SentFilter) -> FieldCondition | None:
    """Return what is asked of a field; None if there is no value to compare with."""
    operator = sent.operator or next(iter(OPERATORS_BY_KIND[defined.kind]))
    if operator in EMPTINESS:
        return FieldCondition(defined, operator)
    if operator == "between":
        values = tuple(filter(None, [*sent.values[-1:], sent.end]))
        return FieldCondition(defined, operator, values) if values else None
    return FieldCondition(defined, operator, tuple(sent.values)) if sent.values else None


def describe_filter(defined: CustomField, sent: SentFilter) -> dict[str, Any]:
    operators = OPERATORS_BY_KIND[defined.kind]
    choices = YES_NO_LABELS if defined.kind == CustomFieldKind.YES_NO else defined.choice_labels()
    return {
        "name": f"{PREFIX}{defined.key}",
        "label": defined.label,
        "operators": operators,
        "operator": sent.operator or next(iter(operators)),
        "choices": choices,
        "is_multiple": defined.has_choices,
        "values": sent.values,
        "value": sent.values[-1] if sent.values else "",
        "has_end": "between" in operators,
        "end": sent.end,
        "promotion_label": defined.promotion_label if defined.promotion else "",
        "input_type": INPUT_TYPES.get(defined.kind, "text"),
    }
