"""The screen for questions about a lead, and the panel on the page of the lead."""

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

from agents.assistant.answering import EXAMPLE_QUESTIONS
from agents.assistant.chats import load_recent_chats, load_turns
from agents.assistant.transitions import ASK_PERMISSIONS, MAX_QUESTION_LENGTH, ask_about_lead
from ai_log.gateway import ask
from ai_log.models import Feedback
from crm.exceptions import ActionRefused
from crm.models import User
from crm.screens.panels import Panel, Place
from leads.models import Lead

MAX_ON_LEAD_PAGE = 3
FEEDBACK_CHOICES = ((Feedback.UP, "Helpful", "thumb_up"), (Feedback.DOWN, "Not helpful", "thumb_down"))


class AskForm(forms.Form):
    """A question, typed or one of the examples; `key` comes with the empty form, so that sending it twice asks once."""

    key = forms.UUIDField(widget=forms.HiddenInput)
    question = forms.CharField(
        label="Your question",
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "maxlength": MAX_QUESTION_LENGTH}),
    )
    example = forms.CharField(required=False, max_length=200, widget=forms.HiddenInput)

    @property
    def question_text(self) -> str:
        return self.cleaned_data["example"] or self.cleaned_data["question"]


def chat_urls(site: AdminSite) -> list[URLPattern]:
    """Return the URLs of a new conversation about a lead and of an existing one."""

    def wrap_view(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        return site.admin_view(lambda request, **keys: view(request, site, **keys))

    return [
        path("leads/lead/<uuid:pk>/ask/", wrap_view(new_conversation), name="leads_lead_ask"),
        path(
            "leads/lead/<uuid:pk>/ask/<uuid:conversation>/",
            wrap_view(conversation_view),
            name="leads_lead_ask_conversation",
        ),
    ]


def can_ask(user: User) -> bool:
    return all(user.has_perm(permission) for permission in ASK_PERMISSIONS)


def get_lead(request: HttpRequest, pk: UUID) -> Lead:
    """Return the lead, or raise 404 where the user may not see it."""
    if not can_ask(request.user):
        raise PermissionDenied
    joined = ("status", "insurance_type", "assigned_to", "converted_to_client")
    return get_object_or_404(Lead.objects.visible_to(request.user).select_related(*joined), pk=pk)


@require_safe
def new_conversation(request: HttpRequest, site: AdminSite, pk: UUID) -> HttpResponse:
    """Show an empty conversation."""
    return render_conversation(site, request, get_lead(request, pk), uuid7())


@require_http_methods(["GET", "HEAD", "POST"])
def conversation_view(request: HttpRequest, site: AdminSite, pk: UUID, conversation: UUID) -> HttpResponse:
    """Show a conversation, or ask the next question; an error keeps the typed text."""
    lead = get_lead(request, pk)
    if request.method != "POST":
        return render_conversation(site, request, lead, conversation)
    form = AskForm(request.POST)
    if form.is_valid():
        try:
            key = form.cleaned_data["key"]
            row = ask_about_lead(lead, form.question_text, conversation=conversation, key=key, by=request.user)
            return HttpResponseRedirect(f"{conversation_url(lead, conversation)}#t-{row.pk}")
        except ActionRefused as error:
            form.add_error("question", str(error))
    return render_conversation(site, request, lead, conversation, form)


def conversation_url(lead: Lead, conversation: UUID) -> str:
    return reverse("admin:leads_lead_ask_conversation", args=[lead.pk, conversation])


def render_conversation(
    site: AdminSite, request: HttpRequest, lead: Lead, conversation: UUID, form: AskForm | None = None
) -> HttpResponse:
    past_turns = load_turns(lead, conversation, request.user)
    is_own_conversation = all(turn.row.asked_by_id == request.user.pk for turn in past_turns)
    context = {
        **site.each_context(request),
        "title": f"Ask about {lead}",
        "opts": Lead._meta,
        "original": lead,
        "lead": lead,
        "turns": past_turns,
        "last": past_turns[-1] if past_turns else None,
        "is_own_conversation": is_own_conversation,
        "form": form or AskForm(initial={"key": uuid7()}),
        "url": conversation_url(lead, conversation),
        "new_url": reverse("admin:leads_lead_ask", args=[lead.pk]),
        "examples": EXAMPLE_QUESTIONS,
        "chats": [
            chat for chat in load_recent_chats(lead, request.user) if chat.url != conversation_url(lead, conversation)
        ],
        "has_model": ask.is_model_configured(),
        "thumbs": FEEDBACK_CHOICES,
        "may_rate": request.user.has_perm("ai_log.rate_aiinteraction"),
    }
    return TemplateResponse(request, "agents/ask.html", context, status=422 if form is not None else 200)


def ask_panel(request: HttpRequest, lead: Lead) -> Panel | None:
    """Return the panel on the page of a lead: a form for a question, and the latest conversations."""
    if lead.is_deleted or not can_ask(request.user):
        return None
    panel_context: dict[str, Any] = {
        "form": AskForm(initial={"key": uuid7()}, auto_id="ask_%s"),
        "url": conversation_url(lead, uuid7()),
        "examples": EXAMPLE_QUESTIONS[:MAX_ON_LEAD_PAGE],
        "chats": load_recent_chats(lead, request.user, MAX_ON_LEAD_PAGE),
    }
    url = reverse("admin:leads_lead_ask", args=[lead.pk])
    return Panel(
        "Ask about this lead",
        "agents/ask_panel.html",
        panel_context,
        place=Place.SIDE,
        url=url,
        link_label="Ask",
        button_icon="forum",
    )
