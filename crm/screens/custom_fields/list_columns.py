"""The columns of a list that show custom fields."""

from functools import cached_property

from crm.models import CustomField
from crm.records.custom_fields.references import load_names, with_names
from crm.records.custom_fields.schemas import Schema, table_schema


class CustomColumnsMixin:
    """For the change list of a table with custom fields: its columns, and the schema that shows their cells."""

    def custom_columns(self) -> list[CustomField]:
        """Return the custom fields that are columns of this list."""
        custom_fields = getattr(self.filterset, "custom_fields", None)
        return [field for field in custom_fields.fields.values() if field.is_on_list] if custom_fields else []

    @cached_property
    def cells_schema(self) -> Schema:
        """The schema by which the user reads the cells of this page; empty without such columns."""
        if not (columns := self.custom_columns()):
            return {}
        schema = with_names(table_schema(columns), self.request.user)
        load_names(schema, (row.custom_fields for row in self.page.rows))
        return schema
