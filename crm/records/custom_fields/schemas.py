"""The JSON Schema of custom fields, from their definitions. Pure: no database."""

from collections.abc import Iterable
from typing import Any

from crm.models import CustomField, CustomFieldKind
from crm.models.custom_field import REFERENCE_TABLES

Schema = dict[str, Any]
MAX_TEXT_LENGTH, MAX_LONG_TEXT_LENGTH = 500, 10_000
# With the hints of `crm/screens/json_forms/schema.py`, from which the inputs are made.
SCHEMA_BY_KIND: dict[str, Schema] = {
    CustomFieldKind.TEXT: {"type": "string", "maxLength": MAX_TEXT_LENGTH},
    CustomFieldKind.LONG_TEXT: {"type": "string", "maxLength": MAX_LONG_TEXT_LENGTH, "widget": "textarea"},
    CustomFieldKind.NUMBER: {"type": "number"},
    CustomFieldKind.MONEY: {"type": "number", "unit": "$"},
    CustomFieldKind.YES_NO: {"type": "boolean"},
    CustomFieldKind.DATE: {"type": "string", "format": "date"},
    CustomFieldKind.DATE_TIME: {"type": "string", "format": "date-time"},
    CustomFieldKind.CHOICE: {"type": "string"},
    CustomFieldKind.CHOICES: {"type": "array", "uniqueItems": True, "items": {"type": "string"}},
    CustomFieldKind.LINK: {"type": "string", "format": "link", "maxLength": MAX_TEXT_LENGTH},
    CustomFieldKind.EMAIL: {"type": "string", "format": "email", "maxLength": MAX_TEXT_LENGTH},
    CustomFieldKind.PHONE: {"type": "string", "format": "phone", "maxLength": MAX_TEXT_LENGTH},
    **{kind: {"type": "string", "format": "uuid", "refersTo": table} for kind, table in REFERENCE_TABLES.items()},
}


def value_schema(field: CustomField, saved_value: Any = None) -> Schema:
    """Return the schema of a value of `field`; a retired choice is allowed where `saved_value` has it."""
    schema = {**SCHEMA_BY_KIND[field.kind], "title": field.label}
    if field.help_text:
        schema["description"] = field.help_text
    if field.kind == CustomFieldKind.CHOICE:
        return {**schema, **choice_schema(field, [saved_value])}
    if field.kind == CustomFieldKind.CHOICES:
        saved_choices = saved_value if isinstance(saved_value, list) else []
        return {**schema, "items": {**schema["items"], **choice_schema(field, saved_choices)}}
    return schema


def choice_schema(field: CustomField, saved_choices: Iterable[Any]) -> Schema:
    """Return the choices that a form offers, with a label for every choice that `field` has or had."""
    offered = list(field.choice_labels(with_retired=False))
    extra = [choice for choice in saved_choices if isinstance(choice, str) and choice not in offered]
    colours = {"colours": colours} if (colours := field.choice_colours()) else {}
    return {"enum": [*offered, *dict.fromkeys(extra)], "labels": field.choice_labels(), **colours}


def table_schema(fields: Iterable[CustomField], saved_values: Any = None) -> Schema:
    """Return the schema of `custom_fields` with the keys in `fields`, for a row that has `saved_values`."""
    saved_values = saved_values if isinstance(saved_values, dict) else {}
    properties = {field.key: value_schema(field, saved_values.get(field.key)) for field in fields}
    return {"type": "object", "properties": properties, "propertyOrder": list(properties)}
