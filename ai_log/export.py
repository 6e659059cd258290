"""The export of the AI log: its columns, and what they read."""

from django.db.models import QuerySet
from django.db.models.functions import Left

from ai_log.models import AIInteraction
from crm.models import Client, User
from crm.screens.export import ExportColumn, ListExport, visible_name
from crm.text.spreadsheet_cells import MAX_CELL_LENGTH
from leads.models import Lead

MAX_EXPORTED_CALLS = 50_000
READ_COLUMNS = (
    *("created_at", "type", "source", "agent", "model_used", "error_message", "prompt_tokens", "completion_tokens"),
    *("cost_usd", "latency_ms", "feedback", "feedback_comment", "lead_id", "client_id", "asked_by_id"),
    *("asked_by__username", "asked_by__first_name", "asked_by__last_name"),
)


def load_calls(rows: QuerySet, user: User) -> QuerySet:
    """Load what the columns read: of the long texts as much as a cell can hold."""
    return (
        rows.select_related("asked_by")
        .only(*READ_COLUMNS)
        .annotate(question=Left("content", MAX_CELL_LENGTH), reply=Left("ai_response", MAX_CELL_LENGTH))
        .annotate(
            lead_name=visible_name(Lead, "lead", "contact_name", user),
            company=visible_name(Lead, "lead", "company_name", user),
            client_name=visible_name(Client, "client", "name", user),
        )
        .prefetch_related("suggestions")
    )


def describe_outcomes(row: AIInteraction) -> str:
    suggestions = (one for one in row.suggestions.all() if not one.is_deleted)
    return "; ".join(f"{one.get_type_display()}: {one.get_status_display()}" for one in suggestions)


LOG_EXPORT = ListExport(
    columns=(
        ExportColumn("Time", "created_at"),
        ExportColumn("Type", "type"),
        ExportColumn("Source", "source"),
        ExportColumn("Agent", "agent"),
        ExportColumn("Model", "model_used"),
        ExportColumn("Lead", "lead_name"),
        ExportColumn("Company", "company"),
        ExportColumn("Client", "client_name"),
        ExportColumn("Requested by", "asked_by"),
        ExportColumn("Question", "question"),
        ExportColumn("Answer", "reply"),
        ExportColumn("Error", "error_message"),
        ExportColumn("Input tokens", "prompt_tokens"),
        ExportColumn("Output tokens", "completion_tokens"),
        ExportColumn("Cost (USD)", "cost_usd"),
        ExportColumn("Latency (ms)", "latency_ms"),
        ExportColumn("Feedback", "feedback"),
        ExportColumn("Comment", "feedback_comment"),
        ExportColumn("Suggestions", describe_outcomes),
    ),
    prepare=load_calls,
    has_links=True,
    max_rows=MAX_EXPORTED_CALLS,
)
