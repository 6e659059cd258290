"""Custom fields for reading: on a record's page, in its history, and as columns of a list."""

from collections.abc import Iterable
from typing import Any

from crm.models import CustomField
from crm.records.custom_field_schemas import Schema, table_schema, value_schema
from crm.screens.json_forms.display import describe_value


def custom_fields_schema(table: str) -> Schema:
    """Return the schema of `custom_fields` of `table`, retired fields included: their values are still shown."""
    return table_schema(CustomField.objects.filter(table=table).order_by("position", "label", "id"))


def cell_texts(row: Any, fields: Iterable[CustomField]) -> list[tuple[str, str]]:
    """Return the label and the text of each of `fields` in `row`; the text is empty where there is no value."""
    return [
        (field.label, describe_value(row.custom_fields.get(field.key), value_schema(field)).text) for field in fields
    ]
