"""A model's memory of a lead: the summaries of earlier answers, never the whole answers."""

from datetime import datetime

from django.db.models import Q

from ai_log.models import AIInteraction
from crm.models import User
from crm.records.local_time import agency_time
from crm.text.cleaning import shorten
from crm.text.dates import SPELLED_STYLE
from leads.models import Lead

MAX_MEMORY_LINES, MAX_MEMORY_LINE_LENGTH = 8, 160


def load_memory(lead: Lead, *, by: User | None = None) -> str:
    """Return the latest answers about `lead`, one line each with date and agent, newest last; empty without any.

    With `by`, only answers that this user may see; else those to the program that the owner of the lead may see,
    because a colleague is answered with what the colleague may see. Summaries may repeat untrusted content, so add the
    memory to a prompt with `Prompt.add_untrusted`. It has at most eight lines of 160 characters.
    """
    rows = AIInteraction.objects.filter(lead=lead.pk, error_message="").exclude(summary="")
    if by is not None:
        rows = rows.visible_to(by)
    else:
        of_owner = Q(client__assigned_to=None) | Q(client__assigned_to=lead.assigned_to_id)
        rows = rows.filter(of_owner, asked_by=None)
    newest = rows.order_by("-created_at", "-id").values_list("created_at", "agent", "type", "summary")
    return "\n".join(memory_line(*row) for row in reversed(newest[:MAX_MEMORY_LINES]))


def memory_line(at: datetime, agent: str, type: str, summary: str) -> str:
    text = f"{SPELLED_STYLE.long_day(agency_time(at))}, {agent or type}: {' '.join(summary.split())}"
    return shorten(text, MAX_MEMORY_LINE_LENGTH)
