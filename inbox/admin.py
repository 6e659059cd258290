"""The screens of conversations."""

from io import BytesIO
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.db import models
from django.db.models.functions import Coalesce
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import path

from crm.exceptions import BadInput, IllegalMove
from crm.models import ActivityLog
from crm.screens.lists import AFTER, BEFORE, Column, Tab
from crm.screens.paging import Order, Page, capped_count
from crm.screens.record_admin import TIMELINE_LENGTH, RecordAdmin
from crm.text.addresses import visible
from crm.text.safe_html import formatted
from inbox.action_forms import (
    ArchiveThread,
    AssignThread,
    JoinThread,
    LinkThread,
    MarkRead,
    NoteThread,
    ReopenThread,
    ResolveThread,
    SplitThread,
    TakeThread,
    UnlinkThread,
)
from inbox.attachments import contents
from inbox.drafts.composer import composer_in
from inbox.drafts.screen import DraftAdmin
from inbox.filters import ThreadFilter, not_sent, unlinked
from inbox.forms import LogForm, ThreadForm
from inbox.lists import ThreadList
from inbox.mailboxes.screen import MailboxAdmin, SetAsideAdmin
from inbox.message_view import Said, feeling_of, meeting_of, pages_of, read
from inbox.models import LAST_SAID, Direction, Draft, Mailbox, Message, SetAside, Thread, ThreadStatus
from inbox.outgoing.outbox import SEND
from inbox.picking_pages import PickingPages
from inbox.transitions import log_conversation

BESIDE = 10
UNREAD = (
    Message.objects.filter(thread=models.OuterRef("pk"), direction=Direction.IN, is_read=False)
    .order_by()
    .values("thread")
)
# FAILED comes before UNCERTAIN.
UNSENT = Message.objects.not_sent().filter(thread=models.OuterRef("pk")).order_by("state").values("state")[:1]


admin.site.register(Mailbox, MailboxAdmin)
admin.site.register(SetAside, SetAsideAdmin)
admin.site.register(Draft, DraftAdmin)


