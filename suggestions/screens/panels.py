"""What the pages of leads and clients show of suggestions."""

from dataclasses import dataclass, replace
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from crm.models import Client, User
from crm.screens.panels import Section
from inbox.models import Thread
from leads.models import Lead
from suggestions.choices import Names
from suggestions.models import GO_AHEAD, Level, Suggestion, SuggestionStatus
from suggestions.screens.action_forms import Approve, Undo
from suggestions.screens.attempts import ATTEMPTS
from suggestions.screens.presenters import Line, line_of
from suggestions.transitions import DECIDABLE, PROPOSE
from support.models import SupportTicket

SHOWN = 5
MOST_OPENED = 2
DECIDED = (*GO_AHEAD, SuggestionStatus.REJECTED)


def of_lead(request: HttpRequest, lead: Lead) -> Section | None:
    """What waits or has failed, to be decided on the spot, what was decided lately, and when it was looked at."""
    section = of(request, "lead", lead)
    if section and lead.is_open and not lead.is_deleted:
        section.shown["looks"] = lead
    return section


def of_client(request: HttpRequest, client: Client) -> Section | None:
    """As `of_lead`, for a client."""
    return of(request, "client", client)


def of_thread(request: HttpRequest, thread: Thread) -> Section | None:
    """As `of_lead`, for a conversation; beside one with somebody unknown, whose it could be is the first question."""
    section = of(request, "thread", thread)
    unknown = thread.lead_id is None and thread.client_id is None
    return replace(section, side=True) if section and unknown and not section.shown["drafted"] else section


def of_ticket(request: HttpRequest, ticket: SupportTicket) -> Section | None:
    """As `of_lead`, for a ticket."""
    return of(request, "ticket", ticket)


@dataclass(frozen=True)
class Drafted:
    """A suggestion that is opened where it belongs, for a person to work on and send."""

    row: Suggestion
    sentence: str
    form: Approve


def of(request: HttpRequest, name: str, record: Any) -> Section | None:
    user = request.user
    if not user.has_perm("suggestions.view_suggestion"):
        return None
    rows = Suggestion.objects.visible_to(user).filter(**{name: record})
    rows = rows.select_related("lead__assigned_to", "client__assigned_to", "thread", "ticket", "reviewed_by")
    rows = rows.defer("evidence").order_by("-created_at", "-id").prefetch_related(ATTEMPTS)
    names = Names()
    lines = [line_of(row, names, user) for row in rows.filter(status__in=DECIDABLE)[:SHOWN]]
    drafted = [opened(line, names, user) for line in lines if is_drafted(line, user)][:MOST_OPENED]
    apart = {draft.row.pk for draft in drafted}
    shown = {
        "drafted": drafted,
        "open": [line for line in lines if line.row.pk not in apart],
        "decided": [decided(row, names, user) for row in rows.filter(status__in=DECIDED)[:SHOWN]],
    }
    if user.has_perm(PROPOSE) and not getattr(record, "is_deleted", False):
        shown["suggest"] = reverse("admin:suggestions_suggestion_add") + f"?{name}={record.pk}"
    url = reverse("admin:suggestions_suggestion_changelist") + f"?state=all&{name}={record.pk}"
    return Section("Suggestions", "suggestions/of_record.html", shown, count=str(len(lines)), url=url)


def is_drafted(line: Line, user: User) -> bool:
    """Whether the setting wants it prepared in place, and `user` may send it from there."""
    return line.ready and line.row.autonomy == Level.AUTO_DRAFT and Approve.offered(line.row, user)


def opened(line: Line, names: Names, user: User) -> Drafted:
    line.row.names = names
    form = Approve(user=user, record=line.row, auto_id=f"id_{line.row.pk}_%s")
    form.url = reverse("admin:suggestions_suggestion_do", args=[line.row.pk, Approve.verb])
    return Drafted(line.row, line.sentence, form)


def decided(row: Suggestion, names: Names, user: User) -> dict[str, Any]:
    """A line of what was decided, and whether `user` may take it back from here."""
    line = line_of(row, names, user)
    return {"row": row, "sentence": line.sentence, "colour": line.colour, "undo": Undo.offered(row, user)}
