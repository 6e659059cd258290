"""Export the AI log as CSV for spreadsheets, row by row."""

import csv
from collections.abc import Iterator
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models.functions import Left
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from ai_log.filters import AIInteractionFilter
from ai_log.models import AIInteraction, AIInteractionQuerySet
from crm.records.local_time import agency_today
from crm.screens.paging import capped_count

MAX_EXPORT_ROWS = 50_000
EXPORT_CHUNK_SIZE = 500
# A spreadsheet cell holds at most 32,767 characters; this leaves room for the apostrophe before a formula.
MAX_CELL_LENGTH = 32_000
# Spreadsheets run text that begins with one of these as a formula.
FORMULA_PREFIXES = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
EXPORT_HEADINGS = (
    "Time",
    "Type",
    "Source",
    "Agent",
    "Model",
    "Lead",
    "Client",
    "Requested by",
    "Question",
    "Answer",
    "Error",
    "Input tokens",
    "Output tokens",
    "Cost (USD)",
    "Latency (ms)",
    "Feedback",
    "Comment",
    "Suggestions",
    "Link",
)


class EchoBuffer:
    """A file object with a `write` that returns the text, so that `csv.writer` can stream."""

    def write(self, text: str) -> str:
        return text


def csv_lines(rows: AIInteractionQuerySet, url_template: str) -> Iterator[str]:
    """Yield `rows` as lines of CSV, newest first. `url_template` is the URL of a row's page, with `{}` for its ID."""
    write = csv.writer(EchoBuffer()).writerow
    # Excel recognises UTF-8 only by the byte order mark.
    yield "\ufeff" + write(EXPORT_HEADINGS)
    queryset = (
        rows.select_related("lead", "client", "asked_by")
        .only(*EXPORT_COLUMNS, *RELATED_NAME_COLUMNS)
        .annotate(question=Left("content", MAX_CELL_LENGTH), reply=Left("ai_response", MAX_CELL_LENGTH))
        .prefetch_related("suggestions")
        .order_by("-created_at", "-id")
    )
    for row in queryset[:MAX_EXPORT_ROWS].iterator(EXPORT_CHUNK_SIZE):
        yield write([escape_formula(value) for value in csv_cells(row, url_template)])


EXPORT_COLUMNS = (
    "created_at",
    "type",
    "source",
    "agent",
    "model_used",
    "error_message",
    "prompt_tokens",
    "completion_tokens",
    "cost_usd",
    "latency_ms",
    "feedback",
    "feedback_comment",
    "lead_id",
    "client_id",
    "asked_by_id",
)
RELATED_NAME_COLUMNS = (
    "lead__contact_name",
    "lead__company_name",
    "client__name",
    "asked_by__username",
    "asked_by__first_name",
    "asked_by__last_name",
)


def csv_cells(row: AIInteraction, url_template: str) -> list[Any]:
    outcomes = (
        f"{one.get_type_display()}: {one.get_status_display()}" for one in row.suggestions.all() if not one.is_deleted
    )
    return [
        row.created_at.isoformat(timespec="seconds"),
        row.get_type_display() or "",
        row.get_source_display() or "",
        row.agent,
        row.model_used,
        row.lead or "",
        row.client or "",
        row.asked_by or "",
        row.question,
        row.reply,
        row.error_message,
        row.prompt_tokens,
        row.completion_tokens,
        row.cost_usd,
        row.latency_ms,
        row.get_feedback_display(),
        row.feedback_comment,
        "; ".join(outcomes),
        url_template.format(row.pk),
    ]


def escape_formula(value: Any) -> str:
    """Return `value` as text that no spreadsheet runs as a formula; empty for None."""
    text = "" if value is None else str(value)[:MAX_CELL_LENGTH]
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA_PREFIXES) else text


@require_safe
def export_view(request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
    """Send the filtered calls as a file; refuse filters that cannot be used, and too many calls."""
    if not request.user.has_perm("ai_log.view_aiinteraction"):
        raise PermissionDenied
    list_url = reverse("admin:ai_log_aiinteraction_changelist")
    filterset = AIInteractionFilter(request.GET, AIInteraction.objects.visible_to(request.user), request=request)
    if filterset.form.errors:
        messages.error(request, "The list was not exported, because a filter is invalid. Correct the filter first.")
        return HttpResponseRedirect(f"{list_url}?{request.GET.urlencode()}")
    if capped_count(filterset.qs, MAX_EXPORT_ROWS) > MAX_EXPORT_ROWS:
        messages.error(request, f"A file can hold at most {MAX_EXPORT_ROWS:,} calls. Filter the list first.")
        return HttpResponseRedirect(f"{list_url}?{request.GET.urlencode()}")
    url_template = request.build_absolute_uri(f"{list_url}{{}}/change/").replace("%7B%7D", "{}")
    file = StreamingHttpResponse(csv_lines(filterset.qs, url_template), content_type="text/csv; charset=utf-8")
    file["Content-Disposition"] = f'attachment; filename="ai-log-{agency_today()}.csv"'
    file["Cache-Control"] = "no-store"
    return file
