"""The screens for mailboxes and for emails that were set aside."""

from datetime import datetime
from typing import Any

import django_filters
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.dateparse import parse_datetime
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters

from crm.models import User
from crm.screens.action_forms import ActionForm
from crm.screens.filters import LiveRowsFilter, RelatedRecordFilter
from crm.screens.lists import Column, Tab
from crm.screens.paging import Order
from crm.screens.record_admin import RecordAdmin
from inbox.filters import unlinked
from inbox.imap import transitions
from inbox.imap.folder_state import FolderState, folder_state
from inbox.imap.folders import folders_to_read, get_sent_folder
from inbox.incoming.transitions import retry_set_aside
from inbox.mailboxes.action_forms import CheckGaps, Disconnect, FetchNow, TestConnection
from inbox.mailboxes.forms import MailboxForm
from inbox.models import Mailbox, MailboxStatus, Provider, SetAside, Thread, ThreadStatus

MAX_SET_ASIDE_SHOWN, MAX_RAW_BYTES_SHOWN = 20, 4_000
MAX_UNLINKED_COUNTED = 1_000


class MailboxFilter(LiveRowsFilter):
    q = django_filters.CharFilter(field_name="address", lookup_expr="icontains", label="Search", max_length=254)
    provider = django_filters.ChoiceFilter(label="Provider", choices=Provider.choices)
    status = django_filters.ChoiceFilter(label="Status", choices=MailboxStatus.choices)

    class Meta:
        model = Mailbox
        fields: list[str] = []


class MailboxAdmin(RecordAdmin):
    filterset_class = MailboxFilter
    search_label = "Search addresses"
    row_template = "inbox/mailbox_row.html"
    page_template = "inbox/mailbox_page.html"
    list_select_related = ("owner",)
    page_select_related = ("owner",)
    columns = (
        Column("Mailbox"),
        Column("Health"),
        Column("Last sync"),
        Column("Owner"),
        Column("Set aside", css_class="num"),
    )
    orders = {"newest": Order("Newest first", {"id": models.F("id")})}
    tabs = (
        Tab("All"),
        Tab("Deleted", {"deleted": "true"}, lambda rows, user: rows.deleted(), "inbox.restore_mailbox"),
    )
    form = MailboxForm
    autocomplete_fields = ("owner",)
    page_actions = (FetchNow, TestConnection, CheckGaps, Disconnect)

    def get_fieldsets(self, request: HttpRequest, obj: Mailbox | None = None) -> Any:
        """Return the fieldsets. The choice of folders appears once the folders of the server are known."""
        folder_fields = ("folders",) if obj and (obj.folders or obj.sync_state.get("names")) else ()
        return (
            (None, {"fields": ("address", "owner", "provider", "loaded_digest")}),
            (
                "Server",
                {
                    "fields": (("host", "port"), "security", ("username", "password")),
                    "description": "Users who can change mailboxes decide which servers this program connects to.",
                },
            ),
            ("Sync", {"fields": ("fetch_since", "sent_folder", *folder_fields)}),
        )

    @method_decorator(sensitive_post_parameters("password"))
    def changeform_view(self, *args: Any, **kwargs: Any) -> HttpResponse:
        return super().changeform_view(*args, **kwargs)

    def save_model(self, request: HttpRequest, obj: Mailbox, form: MailboxForm, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if password := form.cleaned_data.get("password"):
            transitions.enter_password(obj, password, by=request.user)
        if change:
            transitions.apply_mailbox_changes(obj, form.changed_data)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet:
        aside = SetAside.objects.filter(mailbox=models.OuterRef("pk")).order_by().values("mailbox")
        count = models.Subquery(aside.annotate(count=models.Count("pk")).values("count"))
        return super().get_queryset(request).annotate(aside=models.functions.Coalesce(count, 0))

    def page_context(self, request: HttpRequest, row: Mailbox) -> dict[str, Any]:
        set_aside_rows = []
        if request.user.has_perm("inbox.view_setaside"):
            set_aside_rows = (
                SetAside.objects.filter(mailbox=row).defer("raw").order_by("-created_at", "-id")[:MAX_SET_ASIDE_SHOWN]
            )
        return {
            **super().page_context(request, row),
            "set_aside_rows": set_aside_rows,
            "folders": load_folder_states(row),
            "sent_folder_name": get_sent_folder(row),
            "unlinked_count": unlinked_count(request, row),
        }


def load_folder_states(mailbox: Mailbox) -> list[tuple[str, FolderState, datetime | None]]:
    """Return name, sync state and last gap check of each folder, those still synced first."""
    synced_folders = mailbox.sync_state.get("folders", {})
    names = dict.fromkeys(
        [*(name for name in folders_to_read(mailbox) if name in synced_folders), *sorted(synced_folders)]
    )
    states = [(name, folder_state(mailbox, name)) for name in names]
    return [(name, state, parse_datetime(state.gaps.get("at") or "")) for name, state in states]


def unlinked_count(request: HttpRequest, mailbox: Mailbox) -> int | None:
    """Count the open unlinked threads of `mailbox`, up to one more than `MAX_UNLINKED_COUNTED`."""
    if not request.user.has_perm("inbox.view_thread"):
        return None
    rows = Thread.objects.visible_to(request.user).filter(mailbox=mailbox, status=ThreadStatus.OPEN)
    return unlinked(rows)[: MAX_UNLINKED_COUNTED + 1].count()


class SetAsideFilter(LiveRowsFilter):
    q = django_filters.CharFilter(field_name="origin", lookup_expr="icontains", label="Search", max_length=200)
    mailbox = RelatedRecordFilter(Mailbox)

    class Meta:
        model = SetAside
        fields: list[str] = []


class RetryImport(ActionForm):
    """Try again to import an email that was set aside."""

    verb, label, permission, icon, primary = "again", "Try again", "inbox.change_setaside", "refresh", True

    def perform(self, record: SetAside, by: User) -> str:
        return f"Imported: “{retry_set_aside(record, by=by)}”."


class SetAsideAdmin(RecordAdmin):
    filterset_class = SetAsideFilter
    search_label = "Search by source"
    row_template = "inbox/set_aside_row.html"
    page_template = "inbox/set_aside_page.html"
    list_select_related = ("mailbox",)
    list_defer = ("raw",)
    page_select_related = ("mailbox",)
    columns = (
        Column("Email"),
        Column("Mailbox"),
        Column("Reason"),
        Column("Size", css_class="num"),
        Column("Set aside"),
    )
    orders = {"newest": Order("Newest first", {"id": models.F("id")})}
    tabs = (
        Tab("To review"),
        Tab("Done", {"deleted": "true"}, lambda rows, user: rows.deleted(), "inbox.restore_setaside"),
    )
    page_actions = (RetryImport,)
    bulk_actions = (RetryImport,)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show the record page. An email that was set aside is read-only."""
        if object_id and request.method in {"GET", "HEAD"}:
            return self.page_view(request, object_id)
        raise Http404

    def page_context(self, request: HttpRequest, row: SetAside) -> dict[str, Any]:
        context = super().page_context(request, row)
        raw_excerpt = bytes(row.raw)[:MAX_RAW_BYTES_SHOWN].decode("utf-8", "replace").replace("\x00", "�")
        return {
            **context,
            "raw_excerpt": raw_excerpt,
            "omitted_bytes": max(row.size - MAX_RAW_BYTES_SHOWN, 0),
            "can_edit": False,
        }
