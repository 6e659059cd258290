"""Placeholders of custom fields, such as `{{custom.referral_source}}`, from the definitions of leads and clients."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from django.utils.dateparse import parse_date

from crm.models import Client, CustomField, CustomFieldKind, CustomFieldTable, User
from crm.records.custom_fields.references import ReferenceNames
from crm.records.custom_fields.schemas import value_schema
from crm.records.local_time import agency_as_reader, agency_style
from crm.screens.json_forms.display import describe_value
from leads.models import Lead

CUSTOM_PREFIX = "custom."
# An email goes to one of these.
RECIPIENT_TABLES = (CustomFieldTable.LEAD, CustomFieldTable.CLIENT)


def custom_meanings(names: Iterable[str] | None = None) -> dict[str, str]:
    """Return what each placeholder of a custom field stands for, those in `names` only if given.

    A key with braces cannot be written in a placeholder. Other texts than names of such placeholders cost no query.
    """
    fields = CustomField.objects.filter(table__in=RECIPIENT_TABLES, is_active=True)
    if names is not None:
        keys = {name.removeprefix(CUSTOM_PREFIX) for name in names if name.startswith(CUSTOM_PREFIX)}
        if not keys:
            return {}
        fields = fields.filter(key__in=keys)
    meanings: dict[str, str] = {}
    for field in fields.order_by("table", "position", "label", "id"):
        name, meaning = f"{CUSTOM_PREFIX}{field.key}", f"{field.label} ({field.get_table_display().lower()})"
        if not set("{}") & set(field.key) and field.key == field.key.strip():
            meanings[name] = f"{meanings[name]}, {meaning}" if name in meanings else meaning
    return meanings


def custom_values(recipient: Lead | Client, sender: User | None) -> dict[str, str]:
    """Return the value of each placeholder of a custom field, from the fields of `recipient`.

    A reference is the name of its record; empty if the `sender` may not refer to it.
    """
    if not recipient.custom_fields:
        return {}
    fields = CustomField.objects.of_table(recipient._meta.label_lower).filter(key__in=recipient.custom_fields)
    with agency_as_reader():
        return {
            f"{CUSTOM_PREFIX}{one.key}": value_text(one, recipient.custom_fields[one.key], sender) for one in fields
        }


def value_text(field: CustomField, value: Any, sender: User | None) -> str:
    """Return a value as the agency writes it; empty if it is no single value."""
    if field.refers_to:
        name = ReferenceNames(field.refers_to, sender)[str(value)]
        return name.text if name.can_be_chosen else ""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if field.kind == CustomFieldKind.MONEY and is_number:
        return money_text(Decimal(str(value)))
    if field.kind == CustomFieldKind.DATE and (day := read_day(value)):
        return agency_style().long_day(day)
    return describe_value(value, value_schema(field)).text


def money_text(amount: Decimal) -> str:
    """Return `$1,240`, or `$1,240.50` where there are cents."""
    digits = 0 if amount == amount.to_integral_value() else 2
    return f"{'-' if amount < 0 else ''}${abs(amount):,.{digits}f}"


def read_day(value: Any) -> Any:
    try:
        return parse_date(value) if isinstance(value, str) else None
    except ValueError:
        return None