@admin.register(Thread)
class ThreadAdmin(PickingPages, RecordAdmin):
    form = ThreadForm
    filterset_class = ThreadFilter
    search_label = "Search subjects, people and text"
    row_template = "inbox/row.html"
    page_template = "inbox/page.html"
    change_list_template = "inbox/list.html"
    list_select_related = ("lead", "client", "assigned_to")
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
        Column("Messages", css="num"),
        Column("Last message", "newest", "num"),
    )
    orders = {
        "waiting": Order("Longest wait first", {"said": LAST_SAID, "id": models.F("id")}, descending=False),
        "newest": Order("Newest first", {"said": LAST_SAID, "id": models.F("id")}),
    }
    tabs = (
        Tab("We owe", {}, lambda rows, user: rows.live().we_owe()),
        Tab("They owe", {"turn": "theirs"}, lambda rows, user: rows.live().they_owe()),
        Tab(
            "Mine",
            {"assigned": "me"},
            lambda rows, user: rows.live().filter(status=ThreadStatus.OPEN, assigned_to=user),
        ),
        Tab(
            "Unmatched",
            {"linked": "no"},
            lambda rows, user: unlinked(rows.live().filter(status=ThreadStatus.OPEN)),
            order="newest",
        ),
        Tab("Not sent", {"sent": "no"}, lambda rows, user: not_sent(rows.live()), order="newest"),
        Tab(
            "All open",
            {"status": ThreadStatus.OPEN},
            lambda rows, user: rows.live().filter(status=ThreadStatus.OPEN),
            order="newest",
        ),
        Tab("Resolved", {"status": ThreadStatus.RESOLVED}, narrow=None, order="newest"),
        Tab("Archived", {"status": ThreadStatus.ARCHIVED}, narrow=None, order="newest"),
        Tab("Deleted", {"deleted": "true"}, lambda rows, user: rows.deleted(), "inbox.restore_thread", order="newest"),
    )
    deeds = (
        ResolveThread,
        ReopenThread,
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
    bulk = (ResolveThread, AssignThread, ArchiveThread, ReopenThread, MarkRead)
    autocomplete_fields = ("lead", "client")

    def get_queryset(self, request: HttpRequest) -> models.QuerySet:
        """With the number of messages that nobody has read yet, and how the worst of what did not go out stands."""
        unread = models.Subquery(UNREAD.annotate(count=models.Count("pk")).values("count"))
        return super().get_queryset(request).annotate(unread=Coalesce(unread, 0), unsent=models.Subquery(UNSENT))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ThreadList]:
        return ThreadList

    def links(self, request: HttpRequest) -> list[tuple[str, str, str]]:
        """To write, and to what was begun."""
        if not request.user.has_perm(SEND):
            return []
        begun = capped_count(Draft.objects.visible_to(request.user))
        write = ("inbox_draft_add", "edit", "Write")
        return [write, ("inbox_draft_changelist", "drafts", f"Drafts {begun}")] if begun else [write]

    def get_urls(self) -> list[Any]:
        show = self.admin_site.admin_view(self.message_view)
        file = self.admin_site.admin_view(self.file_view)
        return [
            path("message/<uuid:pk>/", show, name="inbox_thread_message"),
            path("message/<uuid:pk>/file/<int:place>/", file, name="inbox_thread_file"),
            *super().get_urls(),
        ]

    def message_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """One message where it was said, for whatever knows only its key."""
        message = get_object_or_404(Message, pk=pk)
        thread = self.find(request, message.thread_id)
        return HttpResponseRedirect(f"{self.page_url(thread)}#m-{pk}")

    def file_view(self, request: HttpRequest, pk: UUID, place: int) -> HttpResponse:
        """A file of a message, to be saved and never to be opened in its place."""
        message = get_object_or_404(Message, pk=pk)
        thread = self.find(request, message.thread_id)
        entry = message.attachments[place] if place < len(message.attachments) else None
        if not isinstance(entry, dict) or "stored" not in entry:
            raise Http404("There is no such file here.")
        try:
            data = contents(entry)
        except IllegalMove as refusal:
            messages.error(request, str(refusal))
            return HttpResponseRedirect(f"{self.page_url(thread)}#m-{pk}")
        headers = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox"}
        return FileResponse(
            BytesIO(data),
            as_attachment=True,
            filename=visible(str(entry.get("name", ""))) or "file",
            content_type="application/octet-stream",
            headers=headers,
        )

    # The forms

    def get_form(self, request: HttpRequest, obj: Thread | None = None, change: bool = False, **kwargs: Any) -> Any:
        return super().get_form(request, obj, change, **{"form": self.form if obj else LogForm, **kwargs})

    def get_fields(self, request: HttpRequest, obj: Thread | None = None) -> tuple[Any, ...]:
        if obj:
            return ("subject", "sentiment", "seen")
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
        asked = {name: form.cleaned_data[name] for name in ("source", "direction", "subject", "body", "at", "resolved")}
        about = form.cleaned_data["lead"] or form.cleaned_data["client"]
        obj.pk = log_conversation(about, **asked, kept=form.kept(), by=request.user).pk

    # The page

    def page_context(self, request: HttpRequest, row: Thread) -> dict[str, Any]:
        asked = request.GET
        page = self.messages_page(request, row)
        return {
            **super().page_context(request, row),
            "said": [self.said(request, row, message) for message in reversed(page.rows)],
            "earlier": page.next,
            "later": page.previous if asked.get(AFTER) or asked.get(BEFORE) else None,
            "meeting": meeting_of(row),
            "feeling": feeling_of(row),
            "tickets": self.beside(request, row, "tickets"),
            "timeline": ActivityLog.objects.done_to(row).select_related("actor")[:TIMELINE_LENGTH],
            "composer": composer_in(request, row),
            "may_link": LinkThread.offered(row, request.user) and not row.is_deleted,
            "picking": self.picking(request, row),
        }

    def messages_page(self, request: HttpRequest, row: Thread) -> Page:
        try:
            return pages_of(row, after=request.GET.get(AFTER), before=request.GET.get(BEFORE))
        except BadInput as refusal:
            messages.error(request, f"{refusal} These are the newest.")
            return pages_of(row)

    def said(self, request: HttpRequest, row: Thread, message: Message) -> Said:
        """`message` for reading; whole or with its formatted version where the address asks for that."""
        html = None
        if message.has_html and request.GET.get("html") == str(message.pk):
            try:
                html = formatted(message.body_html, fetch=request.GET.get("images") == str(message.pk))
            except BadInput as refusal:
                messages.error(request, str(refusal))
        return read(message, under=row.subject, whole=request.GET.get("whole") == str(message.pk), html=html)

    def beside(self, request: HttpRequest, row: Thread, name: str) -> list[Any] | None:
        """The newest records of another app that point to `row`; None where the user may not see such records."""
        related = getattr(row, name)
        if not request.user.has_perm(f"{related.model._meta.app_label}.view_{related.model._meta.model_name}"):
            return None
        return list(related.visible_to(request.user).order_by("-id")[:BESIDE])

    def after(self, request: HttpRequest, row: Thread, verb: str) -> str:
        """To the list, once it is a colleague's whose conversations one does not see."""
        seen = Thread.everything.visible_to(request.user).filter(pk=row.pk).exists()
        return super().after(request, row, verb) if seen else self.list_url()
