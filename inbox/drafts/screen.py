"""The screens of writing: the composer, drafts, and what a person does to a mail under way."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import django_filters
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from crm.exceptions import Refused
from crm.filters import LiveFilter
from crm.models import User
from crm.screens.action_forms import DeedForm
from crm.screens.lists import Column
from crm.screens.paging import Order
from crm.screens.record_admin import RecordAdmin
from inbox.drafts import transitions
from inbox.drafts.composer import ComposeForm, Composer, answering_all, begin, from_template, of_draft
from inbox.message_view import last_words
from inbox.models import Draft, Message, Thread
from inbox.outgoing import send_queue
from inbox.outgoing.outbox import SEND
from inbox.outgoing.send_queue import WAIT

SAVED = "%H:%M"


class DraftFilter(LiveFilter):
    q = django_filters.CharFilter(field_name="subject", lookup_expr="icontains", label="Search", max_length=200)

    class Meta:
        model = Draft
        fields: list[str] = []


class DiscardDraft(DeedForm):
    """Throwing away what was begun."""

    verb, label, permission, icon, danger = "discard", "Discard", SEND, "delete", True

    def perform(self, record: Draft, by: User) -> str:
        transitions.discard(record, by=by)
        return f"The draft “{record}” is discarded."


class DraftAdmin(RecordAdmin):
    """Drafts are their author's alone; whoever may send may write them."""

    filterset_class = DraftFilter
    search_label = "Search subjects"
    row_template = "inbox/draft_row.html"
    columns = (Column("Draft"), Column("To"), Column("For"), Column("Saved", css="num"))
    orders = {"newest": Order("Newest first", {"at": models.F("updated_at"), "id": models.F("id")})}
    list_select_related = ("thread", "lead", "client")
    deeds = bulk = (DiscardDraft,)
    list_links = (("inbox_thread_changelist", "inbox", "Inbox"),)

    def has_view_permission(self, request: HttpRequest, obj: Draft | None = None) -> bool:
        return request.user.has_perm(SEND)

    has_add_permission = has_module_permission = has_view_permission

    def has_change_permission(self, request: HttpRequest, obj: Draft | None = None) -> bool:
        return self.has_view_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Draft | None = None) -> bool:
        """They are discarded by a deed of their own."""
        return False

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        outgoing = wrap(require_POST(self.outgoing_view))
        return [
            path("message/<uuid:pk>/<slug:verb>/", outgoing, name="inbox_draft_outgoing"),
            *super().get_urls(),
        ]

    # The composer

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """An empty composer or that of a draft; whatever is sent is kept, and then done."""
        if not request.user.has_perm(SEND):
            raise PermissionDenied
        if request.method == "POST":
            return self.typed(request)
        if object_id is None:
            return self.compose_page(request, begin(request))
        draft = self.find(request, object_id)
        if draft.thread is not None and not draft.thread.is_deleted:
            return HttpResponseRedirect(place_of(draft))
        return self.compose_page(request, of_draft(draft))

    def compose_page(self, request: HttpRequest, composer: Composer, status: int = 200) -> HttpResponse:
        thread = composer.place.thread
        context = {
            **self.admin_site.each_context(request),
            "title": f"Answer: {thread}" if thread else "Write a mail",
            "opts": self.opts,
            "composer": composer,
            "said": last_words([thread]).get(thread.pk, []) if thread else [],
        }
        return TemplateResponse(request, "inbox/compose.html", context, status=status)

    def typed(self, request: HttpRequest) -> HttpResponse:
        """Keep what was typed, then do what was asked; a refusal keeps what was typed."""
        form, user, asked = ComposeForm(request.POST), request.user, asked_for(request)
        if not form.is_valid():
            said = " ".join(f"{form[name].label}: {' '.join(errors)}" for name, errors in form.errors.items())
            return self.refused(request, Composer(form, refused=said))
        composer = Composer(form, writer=user.pk)
        try:
            composer.place = form.place(user)
            key, version = form.cleaned_data["key"], form.cleaned_data["version"]
            draft = transitions.save(key, version, form.words(), composer.place, by=user)
            composer = of_draft(draft)
            if files := request.FILES.getlist("files"):
                draft = transitions.attach(draft, files, by=user)
                composer = of_draft(draft)
            return ACTS[asked](self, request, draft)
        except Refused as refusal:
            gone = transitions.sent_as(form.cleaned_data["key"], by=user) if asked == "send" else None
            if gone is not None:  # pressed twice: it is one mail
                return HttpResponseRedirect(address_of(gone))
            composer.refused = str(refusal)
            composer.unconfirmed = getattr(refusal, "addresses", ())
            composer.newest = getattr(refusal, "newest", None)
            composer.form.initial["seen"] = composer.newest or form.cleaned_data["seen"]
            return self.refused(request, composer)

    def refused(self, request: HttpRequest, composer: Composer) -> HttpResponse:
        if in_place(request):
            return JsonResponse({"refused": composer.refused}, status=422)
        return self.compose_page(request, composer, status=422)

    def kept(self, request: HttpRequest, draft: Draft) -> HttpResponse:
        """The draft as it stands, for the script that typed on, or where it is worked on."""
        if in_place(request):
            names = ("version", "to", "cc", "subject", "body")
            at = timezone.localtime(draft.updated_at).strftime(SAVED)
            texts = {name: getattr(draft, name) for name in names}
            return JsonResponse({"saved": f"Saved {at}", "url": place_of(draft), **texts})
        return HttpResponseRedirect(place_of(draft))

    def save(self, request: HttpRequest, draft: Draft) -> HttpResponse:
        if not in_place(request):
            messages.success(request, "The draft is saved.")
        return self.kept(request, draft)

    def send(self, request: HttpRequest, draft: Draft) -> HttpResponse:
        asked = {"confirmed": request.POST.getlist("confirmed"), "seen": key_in(request.POST.get("seen", ""))}
        message = transitions.send(draft, **asked, by=request.user)
        said = f"“{message}” goes out in {WAIT.seconds} seconds; until then it can be taken back."
        messages.success(request, said)
        return HttpResponseRedirect(address_of(message))

    def discard(self, request: HttpRequest, draft: Draft) -> HttpResponse:
        transitions.discard(draft, by=request.user)
        messages.success(request, "The draft is discarded.")
        return HttpResponseRedirect(thread_url(draft.thread_id) if draft.thread_id else self.list_url())

    def detach(self, request: HttpRequest, draft: Draft) -> HttpResponse:
        return self.kept(request, transitions.detach(draft, request.POST["remove"], by=request.user))

    def fill(self, request: HttpRequest, draft: Draft) -> HttpResponse:
        words = from_template(request.POST.get("template", ""), words_of(draft), place_in(draft), request.user)
        return self.kept(request, transitions.save(draft.pk, draft.version, words, place_in(draft), by=request.user))

    def answer_all(self, request: HttpRequest, draft: Draft) -> HttpResponse:
        words = answering_all(words_of(draft), place_in(draft))
        return self.kept(request, transitions.save(draft.pk, draft.version, words, place_in(draft), by=request.user))

    # A mail under way

    def outgoing_view(self, request: HttpRequest, pk: UUID, verb: str) -> HttpResponse:
        """Do what a person may do to a mail that has not arrived for certain."""
        message = get_object_or_404(Message.everything, pk=pk)
        if not Thread.everything.visible_to(request.user).filter(pk=message.thread_id).exists():
            raise Http404("There is no such mail.")
        if not request.user.has_perm(SEND) or verb not in OUTGOING_DEEDS:
            raise PermissionDenied
        try:
            draft, said = OUTGOING_DEEDS[verb](message, request.user)
        except Refused as refusal:
            messages.error(request, str(refusal))
            return HttpResponseRedirect(address_of(message))
        messages.success(request, said)
        return HttpResponseRedirect(place_of(draft) if draft else address_of(message))


