"""The screens of mailboxes and of the mail that could not be taken in."""

from typing import Any

import django_filters
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse

from crm.deeds import DeedForm
from crm.filters import LiveFilter, PointsTo
from crm.lists import Column, Tab
from crm.models import User
from crm.paging import Order
from crm.screens import RecordAdmin
from inbox.models import Mailbox, SetAside
from inbox.receiving import take_in_again

SHOWN, SHOWN_BYTES = 20, 4_000


class MailboxFilter(LiveFilter):
    q = django_filters.CharFilter(field_name="address", lookup_expr="icontains", label="Search", max_length=254)

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
    columns = (Column("Mailbox"), Column("Mail from"), Column("Owner"), Column("Set aside", css="num"))
    orders = {"newest": Order("Newest first", {"id": models.F("id")})}
    tabs = (
        Tab("All"),
        Tab("Deleted", {"deleted": "true"}, lambda rows, user: rows.deleted(), "inbox.restore_mailbox"),
    )
    fields = ("address", "owner", "seen")
    autocomplete_fields = ("owner",)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet:
        aside = SetAside.objects.filter(mailbox=models.OuterRef("pk")).order_by().values("mailbox")
        count = models.Subquery(aside.annotate(count=models.Count("pk")).values("count"))
        return super().get_queryset(request).annotate(aside=models.functions.Coalesce(count, 0))

    def page_context(self, request: HttpRequest, row: Mailbox) -> dict[str, Any]:
        kept = []
        if request.user.has_perm("inbox.view_setaside"):
            kept = SetAside.objects.filter(mailbox=row).defer("raw").order_by("-created_at", "-id")[:SHOWN]
        return {**super().page_context(request, row), "kept": kept}


class SetAsideFilter(LiveFilter):
    q = django_filters.CharFilter(field_name="origin", lookup_expr="icontains", label="Search", max_length=200)
    mailbox = PointsTo(Mailbox)

    class Meta:
        model = SetAside
        fields: list[str] = []


class TakeInAgain(DeedForm):
    """Trying once more, after the program has learnt to read it."""

    verb, label, permission, icon, primary = "again", "Try again", "inbox.change_setaside", "refresh", True

    def perform(self, record: SetAside, by: User) -> str:
        return f"Taken in: “{take_in_again(record, by=by)}”."


class SetAsideAdmin(RecordAdmin):
    filterset_class = SetAsideFilter
    search_label = "Search where it came from"
    row_template = "inbox/aside_row.html"
    page_template = "inbox/aside_page.html"
    list_select_related = ("mailbox",)
    list_defer = ("raw",)
    page_select_related = ("mailbox",)
    columns = (Column("Mail"), Column("Mailbox"), Column("Why"), Column("Size", css="num"), Column("Set aside"))
    orders = {"newest": Order("Newest first", {"id": models.F("id")})}
    tabs = (
        Tab("To look at"),
        Tab("Done", {"deleted": "true"}, lambda rows, user: rows.deleted(), "inbox.restore_setaside"),
    )
    deeds = (TakeInAgain,)
    bulk = (TakeInAgain,)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Read, and never written by hand."""
        if object_id and request.method in {"GET", "HEAD"}:
            return self.page_view(request, object_id)
        raise Http404

    def page_context(self, request: HttpRequest, row: SetAside) -> dict[str, Any]:
        context = super().page_context(request, row)
        shown = bytes(row.raw)[:SHOWN_BYTES].decode("utf-8", "replace").replace("\x00", "�")
        return {**context, "shown": shown, "more": max(row.size - SHOWN_BYTES, 0), "can_edit": False}
