"""The records that may be the person for whom a new lead is suggested."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from crm.exceptions import ActionRefused
from crm.models import Client, User
from crm.records.duplicates.finding import find_duplicates
from crm.records.duplicates.matching import Identity
from crm.screens.action_values import safe_next_url
from crm.screens.duplicates.warning import ExistingRecord, describe_existing
from leads.models import Lead
from suggestions import transitions
from suggestions.models import Suggestion, SuggestionType
from suggestions.transitions.link_instead import link_instead

MAX_EXISTING_RECORDS = 5
# The columns of a lead, and the names of their values in the content of a suggestion.
CONTENT_NAMES = {
    "contact_name": "contactName",
    "contact_email": "contactEmail",
    "contact_phone": "contactPhone",
    "company_name": "companyName",
}
TABLES = {"lead": Lead, "client": Client}


def existing_records(row: Suggestion, content: Any, user: User) -> list[ExistingRecord]:
    """Return the leads and clients that `user` may see and that the new lead of `row` may be already."""
    if row.type != SuggestionType.CREATE_LEAD or row.status not in transitions.DECIDABLE_STATUSES:
        return []
    if not isinstance(content, dict) or row.is_deleted:
        return []
    values = {column: str(content.get(name) or "").replace("\x00", "") for column, name in CONTENT_NAMES.items()}
    found = find_duplicates(Identity.from_values(Lead, values), user, tables=(Client, Lead), limit=MAX_EXISTING_RECORDS)
    return describe_existing(found, Lead, in_popup=False)


def link_instead_view(request: HttpRequest, row: Suggestion, table: str, key: UUID) -> HttpResponse:
    """Link the conversation to an existing record in one press."""
    if not request.user.has_perm(transitions.DECIDE_PERMISSION):
        raise PermissionDenied
    record = TABLES[table].objects.visible_to(request.user).filter(pk=key).first() if table in TABLES else None
    if record is None:
        raise Http404(f"There is no such {table}.")
    try:
        link_instead(row, record, by=request.user)
        messages.success(request, f"Conversation linked to {record}. No lead was created.")
    except ActionRefused as error:
        messages.error(request, str(error))
    own_page = reverse("admin:suggestions_suggestion_change", args=[row.pk])
    return HttpResponseRedirect(safe_next_url(request.POST.get("next"), own_page))