def asked_for(request: HttpRequest) -> str:
    """What is to be done with what was typed; nothing known is only kept."""
    asked = "remove" if "remove" in request.POST else request.POST.get("do", "")
    return asked if asked in ACTS else "save"


def in_place(request: HttpRequest) -> bool:
    """Whether a script asks, which goes on showing the page it has."""
    return request.headers.get("X-Fragment") == "1"


def key_in(text: str) -> UUID | None:
    """The key that `text`, which the form has found to be one or nothing, stands for."""
    return UUID(text.strip()) if text.strip() else None


def words_of(draft: Draft) -> transitions.Words:
    return transitions.Words(draft.to, draft.cc, draft.subject, draft.body, draft.quotes)


def place_in(draft: Draft) -> transitions.Place:
    return transitions.Place(draft.thread, draft.lead, draft.client, draft.reply_to)


def thread_url(pk: Any) -> str:
    return reverse("admin:inbox_thread_change", args=[pk])


def address_of(message: Message) -> str:
    return f"{thread_url(message.thread_id)}#m-{message.pk}"


def place_of(draft: Draft) -> str:
    """Where `draft` is worked on."""
    if draft.thread_id and not draft.thread.is_deleted:
        return f"{thread_url(draft.thread_id)}#reply"
    return reverse("admin:inbox_draft_change", args=[draft.pk])


ACTS: dict[str, Callable[[DraftAdmin, HttpRequest, Draft], HttpResponse]] = {
    "save": DraftAdmin.save,
    "send": DraftAdmin.send,
    "attach": DraftAdmin.kept,
    "remove": DraftAdmin.detach,
    "template": DraftAdmin.fill,
    "all": DraftAdmin.answer_all,
    "discard": DraftAdmin.discard,
}


def taken_back(message: Message, by: User) -> tuple[Draft | None, str]:
    return transitions.take_back(message, by=by), "The mail is taken back: it is a draft again."


def made_new(message: Message, by: User) -> tuple[Draft | None, str]:
    return transitions.edit_as_new(message, by=by), "The mail is a draft again, to be worked on."


def tried_again(message: Message, by: User) -> tuple[Draft | None, str]:
    send_queue.try_again(message, by=by)
    return None, f"It goes out in {WAIT.seconds} seconds."


def arrived(message: Message, by: User) -> tuple[Draft | None, str]:
    send_queue.settle(message, arrived=True, by=by)
    return None, "It counts as sent."


def sent_again(message: Message, by: User) -> tuple[Draft | None, str]:
    send_queue.settle(message, arrived=False, by=by)
    return None, f"It is sent once more, in {WAIT.seconds} seconds."


OUTGOING_DEEDS: dict[str, Callable[[Message, User], tuple[Draft | None, str]]] = {
    "take-back": taken_back,
    "edit-as-new": made_new,
    "try-again": tried_again,
    "arrived": arrived,
    "send-again": sent_again,
}
