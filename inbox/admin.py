"""The screens for conversations."""

from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.db import models
from django.db.models.functions import Coalesce
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import path, reverse
from django.views.decorators.http import require_POST

from crm.exceptions import ActionRefused, IllegalTransition, InvalidInput
from crm.models import User
from crm.records.local_time import format_day
from crm.records.timeline import Position, TimelinePage, load_target_timeline
from crm.screens.lists import AFTER_PARAM, BEFORE_PARAM, Column, Tab, optional_column
from crm.screens.paging import Order, Page, capped_count
from crm.screens.record_admin import RecordAdmin
from crm.screens.search.mixin import SearchedRows
from crm.text.hidden_characters import strip_hidden_characters
from inbox.action_forms import (
    ArchiveThread,
    AssignThread,
    JoinThread,
    LinkThread,
    MarkRead,
    NoteThread,
    ReopenThread,
    ResolveThread,
    SnoozeThread,
    SplitThread,
    TakeThread,
    UnlinkThread,
    WakeThread,
)
from inbox.attachments import read_attachment
from inbox.drafts.composer import composer_for_thread
from inbox.drafts.policy_conversation import start_policy_conversation
from inbox.drafts.screen import DraftAdmin
from inbox.email_templates.screen import EmailTemplateAdmin
from inbox.filters import QuickThreadFilter, ThreadFilter, unlinked, with_unsent_messages
from inbox.forms import LogForm, ThreadForm
from inbox.incoming.sources import read_source
from inbox.linking.picking_pages import PickingPages
from inbox.lists import BACK_SOONEST, ReadingListMixin, ThreadList
from inbox.mailboxes.screen import MailboxAdmin, SetAsideAdmin
from inbox.message_view import (
    DisplayedMessage,
    booked_meeting,
    display_message,
    format_message,
    load_message_page,
    sentiment_reason_for,
)
from inbox.models import (
    LAST_ACTIVITY,
    SNOOZE_END,
    Direction,
    Draft,
    Mailbox,
    Message,
    SetAside,
    Thread,
    ThreadStatus,
    WebForm,
)
from inbox.models.email_template import EmailTemplate
from inbox.outgoing.outbox import SEND_PERMISSION
from inbox.transitions import log_conversation
from inbox.web_forms.screen import WebFormAdmin
from leads.models import Policy

MAX_RELATED_RECORDS = 10
UNREAD_MESSAGES = (
    Message.objects.filter(thread=models.OuterRef("pk"), direction=Direction.IN, is_read=False)
    .order_by()
    .values("thread")
)
# FAILED comes before HELD and UNCERTAIN.
WORST_UNSENT_STATE = (
    Message.objects.not_sent().filter(thread=models.OuterRef("pk")).order_by("state").values("state")[:1]
)


admin.site.register(Mailbox, MailboxAdmin)
admin.site.register(SetAside, SetAsideAdmin)
admin.site.register(Draft, DraftAdmin)
admin.site.register(EmailTemplate, EmailTemplateAdmin)
admin.site.register(WebForm, WebFormAdmin)


