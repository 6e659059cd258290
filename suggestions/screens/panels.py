"""The panels with suggestions on the pages of leads, clients, threads and tickets."""

from dataclasses import dataclass, replace
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from crm.models import Client, User
from crm.screens.panels import Panel, Place
from inbox.models import Thread
from leads.models import Lead
from suggestions.choices import LabelCache
from suggestions.models import APPROVED_STATUSES, Level, Suggestion, SuggestionStatus
from suggestions.screens.action_forms import Approve, Undo
from suggestions.screens.attempts import EXECUTIONS_PREFETCH
from suggestions.screens.composer_reply import find_suggested_reply
from suggestions.screens.presenters import EarlierChanges, SuggestionLine, build_suggestion_line, earlier_changes
from suggestions.transitions import DECIDABLE_STATUSES, PROPOSE_PERMISSION
from support.models import SupportTicket

MAX_PANEL_SUGGESTIONS = 5
MAX_INLINE_DRAFTS = 2
DECIDED_STATUSES = (*APPROVED_STATUSES, SuggestionStatus.REJECTED)


def lead_suggestions_panel(request: HttpRequest, lead: Lead) -> Panel | None:
    """Return the panel of a lead: open suggestions to decide, recent decisions, and when the rules last ran."""
    section = suggestions_panel(request, "lead", lead)
    if section and lead.is_open and not lead.is_deleted:
        section.content["evaluated_lead"] = lead
    return section


def client_suggestions_panel(request: HttpRequest, client: Client) -> Panel | None:
    """Return the panel of a client."""
    return suggestions_panel(request, "client", client)


def thread_suggestions_panel(request: HttpRequest, thread: Thread) -> Panel | None:
    """Return the panel of a thread; in the side column if the thread is not linked yet."""
    section = suggestions_panel(request, "thread", thread)
    if section is not None and thread.accepts_email and not thread.is_deleted:
        lines = section.content["open"]
        section.content["reply"] = find_suggested_reply(lines, request.user)
        section = replace(section, composer_template="suggestions/composer_reply.html")
    unknown = thread.lead_id is None and thread.client_id is None
    return replace(section, place=Place.SIDE) if section and unknown and not section.content["drafted"] else section


def ticket_suggestions_panel(request: HttpRequest, ticket: SupportTicket) -> Panel | None:
    """Return the panel of a ticket."""
    return suggestions_panel(request, "ticket", ticket)


@dataclass(frozen=True)
class InlineDraft:
    """A draft on the page of its record, which a person edits and sends there."""

    row: Suggestion
    sentence: str
    form: Approve
    earlier_changes: EarlierChanges | None


def suggestions_panel(request: HttpRequest, name: str, record: Any) -> Panel | None:
    user = request.user
    if not user.has_perm("suggestions.view_suggestion"):
        return None
    rows = Suggestion.objects.visible_to(user).filter(**{name: record})
    rows = rows.select_related("lead__assigned_to", "client__assigned_to", "thread", "ticket", "reviewed_by")
    rows = rows.defer("evidence").order_by("-created_at", "-id").prefetch_related(EXECUTIONS_PREFETCH)
    names = LabelCache(user)
    lines = [
        build_suggestion_line(row, names, user)
        for row in rows.filter(status__in=DECIDABLE_STATUSES)[:MAX_PANEL_SUGGESTIONS]
    ]
    drafted = [build_inline_draft(line, names, user) for line in lines if is_inline_draft(line, user)][
        :MAX_INLINE_DRAFTS
    ]
    inline_ids = {draft.row.pk for draft in drafted}
    shown = {
        "drafted": drafted,
        "open": [line for line in lines if line.row.pk not in inline_ids],
        "decided": [
            decided_line(row, names, user) for row in rows.filter(status__in=DECIDED_STATUSES)[:MAX_PANEL_SUGGESTIONS]
        ],
    }
    if user.has_perm(PROPOSE_PERMISSION) and not getattr(record, "is_deleted", False):
        shown["suggest"] = reverse("admin:suggestions_suggestion_add") + f"?{name}={record.pk}"
    url = reverse("admin:suggestions_suggestion_changelist") + f"?state=all&{name}={record.pk}"
    return Panel("Suggestions", "suggestions/panel.html", shown, count=str(len(lines)), url=url)


def is_inline_draft(line: SuggestionLine, user: User) -> bool:
    """Whether the autonomy level asks for a draft in place, and `user` may send it."""
    return line.is_approvable and line.row.autonomy == Level.AUTO_DRAFT and Approve.is_available(line.row, user)


def build_inline_draft(line: SuggestionLine, names: LabelCache, user: User) -> InlineDraft:
    line.row.names = names
    form = Approve(user=user, record=line.row, auto_id=f"id_{line.row.pk}_%s")
    form.url = reverse("admin:suggestions_suggestion_do", args=[line.row.pk, Approve.verb])
    return InlineDraft(line.row, line.sentence, form, earlier_changes(line.row, user, names))


def decided_line(row: Suggestion, names: LabelCache, user: User) -> dict[str, Any]:
    """Return the line of a decided suggestion, with whether `user` may undo it."""
    line = build_suggestion_line(row, names, user)
    return {"row": row, "sentence": line.sentence, "colour": line.colour, "undo": Undo.is_available(row, user)}
