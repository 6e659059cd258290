"""The screens for writing: the composer, drafts, and the actions on an outgoing email."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import django_filters
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse, QueryDict
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.views.decorators.http import require_POST

from crm.exceptions import ActionRefused, InvalidInput
from crm.models import User
from crm.records.local_time import format_moment, format_time
from crm.screens.action_forms import ActionForm
from crm.screens.filters import LiveRowsFilter
from crm.screens.lists import Column
from crm.screens.paging import Order
from crm.screens.record_admin import RecordAdmin
from crm.screens.record_forms import LaterForm
from inbox.drafts import attached_files, transitions
from inbox.drafts.composer import (
    ComposeForm,
    Composer,
    add_other_recipients,
    apply_template,
    composer_for_draft,
    composer_for_new_email,
)
from inbox.message_view import load_recent_messages
from inbox.models import Draft, Message, Thread
from inbox.outgoing import send_queue
from inbox.outgoing.outbox import SEND_PERMISSION
from inbox.outgoing.send_queue import UNDO_WINDOW


class DraftFilter(LiveRowsFilter):
    q = django_filters.CharFilter(field_name="subject", lookup_expr="icontains", label="Search", max_length=200)

    class Meta:
        model = Draft
        fields: list[str] = []


class DiscardDraft(ActionForm):
    """Discard a draft."""

    verb, label, permission, icon, danger = "discard", "Discard", SEND_PERMISSION, "delete", True

    def perform(self, record: Draft, by: User) -> str:
        transitions.discard(record, by=by)
        return f"Draft “{record}” discarded."


class DraftAdmin(RecordAdmin):
    """Drafts are private to their author. Writing them needs only the permission to send."""

    filterset_class = DraftFilter
    search_label = "Search subjects"
    add_label, add_words, add_icon = "Write an email", "compose send message", "edit"
    row_template = "inbox/draft_row.html"
    columns = (Column("Draft"), Column("To"), Column("For"), Column("Saved", css_class="num"))
    orders = {"newest": Order("Newest first", {"at": models.F("updated_at"), "id": models.F("id")})}
    list_select_related = ("thread", "lead", "client")
    page_actions = bulk_actions = (DiscardDraft,)
    list_links = (("inbox_thread_changelist", "inbox", "Inbox"),)

    def has_view_permission(self, request: HttpRequest, obj: Draft | None = None) -> bool:
        return request.user.has_perm(SEND_PERMISSION)

    has_add_permission = has_module_permission = has_view_permission

    def has_change_permission(self, request: HttpRequest, obj: Draft | None = None) -> bool:
        return self.has_view_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Draft | None = None) -> bool:
        """Return False: drafts are discarded by their own action."""
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
        """Show the composer, empty or with a draft. A submission saves the draft before the requested action."""
        if not request.user.has_perm(SEND_PERMISSION):
            raise PermissionDenied
        if request.method == "POST":
            return self.handle_submission(request)
        if object_id is None:
            return self.compose_page(request, composer_for_new_email(request))
        draft = self.get_visible_object(request, object_id)
        if draft.thread is not None and not draft.thread.is_deleted:
            return HttpResponseRedirect(draft_url(draft))
        draft.author = request.user
        return self.compose_page(request, composer_for_draft(draft))

    def compose_page(self, request: HttpRequest, composer: Composer, status: int = 200) -> HttpResponse:
        thread = composer.destination.thread
        context = {
            **self.admin_site.each_context(request),
            "title": f"Reply: {thread}" if thread else "New email",
            "opts": self.opts,
            "composer": composer,
            "displayed": load_recent_messages([thread]).get(thread.pk, []) if thread else [],
        }
        return TemplateResponse(request, "inbox/compose.html", context, status=status)

    def handle_submission(self, request: HttpRequest) -> HttpResponse:
        """Save the draft, then perform the requested action. If it is refused, the draft stays saved."""
        form, user, action = ComposeForm(request.POST), request.user, requested_action(request)
        if not form.is_valid():
            notice = " ".join(f"{form[name].label}: {' '.join(errors)}" for name, errors in form.errors.items())
            return self.error_response(request, Composer(form, error=notice, author=user))
        composer = Composer(form, author=user)
        try:
            composer.destination = form.destination(user)
            key, version = form.cleaned_data["key"], form.cleaned_data["version"]
            draft = transitions.save(key, version, form.content(), composer.destination, by=user)
            draft.author = user
            composer = composer_for_draft(draft)
            if files := request.FILES.getlist("files"):
                draft = attached_files.attach(draft, files, by=user)
                draft.author = user
                composer = composer_for_draft(draft)
            return COMPOSER_ACTIONS[action](self, request, draft)
        except ActionRefused as error:
            is_send = action in ("send", "later")
            sent_message = transitions.find_sent_message(form.cleaned_data["key"], by=user) if is_send else None
            if sent_message is not None:  # submitted twice: one email
                return HttpResponseRedirect(message_url(sent_message))
            composer.error = str(error)
            composer.unconfirmed_addresses = getattr(error, "addresses", ())
            composer.newest_message_id = getattr(error, "newest_message_id", None)
            composer.form.initial["seen"] = composer.newest_message_id or form.cleaned_data["seen"]
            return self.error_response(request, composer)

    def error_response(self, request: HttpRequest, composer: Composer) -> HttpResponse:
        if is_fragment_request(request):
            return JsonResponse({"refused": composer.error}, status=422)
        return self.compose_page(request, composer, status=422)

    def draft_response(self, request: HttpRequest, draft: Draft) -> HttpResponse:
        """Return the saved draft: as JSON for the autosave script, else as a redirect to the composer."""
        if is_fragment_request(request):
            names = ("version", "to", "cc", "subject", "body")
            texts = {name: getattr(draft, name) for name in names}
            return JsonResponse({"saved": f"Saved {format_time(draft.updated_at)}", "url": draft_url(draft), **texts})
        return HttpResponseRedirect(draft_url(draft))

    def save(self, request: HttpRequest, draft: Draft) -> HttpResponse:
        if not is_fragment_request(request):
            messages.success(request, "Draft saved.")
        return self.draft_response(request, draft)

    def send(self, request: HttpRequest, draft: Draft) -> HttpResponse:
        options = {"confirmed": request.POST.getlist("confirmed"), "seen": parse_key(request.POST.get("seen", ""))}
        message = transitions.send(draft, **options, by=request.user)
        notice = f"“{message}” will be sent in {UNDO_WINDOW.seconds} seconds. Until then you can take it back."
        messages.success(request, notice)
        return HttpResponseRedirect(message_url(message))

    def send_later(self, request: HttpRequest, draft: Draft) -> HttpResponse:
        options = {"confirmed": request.POST.getlist("confirmed"), "seen": parse_key(request.POST.get("seen", ""))}
        at = read_later_time(request.POST)
        message = transitions.send(draft, **options, at=at, by=request.user)
        messages.success(request, f"“{message}” will be sent on {format_moment(at)}.")
        return HttpResponseRedirect(message_url(message))

    def discard(self, request: HttpRequest, draft: Draft) -> HttpResponse:
        transitions.discard(draft, by=request.user)
        messages.success(request, "Draft discarded.")
        return HttpResponseRedirect(thread_url(draft.thread_id) if draft.thread_id else self.list_url())

    def detach(self, request: HttpRequest, draft: Draft) -> HttpResponse:
        return self.draft_response(request, attached_files.detach(draft, request.POST["remove"], by=request.user))

    def insert_template(self, request: HttpRequest, draft: Draft) -> HttpResponse:
        content = apply_template(
            request.POST.get("template", ""), draft_content(draft), draft_destination(draft), request.user
        )
        return self.draft_response(
            request, transitions.save(draft.pk, draft.version, content, draft_destination(draft), by=request.user)
        )

    def reply_all(self, request: HttpRequest, draft: Draft) -> HttpResponse:
        content = add_other_recipients(draft_content(draft), draft_destination(draft))
        return self.draft_response(
            request, transitions.save(draft.pk, draft.version, content, draft_destination(draft), by=request.user)
        )

    # Outgoing email

    def outgoing_view(self, request: HttpRequest, pk: UUID, verb: str) -> HttpResponse:
        """Perform an action on an email that is not confirmed as delivered."""
        message = get_object_or_404(Message.everything, pk=pk)
        if not Thread.everything.visible_to(request.user).filter(pk=message.thread_id).exists():
            raise Http404("This email does not exist.")
        if not request.user.has_perm(SEND_PERMISSION) or verb not in OUTGOING_ACTIONS:
            raise PermissionDenied
        try:
            draft, notice = OUTGOING_ACTIONS[verb](message, request.user, request.POST)
        except ActionRefused as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(message_url(message))
        messages.success(request, notice)
        return HttpResponseRedirect(draft_url(draft) if draft else message_url(message))


def requested_action(request: HttpRequest) -> str:
    """Return the requested action; an unknown one only saves the draft."""
    action = "remove" if "remove" in request.POST else request.POST.get("do", "")
    return action if action in COMPOSER_ACTIONS else "save"


def is_fragment_request(request: HttpRequest) -> bool:
    """Return whether a script sent the request and only needs data, not a page."""
    return request.headers.get("X-Fragment") == "1"


def read_later_time(data: QueryDict) -> datetime:
    """Return the time that a user chose in the fields of `LaterForm`.

    Raises:
        InvalidInput: the time is missing or malformed.
    """
    form = LaterForm(data)
    if not form.is_valid():
        raise InvalidInput(" ".join(f"{form[name].label}: {' '.join(errors)}" for name, errors in form.errors.items()))
    return form.chosen_time()


def parse_key(text: str) -> UUID | None:
    """Return the UUID in `text`, which the form has validated, or None if it is empty."""
    return UUID(text.strip()) if text.strip() else None


def draft_content(draft: Draft) -> transitions.DraftContent:
    return transitions.DraftContent(draft.to, draft.cc, draft.subject, draft.body, draft.quotes, draft.signs)


def draft_destination(draft: Draft) -> transitions.DraftDestination:
    return transitions.DraftDestination(draft.thread, draft.lead, draft.client, draft.reply_to)


def thread_url(pk: Any) -> str:
    return reverse("admin:inbox_thread_change", args=[pk])


def message_url(message: Message) -> str:
    return f"{thread_url(message.thread_id)}#m-{message.pk}"


def draft_url(draft: Draft) -> str:
    """Return the URL of the composer for `draft`."""
    if draft.thread_id and not draft.thread.is_deleted:
        return f"{thread_url(draft.thread_id)}#reply"
    return reverse("admin:inbox_draft_change", args=[draft.pk])


COMPOSER_ACTIONS: dict[str, Callable[[DraftAdmin, HttpRequest, Draft], HttpResponse]] = {
    "save": DraftAdmin.save,
    "send": DraftAdmin.send,
    "later": DraftAdmin.send_later,
    "attach": DraftAdmin.draft_response,
    "remove": DraftAdmin.detach,
    "template": DraftAdmin.insert_template,
    "all": DraftAdmin.reply_all,
    "discard": DraftAdmin.discard,
}


def take_back_email(message: Message, by: User, data: QueryDict) -> tuple[Draft | None, str]:
    return transitions.take_back(message, by=by), "Sending cancelled. The email is a draft again."


def edit_as_new_draft(message: Message, by: User, data: QueryDict) -> tuple[Draft | None, str]:
    return transitions.edit_as_new(message, by=by), "The email is a draft again. Edit it and send it."


def retry_email(message: Message, by: User, data: QueryDict) -> tuple[Draft | None, str]:
    send_queue.retry_send(message, by=by)
    return None, f"The email will be sent in {UNDO_WINDOW.seconds} seconds."


def mark_delivered(message: Message, by: User, data: QueryDict) -> tuple[Draft | None, str]:
    send_queue.resolve_uncertain(message, was_delivered=True, by=by)
    return None, "Email marked as sent."


def resend_email(message: Message, by: User, data: QueryDict) -> tuple[Draft | None, str]:
    send_queue.resolve_uncertain(message, was_delivered=False, by=by)
    return None, f"The email will be sent again in {UNDO_WINDOW.seconds} seconds."


def send_email_now(message: Message, by: User, data: QueryDict) -> tuple[Draft | None, str]:
    send_queue.send_now(message, by=by)
    return None, f"The email will be sent in {UNDO_WINDOW.seconds} seconds."


def reschedule_email(message: Message, by: User, data: QueryDict) -> tuple[Draft | None, str]:
    at = read_later_time(data)
    send_queue.reschedule(message, at, by=by)
    return None, f"The email will be sent on {format_moment(at)}."


OUTGOING_ACTIONS: dict[str, Callable[[Message, User, QueryDict], tuple[Draft | None, str]]] = {
    "take-back": take_back_email,
    "edit-as-new": edit_as_new_draft,
    "try-again": retry_email,
    "arrived": mark_delivered,
    "send-again": resend_email,
    "send-now": send_email_now,
    "reschedule": reschedule_email,
}
