"""Custom fields for reading: on a record's page and in its history."""

from crm.models import CustomField
from crm.records.custom_fields.schemas import Schema, table_schema


def custom_fields_schema(table: str) -> Schema:
    """Return the schema of `custom_fields` of `table`, retired fields included: their values are still shown."""
    return table_schema(CustomField.objects.filter(table=table).order_by("position", "label", "id"))
