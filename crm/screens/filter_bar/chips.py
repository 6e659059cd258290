"""The chips of a change list: each filter in force, to be read, changed and removed."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from crm.records.base import can_see_everyone
from crm.records.local_time import format_day
from crm.screens.columns.change_list import ORDER_PARAM
from crm.screens.custom_fields.filter_plans import FilterPlan
from crm.screens.filter_bar.sheet import QUESTIONS_PARAM, build_filter_sheet
from crm.screens.filter_bar.single_filter import fields_of_filter, label_of_filter

FILTER_SHEET_PARAM, FIELD_PARAM = "sheet", "field"


class FilterBarMixin:
    """For a change list: its chips, and where its filters are chosen."""

    def chips(self) -> list[dict[str, Any]]:
        """Return label and value of each filter in force, the links that change and remove it, and its plan."""
        chips, tab, described = [], self.current_tab(), {"tags_mode"}
        for key, value in self.active_params():
            if key in described or (tab and key in tab.params):
                continue
            own_params = self.params_of_filter(key)
            described |= own_params
            remaining_params = [(k, v) for k, v in self.link_params(ORDER_PARAM) if k not in own_params]
            chips.append(
                {
                    "label": self.filter_label(key),
                    **self.filter_value(key, value),
                    "url": "?" + urlencode(remaining_params),
                    "form_url": self.filter_form_url(key),
                    "plan": self.filter_plan(key) if self.is_custom_filter(key) else None,
                }
            )
        return chips

    def params_of_filter(self, key: str) -> set[str]:
        """Return the parameters of the filter that `key` is part of; how tags match stays, for the next tags."""
        if self.is_custom_filter(key):
            return self.filterset.custom_fields.parameters_of(key)
        return {key} if key == "tags" else {*fields_of_filter(self.filterset, key)}

    def filter_form_url(self, key: str) -> str:
        """Return the address of the form of one filter; empty for one that only a link sets, and for the search."""
        field = self.filterset.form.fields.get(key)
        if key == "q" or (field is not None and field.widget.is_hidden):
            return ""
        params = [*self.link_params(ORDER_PARAM), (FIELD_PARAM, key)]
        return f"{self.model_admin.list_url()}filters/?{urlencode(params)}"

    def filter_plan(self, key: str) -> FilterPlan | None:
        """Return how a filter finds its rows. Only users who see every record read how many the table has."""
        plan = self.filterset.custom_fields.plan(key)
        return plan if plan is None or can_see_everyone(self.request.user) else replace(plan, table_rows=None)

    def filter_label(self, key: str) -> str:
        if self.is_custom_filter(key):
            return self.filterset.custom_fields.label(key)
        return label_of_filter(self.filterset, key) if key in self.filterset.form.fields else key

    def filter_value(self, key: str, value: str) -> dict[str, Any]:
        """Return the `value` that the chip of a filter shows; `badges` are choices with colours."""
        if self.is_custom_filter(key):
            return self.filterset.custom_fields.chip_parts(key)
        ends = fields_of_filter(self.filterset, key)
        if len(ends) == 2 and key != "tags":
            return {"value": self.range_text(*ends)}
        form_field = self.filterset.form.fields.get(key)
        for code, label in getattr(form_field, "choices", ()):
            if str(code) == value:
                return {"value": str(label)}
        return {"value": value}

    def range_text(self, start: str, end: str) -> str:
        """Return a range as its chip says it: `from 3 Nov 2026`, `to 1,000` or `1,000 to 5,000`."""
        cleaned = self.filterset.form.cleaned_data
        first, last = (bound_text(cleaned.get(name)) for name in (start, end))
        return f"{first} to {last}" if first and last else f"from {first}" if first else f"to {last}"

    def sheet(self) -> dict[str, Any] | None:
        """Return the sheet with all filters if the address asks for it, as a page without scripts does."""
        is_open = FILTER_SHEET_PARAM in self.get or self.get.get(QUESTIONS_PARAM)
        return build_filter_sheet(self.filterset) if is_open else None

    def has_filters_to_choose(self) -> bool:
        """Whether there is any filter besides the search."""
        names = {field.name for field in self.filterset.form.visible_fields()} - {"q"}
        return bool(names) or getattr(self.filterset, "custom_fields", None) is not None

    def filters_url(self) -> str:
        """Return the address of the names of all filters."""
        return f"{self.model_admin.list_url()}filters/?{self.address_query()}"

    def sheet_url(self) -> str:
        return "?" + urlencode([*self.link_params(ORDER_PARAM), (FILTER_SHEET_PARAM, "filter")])


def bound_text(value: Any) -> str:
    """Return an end of a range for reading."""
    if isinstance(value, date):
        return format_day(value)
    return f"{value:,f}" if isinstance(value, Decimal) else str(value or "")
