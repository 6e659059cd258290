"""The export of leads. Its headings are those that the import of leads knows, so a file can come back."""

from django.db.models import QuerySet

from crm.models import User
from crm.screens.export import PREFERENCE_COLUMNS, ExportColumn, ListExport
from leads.exporting.line_answers import lead_line_columns

UNEXPORTED_COLUMNS = (
    *("signals", "additional_insureds", "search_text"),
    *("status__guidance", "insurance_type__description", "insurance_type__form_schema"),
)


def load_leads(rows: QuerySet, user: User) -> QuerySet:
    return rows.select_related("status", "insurance_type", "assigned_to").defer(*UNEXPORTED_COLUMNS)


LEAD_EXPORT = ListExport(
    columns=(
        ExportColumn("Name", "contact_name"),
        ExportColumn("Email", "contact_email"),
        ExportColumn("Phone", "contact_phone"),
        ExportColumn("Company", "company_name"),
        ExportColumn("Website", "company_website"),
        ExportColumn("Client type", "client_type"),
        ExportColumn("Source type", "source_type"),
        ExportColumn("Source detail", "source_detail"),
        ExportColumn("Assigned to", "assigned_to__username"),
        ExportColumn("Stage", "status__label"),
        ExportColumn("Insurance type", "insurance_type__name"),
        ExportColumn("Loss reason", "loss_reason"),
        ExportColumn("Loss notes", "loss_notes"),
        ExportColumn("Estimated value", "estimated_value"),
        ExportColumn("Expected close date", "expected_close_date"),
        ExportColumn("Closed at", "closed_at"),
        ExportColumn("Created at", "created_at"),
        ExportColumn("Current tier", "priority_tier"),
        ExportColumn("Tier override", "tier_override"),
        ExportColumn("Current score", "overall_score"),
        ExportColumn("Win probability", "predicted_close_probability"),
        ExportColumn("Last contact", "last_contact_at"),
        *PREFERENCE_COLUMNS,
        ExportColumn("Tags", "tags"),
        ExportColumn("Notes", "notes"),
    ),
    prepare=load_leads,
    find_columns=lead_line_columns,
    has_custom_fields=True,
)
