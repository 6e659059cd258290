"""The columns of a change list: its headings, its cells, and what the address says of them."""

from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from crm.models import CustomField, FieldUse, User
from crm.records.field_usage import count_use
from crm.records.json_keys import key_path
from crm.screens.columns.cells import RowCells
from crm.screens.columns.choice import COLUMN_PARAM, ColumnChoice, choose_columns
from crm.screens.columns.column import FieldColumn
from crm.screens.custom_fields.schema_requests import request_address
from crm.screens.custom_fields.sort_keys import SORT_KEYS, FilterField
from crm.screens.paging import Order

ORDER_PARAM = "order"


def explain_missing_order(field: FilterField, user: User) -> tuple[str, str]:
    """Return why a list is not sorted by `field`, and the address of a request for an index, if `user` may send one."""
    if field.kind in SORT_KEYS and SORT_KEYS[field.kind].has_order:
        is_custom = isinstance(field, CustomField)
        return "needs an index", (
            request_address(user, table=field.table, key=field.key, decision="index") if is_custom else ""
        )
    return ("several choices have no order" if field.has_choices else "references have no order"), ""


class ColumnsMixin:
    """For the change list of a record: the columns that its reader chose, or its default."""

    @cached_property
    def column_choice(self) -> ColumnChoice:
        return choose_columns(self.model_admin, self.filterset, self.request)

    def can_choose_columns(self) -> bool:
        return self.model_admin.has_column_choice() and not self.is_popup

    def column_params(self) -> list[tuple[str, str]]:
        """Return the columns that the address names, as parameters: links keep them."""
        return [(COLUMN_PARAM, name) for name in self.column_choice.names if COLUMN_PARAM in self.get]

    def link_params(self, *extra_names: str) -> list[tuple[str, str]]:
        """Return the filters in force, the parameters in `extra_names` and the columns, as pairs for a link."""
        return [*self.active_params(*extra_names), *self.column_params()]

    def query_to_save(self) -> str:
        """Return the query string of a saved view of this list: filters, order and chosen columns."""
        chosen = ((COLUMN_PARAM, name) for name in self.column_choice.names)
        return urlencode([*self.active_params(ORDER_PARAM), *chosen])

    def address_query(self) -> str:
        """Return the query string of this list without its place: with columns only if the address names them."""
        return urlencode(self.link_params(ORDER_PARAM))

    def columns_url(self) -> str:
        return f"columns/?{self.address_query()}"

    @cached_property
    def row_cells(self) -> RowCells:
        return RowCells(self.model_admin.row_template, self.column_choice.shown, self.page.rows, self.request.user)

    def columns(self) -> list[dict[str, Any]]:
        """Return the headings; one with an order of its own is a link."""
        params, orders = self.link_params(), self.available_orders()
        shown = self.column_choice.shown
        names = [column.order if column.order in orders else "" for column in shown]
        return [
            {
                "label": column.label,
                "css_class": column.css_class,
                "current": bool(name) and name == self.order_name,
                "url": "?" + urlencode([*params, (ORDER_PARAM, name)]) if name else "",
            }
            for column, name in zip(shown, names, strict=True)
        ]

    def columns_without_order(self) -> list[tuple[str, str, str]]:
        """Return the label of each shown field that this list cannot be sorted by, why, and where to request an index.

        The address is empty where an index would not help, or if the user may not request one.
        """
        orders = self.available_orders()
        return [
            (column.label, *explain_missing_order(column.field, self.request.user))
            for column in self.column_choice.shown_fields()
            if column.order not in orders
        ]

    def count_uses(self, order: Order, user: User) -> None:
        """Count the keys of JSON columns that this page shows as columns or sorts by."""
        table = self.opts.label_lower
        for shown in self.column_choice.shown_fields():
            count_use(FieldUse.SHOWN, table, shown.field.column, [shown_path(shown)], user)
        for column, key in order.json_keys():
            count_use(FieldUse.SORTED, table, column, [key], user)


def shown_path(column: FieldColumn) -> str:
    return key_path(*column.field.steps)
