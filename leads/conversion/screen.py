"""The page on which a lead is converted to a client, or closed as won without one."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from crm.exceptions import ActionRefused
from crm.filters import ClientFilter
from crm.models import Client
from crm.screens.filters import MIN_SEARCH_LENGTH
from leads.conversion.candidates import ClientCandidate, find_client_candidates
from leads.conversion.forms import NEW_CLIENT, ConvertForm
from leads.conversion.preview import preview_conversion
from leads.conversion.transitions import convert, won_stage
from leads.models import Lead, StageCategory
from leads.transitions import change_status

MAX_FOUND_CLIENTS = 10
SEND_PERMISSION = "inbox.send_message"
CLOSE_WITHOUT_CLIENT = "close"


def conversion_page(request: HttpRequest, site_context: dict[str, Any], lead: Lead) -> HttpResponse:
    """Show the page, convert the lead, or close it as won. A refused form keeps what was typed."""
    lead_url = reverse("admin:leads_lead_change", args=[lead.pk])
    if lead.converted_at is not None:
        messages.info(request, f"{lead} is already converted to a client.")
        return HttpResponseRedirect(lead_url)
    if request.method == "POST" and CLOSE_WITHOUT_CLIENT in request.POST:
        return close_without_client(request, lead, lead_url)
    form = ConvertForm(
        request.POST if request.method == "POST" else None,
        lead=lead,
        user=request.user,
        can_write=request.user.has_perm(SEND_PERMISSION),
        initial={"client": str(client.pk)} if (client := named_client(request)) else {},
    )
    if form.is_bound and form.is_valid():
        try:
            return HttpResponseRedirect(perform_conversion(request, form))
        except ActionRefused as error:
            form.add_error(None, str(error))
    query = request.GET.get("q", "").strip()
    context = {
        **site_context,
        "title": f"Convert {lead}",
        "opts": Lead._meta,
        "original": lead,
        "form": form,
        "query": query,
        "candidates": load_choices(request, lead, query),
        "new_client": NEW_CLIENT,
        "preview": preview_conversion(request.user, lead),
        "can_close": lead.status.category != StageCategory.WON,
        "back": lead_url,
    }
    return TemplateResponse(request, "leads/convert.html", context, status=422 if form.is_bound else 200)


def perform_conversion(request: HttpRequest, form: ConvertForm) -> str:
    """Convert the lead of a valid `form`. Return the address of the next page: the client."""
    conversion = convert(
        form.lead,
        form.make_client(),
        by=request.user,
        project_name=form.cleaned_data["project_name"],
        policy=form.make_policy(),
        welcome_template=form.cleaned_data.get("welcome_template", ""),
    )
    client = conversion.client
    draft = " The welcome email is saved as a draft." if form.cleaned_data.get("welcome_template") else ""
    notice = f"{form.lead} is won and converted to the client {client}.{draft} You can undo this for a day."
    messages.success(request, notice)
    return reverse("admin:crm_client_change", args=[client.pk])


def close_without_client(request: HttpRequest, lead: Lead, lead_url: str) -> HttpResponse:
    try:
        change_status(lead, won_stage(), by=request.user)
        messages.success(request, f"{lead} closed as won without a client.")
    except ActionRefused as error:
        messages.error(request, str(error))
    return HttpResponseRedirect(lead_url)


def named_client(request: HttpRequest) -> Client | None:
    """Return the client that the address names, as the list of possible duplicates does, if the user may see it."""
    try:
        key = UUID(request.GET.get("client", ""))
    except ValueError:
        return None
    return Client.objects.visible_to(request.user).filter(pk=key).first()


def load_choices(request: HttpRequest, lead: Lead, query: str) -> list[ClientCandidate]:
    """Return the clients that match the lead, and those that `query` finds."""
    candidates = find_client_candidates(request.user, lead)
    named = named_client(request)
    if named and named.pk not in {one.client.pk for one in candidates}:
        candidates.insert(0, ClientCandidate(named, ("possible duplicate",)))
    if len(query) < MIN_SEARCH_LENGTH:
        return candidates
    listed = {one.client.pk for one in candidates}
    filterset = ClientFilter({"q": query}, Client.objects.visible_to(request.user), request=request)
    rows = [] if filterset.form.errors else filterset.qs[:MAX_FOUND_CLIENTS]
    return [*candidates, *(ClientCandidate(row, ("found by your search",)) for row in rows if row.pk not in listed)]
