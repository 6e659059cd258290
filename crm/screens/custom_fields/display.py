"""Custom fields for reading: on a record's page, in its history, and as columns of a list."""

from typing import Any

from crm.models import CustomField
from crm.records.custom_fields.schemas import Schema, table_schema
from crm.screens.json_forms.display import ValueNode, describe_value


def custom_fields_schema(table: str) -> Schema:
    """Return the schema of `custom_fields` of `table`, retired fields included: their values are still shown."""
    return table_schema(CustomField.objects.filter(table=table).order_by("position", "label", "id"))


def describe_cells(row: Any, schema: Schema) -> list[tuple[str, ValueNode]]:
    """Return the label and the value of each field of `schema` in `row`, for reading."""
    fields: dict[str, Schema] = schema["properties"]
    return [(inner["title"], describe_value(row.custom_fields.get(key), inner)) for key, inner in fields.items()]
