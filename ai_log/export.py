"""The log as a file for a spreadsheet: what is filtered, written while it is read."""

import csv
from collections.abc import Iterator
from typing import Any

from django.db.models.functions import Left

from ai_log.models import AIInteraction, AIInteractionQuerySet

MOST_ROWS = 50_000
CHUNK = 500
# A cell of a spreadsheet holds 32,767 characters, and some are left for what marks a text.
LONGEST_CELL = 32_000
# A spreadsheet takes what begins with one of these for a formula, and runs it.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
HEADINGS = (
    "When",
    "Type",
    "Source",
    "Agent",
    "Model",
    "Lead",
    "Client",
    "Asked for",
    "Question",
    "Answer",
    "Error",
    "Tokens asked",
    "Tokens answered",
    "Cost in dollars",
    "Latency in ms",
    "Feedback",
    "Comment",
    "What came of it",
    "Address",
)


class Line:
    """A file that gives back what is written into it."""

    def write(self, text: str) -> str:
        return text


def lines(rows: AIInteractionQuerySet, address: str) -> Iterator[str]:
    """CSV of `rows`, the newest first; `address` is that of a row's page, with `{}` for its key."""
    write = csv.writer(Line()).writerow
    # Without it, Excel takes the letters of others for something else.
    yield "\ufeff" + write(HEADINGS)
    found = (
        rows.select_related("lead", "client", "asked_by")
        .only(*READ, *NAMES)
        .annotate(question=Left("content", LONGEST_CELL), reply=Left("ai_response", LONGEST_CELL))
        .prefetch_related("suggestions")
        .order_by("-created_at", "-id")
    )
    for row in found[:MOST_ROWS].iterator(CHUNK):
        yield write([safe(value) for value in cells(row, address)])


READ = (
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
NAMES = (
    "lead__contact_name",
    "lead__company_name",
    "client__name",
    "asked_by__username",
    "asked_by__first_name",
    "asked_by__last_name",
)


def cells(row: AIInteraction, address: str) -> list[Any]:
    came = (
        f"{one.get_type_display()}: {one.get_status_display()}" for one in row.suggestions.all() if not one.is_deleted
    )
    return [
        row.created_at.isoformat(timespec="seconds"),
        row.get_type_display(),
        row.get_source_display(),
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
        "; ".join(came),
        address.format(row.pk),
    ]


def safe(value: Any) -> str:
    """`value` as a cell that no spreadsheet runs; nothing where it is unknown."""
    text = "" if value is None else str(value)[:LONGEST_CELL]
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA) else text
