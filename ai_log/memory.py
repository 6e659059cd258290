"""What a model is told of what it was asked about a lead before: summaries, and never whole answers."""

from datetime import datetime

from django.utils import timezone

from ai_log.models import AIInteraction
from crm.models import User
from crm.text.cleaning import shorten
from leads.models import Lead

MAX_MEMORY_LINES, MAX_MEMORY_LINE_LENGTH = 8, 160


def load_memory(lead: Lead, *, by: User | None = None) -> str:
    """The latest answers about `lead` in short, one a line with its day and agent, the newest last; empty without any.

    With `by` only what that person may see. A model that summed up outsiders' words may have taken theirs for its
    own: into a prompt this goes through `Prompt.outside`, and it is bounded (eight lines of 160 characters).
    """
    rows = AIInteraction.objects.filter(lead=lead.pk, error_message="").exclude(summary="")
    if by is not None:
        rows = rows.visible_to(by)
    newest = rows.order_by("-created_at", "-id").values_list("created_at", "agent", "type", "summary")
    return "\n".join(memory_line(*row) for row in reversed(newest[:MAX_MEMORY_LINES]))


def memory_line(at: datetime, agent: str, type: str, summary: str) -> str:
    text = f"{timezone.localtime(at):%-d %B %Y}, {agent or type}: {' '.join(summary.split())}"
    return shorten(text, MAX_MEMORY_LINE_LENGTH)
