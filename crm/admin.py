"""Admin screens of clients, contacts, projects, saved views, the activity log and staff."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import Group
from django.db import models
from django.db.models.options import Options
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.urls import path, reverse
from django.views.decorators.http import require_POST
from procrastinate.contrib.django.models import ProcrastinateJob
from unfold.admin import ModelAdmin

from crm.accounts.screens.failed_logins import LoginLimitAdmin
from crm.accounts.screens.staff import RoleAdmin, StaffAdmin
from crm.exceptions import ActionRefused
from crm.filters import ActivityFilter, ClientFilter, ContactFilter, ProjectFilter, SavedViewFilter
from crm.forms import ADDRESS_SCHEMA, COMMUNICATIONS_SCHEMA, ClientForm, ContactForm
from crm.models import (
    ActivityLog,
    Client,
    Contact,
    ContactClient,
    CustomField,
    DuplicatePair,
    FieldStatistic,
    LoginLimit,
    Project,
    SavedView,
    SchemaChange,
    SchemaThresholds,
    User,
)
from crm.records import transitions
from crm.records.base import can_see_everyone
from crm.records.consent import closed_channel_labels
from crm.records.local_time import format_moment
from crm.records.notifications.mentions import explain_untold
from crm.records.timeline import visible_entries
from crm.schema.advice.screen import SchemaThresholdsAdmin
from crm.schema.requests.screen import SchemaChangeAdmin
from crm.schema.screen import CustomFieldAdmin
from crm.schema.usage.screen import FieldStatisticAdmin
from crm.screens.action_forms import ActionForm, ActionPlace
from crm.screens.action_values import safe_next_url
from crm.screens.charts import ListChart
from crm.screens.custom_fields.bulk_edit import set_field_action
from crm.screens.duplicates.pairs import DuplicatePairAdmin
from crm.screens.duplicates.warning import DuplicateWarningMixin
from crm.screens.export import PREFERENCE_COLUMNS, ExportColumn, ListExport
from crm.screens.json_forms.display import describe_value
from crm.screens.json_forms.schema import Schema
from crm.screens.lists import Column, KeysetChangeList, Tab, optional_column
from crm.screens.merging import MergeViewsMixin
from crm.screens.notifications.mention_offer import NoteForm
from crm.screens.paging import CappedPaginator, Order
from crm.screens.pickers import LinkInline
from crm.screens.privacy.views import PrivacyViewsMixin
from crm.screens.record_admin import ReadOnlyMixin, RecordAdmin
from crm.screens.record_page.field_edit import FieldEditMixin
from crm.screens.tags import TAGS_LINK, tag_actions

ORDER_BY_ID = {"id": models.F("id")}
ORDER_BY_NAME = {"name": models.F("name"), **ORDER_BY_ID}
DELETED_TAB = ("Deleted", {"deleted": "true"}, lambda rows, user: rows.deleted())


admin.site.register(DuplicatePair, DuplicatePairAdmin)


class AddRecordNote(NoteForm):
    """Add a note to the timeline."""

    key = "n"

    def perform(self, record: models.Model, by: User) -> str:
        untold = transitions.add_note(record, self.cleaned_data["body"], by=by)
        return "Note added to the timeline." + explain_untold(untold, record)


class AddClientNote(AddRecordNote):
    permission = "crm.change_client"


class AddContactNote(AddRecordNote):
    permission = "crm.change_contact"


class AssignClient(ActionForm):
    """Assign a client to a user, or to no one."""

    verb, label, permission, icon = "assign", "Assign", "crm.reassign_client", "person_add"
    place, value = ActionPlace.VALUE, ("owner", "assigned_to_id")
    owner = forms.ModelChoiceField(User.objects.filter(is_active=True), required=False, empty_label="Unassigned")

    def perform(self, record: Client, by: User) -> str:
        owner = self.cleaned_data["owner"]
        transitions.assign(record, owner, by=by)
        return f"{record} assigned to {owner}." if owner else f"{record} is now unassigned."

    def bulk_summary(self, count: int, opts: Options) -> str:
        noun, owner = opts.verbose_name if count == 1 else opts.verbose_name_plural, self.cleaned_data["owner"]
        return f"{count:,} {noun} {f'assigned to {owner}' if owner else 'unassigned'}."


class ContactInline(LinkInline):
    model = ContactClient


@admin.register(Client)
class ClientAdmin(FieldEditMixin, PrivacyViewsMixin, DuplicateWarningMixin, MergeViewsMixin, RecordAdmin):
    form = ClientForm
    filterset_class = ClientFilter
    menu_links = (TAGS_LINK,)
    search_label = "Search by name, email or phone"
    found_name = "name"
    row_template = "crm/rows/client.html"
    page_template = "crm/client.html"
    list_select_related = ("assigned_to",)
    list_defer = ("notes", "address", "communications", "custom_fields", "search_text")
    columns = (
        Column("Client", "name", exports=("Name",)),
        Column("Type", exports=("Type",)),
        Column("Email", exports=("Email",)),
        Column("Phone", exports=("Phone",)),
        Column("Owner", exports=("Assigned to",)),
        Column("Tags", exports=("Tags",)),
        optional_column("Created", "Created at", order="newest"),
    )
    orders = {"name": Order("By name", ORDER_BY_NAME, descending=False), "newest": Order("Newest first", ORDER_BY_ID)}
    tabs = (Tab("All"), Tab(*DELETED_TAB, "crm.restore_client"))
    page_actions = (AddClientNote, AssignClient)
    is_importable = True
    list_chart = ListChart({"type": "client_type", "owner": "assigned_to_id"}, has_tags=True)
    list_export = ListExport(
        (
            ExportColumn("Name", "name"),
            ExportColumn("Type", "client_type"),
            ExportColumn("Email", "email"),
            ExportColumn("Phone", "phone"),
            *(
                ExportColumn(question["title"], lambda client, key=key: client.address.get(key))
                for key, question in ADDRESS_SCHEMA["properties"].items()
            ),
            ExportColumn("Assigned to", "assigned_to__username"),
            ExportColumn("Created at", "created_at"),
            *PREFERENCE_COLUMNS,
            ExportColumn("Tags", "tags"),
            ExportColumn("Notes", "notes"),
        ),
        prepare=lambda clients, user: clients.select_related("assigned_to").defer("search_text"),
        has_custom_fields=True,
    )
    bulk_actions = (AssignClient, set_field_action(Client), *tag_actions("crm.client"))
    inlines = (ContactInline,)
    fieldsets = (
        (None, {"fields": (("name", "client_type"), ("email", "phone"), "notes", "tags", "loaded_digest")}),
        ("Address", {"classes": ("tab",), "fields": ("address",)}),
        ("Contact preferences", {"classes": ("tab",), "fields": ("communications",)}),
        ("Custom fields", {"classes": ("tab",), "fields": ("custom_fields",)}),
    )

    def json_schemas(self, row: Client) -> dict[str, Schema]:
        schemas = {"address": ADDRESS_SCHEMA, "communications": COMMUNICATIONS_SCHEMA}
        return {**super().json_schemas(row), **schemas}

    def found_details(self, row: Client, reader: User) -> Iterable[Any]:
        return row.email, row.phone

    def create_record(self, request: HttpRequest, row: Client) -> None:
        row.assigned_to = row.assigned_to or request.user
        super().create_record(request, row)

    def page_context(self, request: HttpRequest, row: Client) -> dict[str, Any]:
        links = row.contact_links.filter(contact__deleted_at=None)
        return {
            **super().page_context(request, row),
            "contacts": links.select_related("contact").order_by("-is_primary", "id")[:50],
            "address": describe_value(row.address, ADDRESS_SCHEMA),
            "preferences": describe_value(row.communications, COMMUNICATIONS_SCHEMA),
            "closed_channels": closed_channel_labels(row.communications),
            "projects": row.projects.order_by("-id")[:20],
        }


@admin.register(Contact)
class ContactAdmin(FieldEditMixin, PrivacyViewsMixin, DuplicateWarningMixin, MergeViewsMixin, RecordAdmin):
    form = ContactForm
    filterset_class = ContactFilter
    menu_links = (TAGS_LINK,)
    search_label = "Search by name, email, phone or title"
    found_name = "name"
    max_count = 1_000
    row_template = "crm/rows/contact.html"
    page_template = "crm/contact.html"
    list_defer = ("custom_fields", "search_text")
    columns = (
        Column("Contact", "name", exports=("Name",)),
        Column("Title", exports=("Title",)),
        Column("Email", exports=("Email",)),
        Column("Phone", exports=("Phone",)),
        Column("Tags", exports=("Tags",)),
        optional_column("Created", "Created at", order="newest"),
    )
    orders = {"name": Order("By name", ORDER_BY_NAME, descending=False), "newest": Order("Newest first", ORDER_BY_ID)}
    tabs = (Tab("All"), Tab(*DELETED_TAB, "crm.restore_contact"))
    page_actions = (AddContactNote,)
    bulk_actions = (set_field_action(Contact), *tag_actions("crm.contact"))
    is_importable = True
    list_chart = ListChart({}, has_tags=True)
    list_export = ListExport(
        (
            ExportColumn("Name", "name"),
            ExportColumn("Title", "title"),
            ExportColumn("Email", "email"),
            ExportColumn("Phone", "phone"),
            ExportColumn("Created at", "created_at"),
            ExportColumn("Tags", "tags"),
        ),
        prepare=lambda contacts, user: contacts.defer("search_text"),
        has_custom_fields=True,
    )
    fieldsets = (
        (None, {"fields": (("name", "title"), ("email", "phone"), "tags", "loaded_digest")}),
        ("Custom fields", {"classes": ("tab",), "fields": ("custom_fields",)}),
    )

    def found_details(self, row: Contact, reader: User) -> Iterable[Any]:
        return row.title, row.email, row.phone

    def page_context(self, request: HttpRequest, row: Contact) -> dict[str, Any]:
        links = row.client_links.filter(client__in=Client.objects.visible_to(request.user)).select_related("client")
        return {**super().page_context(request, row), "links": links[:50]}


@admin.register(Project)
class ProjectAdmin(RecordAdmin):
    filterset_class = ProjectFilter
    search_label = "Search projects"
    row_template = "crm/rows/project.html"
    page_template = "crm/project.html"
    list_select_related = ("client",)
    columns = (Column("Project"), Column("Client"), Column("Status"), Column("Started", "newest"))
    orders = {"newest": Order("Newest first", ORDER_BY_ID)}
    tabs = (Tab("All"), Tab(*DELETED_TAB, "crm.restore_project"))
    autocomplete_fields = ("client",)
    fields = ("client", ("name", "status"), "loaded_digest")


def render_json(value: Any) -> str | None:
    """Return JSON for a field that is only read, without the theme's colours, which are styles in attributes."""
    return render_to_string("crm/json_value.html", {"node": describe_value(value)}) if value else None


