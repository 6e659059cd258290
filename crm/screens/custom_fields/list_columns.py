"""The columns of a list that show custom fields."""

from functools import cached_property

from crm.models import CustomField, User
from crm.records.custom_fields.references import load_names, with_names
from crm.records.custom_fields.schemas import Schema, table_schema
from crm.screens.custom_fields.filters import parameter_name
from crm.screens.custom_fields.schema_requests import request_address
from crm.screens.custom_fields.sort_keys import SORT_KEYS


def explain_missing_order(field: CustomField, user: User) -> tuple[str, str]:
    """Return why a list is not sorted by `field`, and the address of a request for an index, if `user` may send one."""
    if field.kind in SORT_KEYS and SORT_KEYS[field.kind].has_order:
        return "needs an index", request_address(user, table=field.table, key=field.key, decision="index")
    return ("several choices have no order" if field.has_choices else "references have no order"), ""


class CustomColumnsMixin:
    """For the change list of a table with custom fields: its columns, and the schema that shows their cells."""

    def custom_columns(self) -> list[CustomField]:
        """Return the custom fields that are columns of this list."""
        custom_fields = getattr(self.filterset, "custom_fields", None)
        return [field for field in custom_fields.fields.values() if field.is_on_list] if custom_fields else []

    def columns_without_order(self) -> list[tuple[str, str, str]]:
        """Return the label of each custom field that this list cannot be sorted by, why, and where to request an index.

        The address is empty where an index would not help, or if the user may not request one.
        """
        orders = self.available_orders()
        return [
            (field.label, *explain_missing_order(field, self.request.user))
            for field in self.custom_columns()
            if parameter_name(field) not in orders
        ]

    @cached_property
    def cells_schema(self) -> Schema:
        """The schema by which the user reads the cells of this page; empty without such columns."""
        if not (columns := self.custom_columns()):
            return {}
        schema = with_names(table_schema(columns), self.request.user)
        load_names(schema, (row.custom_fields for row in self.page.rows))
        return schema
