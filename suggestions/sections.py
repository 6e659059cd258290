"""What the pages of leads and clients show of suggestions."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from crm.models import Client
from crm.sections import Section
from leads.models import Lead
from suggestions.choices import Names
from suggestions.models import GO_AHEAD, Suggestion, SuggestionStatus
from suggestions.showing import line_of
from suggestions.transitions import DECIDABLE

SHOWN = 5
DECIDED = (*GO_AHEAD, SuggestionStatus.REJECTED)


def of_lead(request: HttpRequest, lead: Lead) -> Section | None:
    """What waits or has failed, to be decided on the spot, and what was decided lately."""
    return of(request, "lead", lead)


def of_client(request: HttpRequest, client: Client) -> Section | None:
    """As `of_lead`, for a client."""
    return of(request, "client", client)


def of(request: HttpRequest, name: str, record: Any) -> Section | None:
    if not request.user.has_perm("suggestions.view_suggestion"):
        return None
    rows = Suggestion.objects.visible_to(request.user).filter(**{name: record})
    rows = rows.select_related("lead__assigned_to", "client__assigned_to", "thread", "ticket", "reviewed_by")
    rows = rows.defer("evidence", "result").order_by("-created_at", "-id")
    names = Names()
    shown = {
        "open": [line_of(row, names, request.user) for row in rows.filter(status__in=DECIDABLE)[:SHOWN]],
        "decided": [line_of(row, names, request.user) for row in rows.filter(status__in=DECIDED)[:SHOWN]],
    }
    url = reverse("admin:suggestions_suggestion_changelist") + f"?state=all&{name}={record.pk}"
    return Section("Suggestions", "suggestions/of_record.html", shown, count=str(len(shown["open"])), url=url)
