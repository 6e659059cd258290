"""The screen on which people ask about a lead, and what its page shows of that."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django import forms
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_http_methods, require_safe
from uuid_utils.compat import uuid7

from agents.assistant.answering import EXAMPLES
from agents.assistant.chats import chats, turns
from agents.assistant.transitions import LONGEST_QUESTION, MAY, ask_about
from ai_log.gateway import ask
from ai_log.models import Feedback
from crm.exceptions import Refused
from crm.models import User
from crm.screens.panels import Section
from leads.models import Lead

ON_LEAD = 3
THUMBS = ((Feedback.UP, "Helpful", "thumb_up"), (Feedback.DOWN, "Not helpful", "thumb_down"))


class AskForm(forms.Form):
    """A question, typed or one of the examples; `key` is made with the empty form, so that it is asked once."""

    key = forms.UUIDField(widget=forms.HiddenInput)
    question = forms.CharField(
        label="Your question",
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "maxlength": LONGEST_QUESTION}),
    )
    example = forms.CharField(required=False, max_length=200, widget=forms.HiddenInput)

    @property
    def asked(self) -> str:
        return self.cleaned_data["example"] or self.cleaned_data["question"]


def pages(site: AdminSite) -> list[URLPattern]:
    """The addresses: a conversation about a lead to be begun, and one of its own for each."""

    def shown(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        return site.admin_view(lambda request, **keys: view(request, site, **keys))

    return [
        path("leads/lead/<uuid:pk>/ask/", shown(begin), name="leads_lead_ask"),
        path("leads/lead/<uuid:pk>/ask/<uuid:conversation>/", shown(converse), name="leads_lead_ask_conversation"),
    ]


def may_ask(user: User) -> bool:
    return all(user.has_perm(permission) for permission in MAY)


def lead_of(request: HttpRequest, pk: UUID) -> Lead:
    """The lead that is asked about, or 404; who may see it may ask."""
    if not may_ask(request.user):
        raise PermissionDenied
    joined = ("status", "insurance_type", "assigned_to", "converted_to_client")
    return get_object_or_404(Lead.objects.visible_to(request.user).select_related(*joined), pk=pk)


@require_safe
def begin(request: HttpRequest, site: AdminSite, pk: UUID) -> HttpResponse:
    """An empty conversation."""
    return page(site, request, lead_of(request, pk), uuid7())


@require_http_methods(["GET", "HEAD", "POST"])
def converse(request: HttpRequest, site: AdminSite, pk: UUID, conversation: UUID) -> HttpResponse:
    """A conversation to be read and gone on with; a refusal keeps what was typed."""
    lead = lead_of(request, pk)
    if request.method != "POST":
        return page(site, request, lead, conversation)
    form = AskForm(request.POST)
    if form.is_valid():
        try:
            key = form.cleaned_data["key"]
            row = ask_about(lead, form.asked, conversation=conversation, key=key, by=request.user)
            return HttpResponseRedirect(f"{address(lead, conversation)}#t-{row.pk}")
        except Refused as refusal:
            form.add_error("question", str(refusal))
    return page(site, request, lead, conversation, form)


def address(lead: Lead, conversation: UUID) -> str:
    return reverse("admin:leads_lead_ask_conversation", args=[lead.pk, conversation])


def page(
    site: AdminSite, request: HttpRequest, lead: Lead, conversation: UUID, form: AskForm | None = None
) -> HttpResponse:
    said = turns(lead, conversation, request.user)
    mine = all(turn.row.asked_by_id == request.user.pk for turn in said)
    context = {
        **site.each_context(request),
        "title": f"Ask about {lead}",
        "opts": Lead._meta,
        "original": lead,
        "lead": lead,
        "turns": said,
        "last": said[-1] if said else None,
        "mine": mine,
        "form": form or AskForm(initial={"key": uuid7()}),
        "url": address(lead, conversation),
        "new": reverse("admin:leads_lead_ask", args=[lead.pk]),
        "examples": EXAMPLES,
        "chats": [chat for chat in chats(lead, request.user) if chat.url != address(lead, conversation)],
        "by_model": ask.available(),
        "thumbs": THUMBS,
        "may_rate": request.user.has_perm("ai_log.rate_aiinteraction"),
    }
    return TemplateResponse(request, "agents/ask.html", context, status=422 if form is not None else 200)


def of_lead(request: HttpRequest, lead: Lead) -> Section | None:
    """On the page of a lead: a question to begin with, and the latest conversations."""
    if lead.is_deleted or not may_ask(request.user):
        return None
    shown: dict[str, Any] = {
        "form": AskForm(initial={"key": uuid7()}, auto_id="ask_%s"),
        "url": address(lead, uuid7()),
        "examples": EXAMPLES[:ON_LEAD],
        "chats": chats(lead, request.user, ON_LEAD),
    }
    url = reverse("admin:leads_lead_ask", args=[lead.pk])
    return Section(
        "Ask about this lead", "agents/ask_of_lead.html", shown, side=True, url=url, link="Ask", beside="forum"
    )