class ActivityChangeList(KeysetChangeList):
    """Leaves out what an entry says if it names a record that the reader may not open."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        visible = {row.pk for row in visible_entries(request.user, request.user, self.page.rows)}
        for row in self.page.rows:
            row.is_hidden = row.pk not in visible and not can_see_everyone(request.user)


@admin.register(ActivityLog)
class ActivityLogAdmin(ReadOnlyMixin, RecordAdmin):
    """The activity log, newest first; read-only."""

    form = forms.ModelForm
    filterset_class = ActivityFilter
    search_label = "Search"
    row_template = "crm/rows/activity.html"
    list_select_related = ("actor",)
    columns = (Column("When"), Column("Who"), Column("What"), Column("Where"))
    orders = {"newest": Order("Newest first", ORDER_BY_ID)}
    tabs = (Tab("All", {}, lambda rows, user: rows),)
    exclude = ("metadata",)
    readonly_fields = ("details",)

    @admin.display(description="Details")
    def details(self, line: ActivityLog) -> str | None:
        return render_json(line.metadata)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet:
        return ActivityLog.objects.visible_to(request.user)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> ActivityLog | None:
        entry = super().get_object(request, object_id, from_field)
        return entry if entry and visible_entries(request.user, request.user, [entry]) else None

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[KeysetChangeList]:
        return ActivityChangeList


@admin.register(SavedView)
class SavedViewAdmin(RecordAdmin):
    """Saved views; a list saves and deletes its own."""

    filterset_class = SavedViewFilter
    search_label = "Search views"
    row_template = "crm/rows/saved_view.html"
    columns = (Column("View"), Column("List"), Column("Owner"), Column("Shared"))
    list_select_related = ("owner",)
    orders = {"newest": Order("Newest first", ORDER_BY_ID)}
    fields = ("name", "shared", "loaded_digest")

    def get_readonly_fields(self, request: HttpRequest, obj: SavedView | None = None) -> tuple[str, ...]:
        return () if request.user.has_perm("crm.share_savedview") else ("shared",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: SavedView | None = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or obj.owner_id == request.user.pk)

    def has_delete_permission(self, request: HttpRequest, obj: SavedView | None = None) -> bool:
        return super().has_delete_permission(request, obj) and (obj is None or obj.owner_id == request.user.pk)

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        return [
            path("keep/", wrap(require_POST(self.save_current_view)), name="crm_savedview_keep"),
            path("<uuid:pk>/forget/", wrap(require_POST(self.delete_saved_view)), name="crm_savedview_forget"),
            *super().get_urls(),
        ]

    def save_current_view(self, request: HttpRequest) -> HttpResponse:
        post_data = request.POST
        try:
            view = transitions.save_view(
                name=post_data.get("name", ""),
                table=post_data.get("table", ""),
                query=post_data.get("query", ""),
                shared="shared" in post_data,
                by=request.user,
            )
            messages.success(request, f"View “{view}” saved.")
        except ActionRefused as error:
            messages.error(request, str(error))
        return HttpResponseRedirect(safe_next_url(post_data.get("next"), reverse("admin:index")))

    def delete_saved_view(self, request: HttpRequest, pk: Any) -> HttpResponse:
        view = get_object_or_404(SavedView.objects.filter(owner=request.user), pk=pk)
        try:
            transitions.delete_saved_view(view, by=request.user)
            messages.success(request, f"View “{view}” deleted.")
        except ActionRefused as error:
            messages.error(request, str(error))
        return HttpResponseRedirect(safe_next_url(request.POST.get("next"), reverse("admin:index")))


admin.site.register(User, StaffAdmin)
admin.site.register(CustomField, CustomFieldAdmin)
admin.site.register(LoginLimit, LoginLimitAdmin)
admin.site.register(FieldStatistic, FieldStatisticAdmin)
admin.site.register(SchemaThresholds, SchemaThresholdsAdmin)
admin.site.register(SchemaChange, SchemaChangeAdmin)
admin.site.unregister(Group)
admin.site.register(Group, RoleAdmin)
admin.site.unregister(ProcrastinateJob)


@admin.register(ProcrastinateJob)
class JobAdmin(ReadOnlyMixin, ModelAdmin):
    """The jobs of the workers, past and queued; read-only."""

    list_display = ("id", "task_name", "status", "queue_name", "attempts", "scheduled_for")
    list_filter = ("status", "task_name")
    ordering = ("-id",)
    paginator = CappedPaginator
    show_full_result_count = False
    list_per_page = 50
    exclude = ("args",)
    readonly_fields = ("arguments",)

    @admin.display(description="Arguments")
    def arguments(self, job: ProcrastinateJob) -> str | None:
        return render_json(job.args)

    @admin.display(description="Scheduled at", ordering="scheduled_at")
    def scheduled_for(self, job: ProcrastinateJob) -> str | None:
        return format_moment(job.scheduled_at) if job.scheduled_at else None
