"""The labels of the fields that an import fills, and of what it changed. Pure: no database."""

from leads.importing.columns import IMPORTABLE_FIELDS, LEAD_FIELDS
from leads.models import Lead


def field_label(name: str) -> str:
    """Return the label of a field of a lead, or of a part of one."""
    if name in LEAD_FIELDS.labels:
        return LEAD_FIELDS.labels[name]
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
        "auto_data": "Auto",
        "home_data": "Home",
        "line_data": "Other lines",
    }
