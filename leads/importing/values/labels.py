"""The labels of the fields that an import fills, and of what it changed. Pure: no database."""

from leads.importing.columns import IMPORTABLE_FIELDS
from leads.models import Lead

FIELD_LABELS = {
    "contact_name": "Full name",
    "company_website": "Website",
    "client_type": "Person or business",
    "tier_override": "Tier",
    "created_at": "Created on",
    "closed_at": "Closed at",
    "do_not_contact": "Do not contact",
    "do_not_email": "Do not email",
    "do_not_call": "Do not call",
    "do_not_text": "Do not text",
    "sms_consent": "SMS consent",
}


def field_label(name: str) -> str:
    """Return the label of a field of a lead, or of a part of one."""
    if name in FIELD_LABELS:
        return FIELD_LABELS[name]
    if name in IMPORTABLE_FIELDS:
        return str(Lead._meta.get_field(name).verbose_name).capitalize()
    return name.replace("_", " ").capitalize()


def changed_column_labels() -> dict[str, str]:
    """Return the label of each column of a lead that an import changes, by the name of the column."""
    fields = {Lead._meta.get_field(name).column: name for name in IMPORTABLE_FIELDS}
    return {
        **{column: field_label(name) for column, name in fields.items()},
        "communications": "Consent",
        "custom_fields": "Custom fields",
    }