@admin.register(Thread)
class ThreadAdmin(PickingPages, ReadingListMixin, RecordAdmin):
    form = ThreadForm
    filterset_class = ThreadFilter
    search_label = "Search subjects, people and text"
    found_name, found_newest = "subject", LAST_ACTIVITY
    add_label, add_words, add_icon = "Log a call", "meeting text message note document conversation", "call"
    row_template = "inbox/row.html"
    page_template = "inbox/page.html"
    change_list_template = "inbox/list.html"
    list_select_related = ("lead", "client", "assigned_to", "snoozed_by")
    list_defer = (
        "metadata",
        "search_text",
        *(f"lead__{name}" for name in ("notes", "signals", "auto_data", "home_data", "line_data", "search_text")),
        *(f"lead__{name}" for name in ("additional_insureds", "communications", "custom_fields", "loss_notes")),
        *(f"client__{name}" for name in ("notes", "address", "custom_fields", "search_text")),
    )
    columns = (
        Column("Conversation"),
        Column("With"),
        Column("Channel"),
        Column("Sentiment"),
        Column("Messages", css_class="num"),
        Column("Last message", "newest", "num"),
        optional_column("Status"),
        optional_column("Assigned to"),
        optional_column("Started"),
    )
    orders = {
        "waiting": Order("Longest wait first", {"said": LAST_ACTIVITY, "id": models.F("id")}, descending=False),
        "newest": Order("Newest first", {"said": LAST_ACTIVITY, "id": models.F("id")}),
        BACK_SOONEST: Order("Back soonest first", {"until": SNOOZE_END, "id": models.F("id")}, descending=False),
    }
    tabs = (
        Tab("Needs reply", {}, lambda rows, user: rows.live().needs_reply()),
        Tab("Waiting on them", {"turn": "theirs"}, lambda rows, user: rows.live().waiting_on_them()),
        Tab(
            "Mine",
            {"assigned": "me"},
            lambda rows, user: rows.live().filter(status=ThreadStatus.OPEN, assigned_to=user).awake(),
        ),
        Tab("Snoozed", {"snoozed": "yes"}, lambda rows, user: rows.live().snoozed(), order=BACK_SOONEST),
        Tab(
            "Unlinked",
            {"linked": "no"},
            lambda rows, user: unlinked(rows.live().filter(status=ThreadStatus.OPEN).awake()),
            order="newest",
        ),
        Tab("Failed to send", {"sent": "no"}, lambda rows, user: with_unsent_messages(rows.live()), order="newest"),
        Tab(
            "All open",
            {"status": ThreadStatus.OPEN},
            lambda rows, user: rows.live().filter(status=ThreadStatus.OPEN),
            order="newest",
        ),
        Tab("Resolved", {"status": ThreadStatus.RESOLVED}, rows_to_count=None, order="newest"),
        Tab("Archived", {"status": ThreadStatus.ARCHIVED}, rows_to_count=None, order="newest"),
        Tab("Deleted", {"deleted": "true"}, lambda rows, user: rows.deleted(), "inbox.restore_thread", order="newest"),
    )
    page_actions = (
        ResolveThread,
        ReopenThread,
        WakeThread,
        SnoozeThread,
        TakeThread,
        AssignThread,
        MarkRead,
        NoteThread,
        ArchiveThread,
        LinkThread,
        UnlinkThread,
        SplitThread,
        JoinThread,
    )
    bulk_actions = (ResolveThread, SnoozeThread, WakeThread, AssignThread, ArchiveThread, ReopenThread, MarkRead)
    autocomplete_fields = ("lead", "client")

    def get_queryset(self, request: HttpRequest) -> models.QuerySet:
        """Annotate the number of unread messages, and the worst state among the unsent ones."""
        unread = models.Subquery(UNREAD_MESSAGES.annotate(count=models.Count("pk")).values("count"))
        return (
            super()
            .get_queryset(request)
            .annotate(unread=Coalesce(unread, 0), unsent=models.Subquery(WORST_UNSENT_STATE))
        )

    def find_rows(self, request: HttpRequest, rows: models.QuerySet, text: str) -> SearchedRows:
        """Search fewer messages than the list does, because the answer comes while a person types."""
        found, filterset = self.search_rows(request, rows, text, QuickThreadFilter)
        result = filterset.search_result
        return found._replace(is_complete=result is None or result.is_complete)

    def found_details(self, row: Thread, reader: User) -> Iterable[Any]:
        customer = row.lead or row.client
        name = customer.name_for(reader) if customer else next(iter(row.participant_emails), "")
        return name, row.get_status_display(), format_day(row.last_activity_at)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ThreadList]:
        return ThreadList

    def get_list_links(self, request: HttpRequest) -> list[tuple[str, str, str]]:
        """Return the links to the composer and to the user's drafts."""
        if not request.user.has_perm(SEND_PERMISSION):
            return []
        draft_count = capped_count(Draft.objects.visible_to(request.user))
        compose_link = ("inbox_draft_add", "edit", "Write")
        return (
            [compose_link, ("inbox_draft_changelist", "drafts", f"Drafts {draft_count}")]
            if draft_count
            else [compose_link]
        )

    def get_urls(self) -> list[Any]:
        show = self.admin_site.admin_view(self.message_view)
        formatted = self.admin_site.admin_view(self.formatted_view)
        file = self.admin_site.admin_view(self.file_view)
        about_policy = self.admin_site.admin_view(require_POST(self.policy_view))
        original = self.admin_site.admin_view(self.original_view)
        return [
            path("policy/<uuid:pk>/", about_policy, name="inbox_thread_policy"),
            path("message/<uuid:pk>/", show, name="inbox_thread_message"),
            path("message/<uuid:pk>/formatted/", formatted, name="inbox_thread_formatted"),
            path("message/<uuid:pk>/file/<int:place>/", file, name="inbox_thread_file"),
            path("message/<uuid:pk>/original/", original, name="inbox_thread_original"),
            *super().get_urls(),
        ]

    def policy_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Start the conversation about a policy, or open it."""
        policy = get_object_or_404(Policy.objects.visible_to(request.user), pk=pk)
        try:
            thread = start_policy_conversation(policy, by=request.user)
        except ActionRefused as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(reverse("admin:leads_policy_change", args=[pk]))
        return HttpResponseRedirect(f"{self.page_url(thread)}#reply")

    def message_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Redirect to a message on the page of its thread, for links that know only its key."""
        message = get_object_or_404(Message, pk=pk)
        thread = self.get_visible_object(request, message.thread_id)
        return HttpResponseRedirect(f"{self.page_url(thread)}#m-{pk}")

    def formatted_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Serve the formatted version of a message for the frame on the page of its thread.

        It is a page of its own, because a page within a page would inherit a policy that forbids an email its styles.
        """
        message = get_object_or_404(Message, pk=pk)
        self.get_visible_object(request, message.thread_id)
        try:
            formatted = format_message(message, load_images="images" in request.GET)
        except InvalidInput as error:
            raise Http404(str(error)) from error
        headers = {
            "Content-Security-Policy": formatted.policy,
            "Referrer-Policy": "no-referrer",
            "X-Frame-Options": "SAMEORIGIN",
        }
        return HttpResponse(formatted.page, headers=headers)

    def file_view(self, request: HttpRequest, pk: UUID, place: int) -> HttpResponse:
        """Serve an attachment as a download; the browser never opens it in place."""
        message = get_object_or_404(Message, pk=pk)
        thread = self.get_visible_object(request, message.thread_id)
        entry = message.attachments[place] if place < len(message.attachments) else None
        if not isinstance(entry, dict) or "stored" not in entry:
            raise Http404("This message has no such file.")
        name = strip_hidden_characters(str(entry.get("name", ""))) or "file"
        return self.download(request, thread, message, lambda: read_attachment(entry), name)

    def original_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Serve the source of a received email as a download."""
        message = get_object_or_404(Message, pk=pk)
        thread = self.get_visible_object(request, message.thread_id)
        return self.download(request, thread, message, lambda: read_source(message), "original.eml")

    def download(
        self, request: HttpRequest, thread: Thread, message: Message, read: Callable[[], bytes], name: str
    ) -> HttpResponse:
        """Return the bytes that `read` returns as a file; if they are missing, say so on the page of `thread`."""
        try:
            data = read()
        except IllegalTransition as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(f"{self.page_url(thread)}#m-{message.pk}")
        headers = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox"}
        return FileResponse(
            BytesIO(data), as_attachment=True, filename=name, content_type="application/octet-stream", headers=headers
        )

    # Forms

    def get_form(self, request: HttpRequest, obj: Thread | None = None, change: bool = False, **kwargs: Any) -> Any:
        return super().get_form(request, obj, change, **{"form": self.form if obj else LogForm, **kwargs})

    def get_fields(self, request: HttpRequest, obj: Thread | None = None) -> tuple[Any, ...]:
        if obj:
            return ("subject", "sentiment", "loaded_digest")
        notes = ("subject", "participants", "summary", "body", "transcript")
        files = ("recording_url", "document", "document_url")
        return ("lead", "client", ("source", "direction"), ("at", "minutes"), *notes, *files, "resolved")

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        kwargs["queryset"] = db_field.remote_field.model.objects.visible_to(request.user)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: Thread, form: forms.ModelForm, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
            return
        fields = {
            name: form.cleaned_data[name] for name in ("source", "direction", "subject", "body", "at", "resolved")
        }
        about = form.cleaned_data["lead"] or form.cleaned_data["client"]
        obj.pk = log_conversation(about, **fields, details=form.details(), by=request.user).pk

    # Record page

    def page_context(self, request: HttpRequest, row: Thread) -> dict[str, Any]:
        params = request.GET
        page = self.messages_page(request, row)
        return {
            **super().page_context(request, row),
            "displayed": [self.displayed(request, row, message) for message in reversed(page.rows)],
            "earlier": page.next,
            "later": page.previous if params.get(AFTER_PARAM) or params.get(BEFORE_PARAM) else None,
            "meeting": booked_meeting(row),
            "sentiment_reason": sentiment_reason_for(row),
            "tickets": self.related_records(request, row, "tickets"),
            "composer": composer_for_thread(request, row),
            "can_link": LinkThread.is_available(row, request.user) and not row.is_deleted,
            "picker_links": self.picker_links(request, row),
        }

    def load_timeline(self, request: HttpRequest, row: Thread, before: Position | None) -> TimelinePage:
        return load_target_timeline(request.user, row, before)

    def messages_page(self, request: HttpRequest, row: Thread) -> Page:
        try:
            return load_message_page(row, after=request.GET.get(AFTER_PARAM), before=request.GET.get(BEFORE_PARAM))
        except InvalidInput as error:
            messages.error(request, f"{error} Showing the newest messages.")
            return load_message_page(row)

    def displayed(self, request: HttpRequest, row: Thread, message: Message) -> DisplayedMessage:
        """Prepare `message` for display, in full or as HTML if the URL asks for it."""
        html = None
        if message.has_html and request.GET.get("html") == str(message.pk):
            try:
                html = format_message(message, load_images=request.GET.get("images") == str(message.pk))
            except InvalidInput as error:
                messages.error(request, str(error))
        return display_message(
            message, thread_subject=row.subject, whole=request.GET.get("whole") == str(message.pk), html=html
        )

    def related_records(self, request: HttpRequest, row: Thread, name: str) -> list[Any] | None:
        """Return the newest records of another app linked to `row`; None if the user may not see such records."""
        related = getattr(row, name)
        if not request.user.has_perm(f"{related.model._meta.app_label}.view_{related.model._meta.model_name}"):
            return None
        return list(related.visible_to(request.user).order_by("-id")[:MAX_RELATED_RECORDS])

    def success_url(self, request: HttpRequest, row: Thread, verb: str) -> str:
        """Return to the list if the user can no longer see the thread, such as after assigning it to a colleague."""
        seen = Thread.everything.visible_to(request.user).filter(pk=row.pk).exists()
        return super().success_url(request, row, verb) if seen else self.list_url()
