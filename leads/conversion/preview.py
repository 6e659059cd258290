"""Tell what a conversion would carry over, before it is done."""

from typing import Any, NamedTuple

from django.utils.text import capfirst

from crm.records.consent import closed_channel_labels
from crm.screens.paging import capped_count, format_capped_count
from crm.templatetags.crm import humanize_key
from leads.conversion.linked_rows import rows_to_link
from leads.models import ContactLead, Lead
from leads.models.insurance_type import COLUMN_BY_LINE

MAX_CONTACTS_LISTED = 5


class PreviewLine(NamedTuple):
    """What is carried over: such as "Conversations", with a number or a list."""

    label: str
    text: str


def preview_conversion(user: Any, lead: Lead) -> list[PreviewLine]:
    """Return what a conversion of `lead` would carry over, as far as `user` may see it."""
    lines = [PreviewLine("Contacts", contacts_text(lead)), *(row_lines(user, lead))]
    lines.append(PreviewLine("Tags", ", ".join(lead.tags)))
    lines.append(PreviewLine("Custom fields", ", ".join(humanize_key(key) for key in sorted(lead.custom_fields))))
    lines.append(PreviewLine("Contact preferences", ", ".join(closed_channel_labels(lead.communications).values())))
    return [line for line in lines if line.text]


def contacts_text(lead: Lead) -> str:
    """Return the stakeholders with their roles, or the person of a business that has none."""
    links = ContactLead.objects.filter(lead=lead, contact__deleted_at=None).select_related("contact")
    rows = list(links.order_by("-is_primary", "id"))
    if not rows:
        return lead.contact_name if lead.company_name else ""
    listed = ", ".join(str(link) for link in rows[:MAX_CONTACTS_LISTED])
    return f"{listed} and {len(rows) - MAX_CONTACTS_LISTED:,} more" if len(rows) > MAX_CONTACTS_LISTED else listed


def row_lines(user: Any, lead: Lead) -> list[PreviewLine]:
    """Return the number of rows of each table that would be linked."""
    lines = []
    for model, rows in rows_to_link(lead):
        visible = rows.visible_to(user) if hasattr(rows, "visible_to") else rows
        if count := capped_count(visible.order_by()):
            lines.append(PreviewLine(capfirst(str(model._meta.verbose_name_plural)), format_capped_count(count)))
    return lines


def line_data_of(lead: Lead) -> dict[str, Any]:
    """Return the data of the line that was quoted."""
    if lead.insurance_type is None:
        return {}
    code = lead.insurance_type.code
    return getattr(lead, COLUMN_BY_LINE[code]) if code in COLUMN_BY_LINE else lead.line_data.get(code, {})
