"""The screens of leads, stages, lines and tasks."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.options import InlineModelAdmin
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe
from unfold.admin import ModelAdmin

from crm.models import User
from crm.records.consent import closed_channel_labels
from crm.screens.charts import ListChart
from crm.screens.duplicates.warning import DuplicateWarningMixin
from crm.screens.json_forms.display import ValueNode, describe_value
from crm.screens.json_forms.schema import Schema
from crm.screens.lists import Column, KeysetChangeList, Tab, optional_column
from crm.screens.merging import MergeViewsMixin
from crm.screens.paging import Order
from crm.screens.pickers import LinkInline
from crm.screens.privacy.views import PrivacyViewsMixin
from crm.screens.record_admin import RecordAdmin
from crm.screens.record_page.deletion import CountedDeletionMixin
from crm.screens.record_page.field_edit import FieldEditMixin
from crm.screens.search.commands import Command
from crm.screens.tags import TAGS_LINK
from leads.action_forms import (
    AddLeadNote,
    AddLeadTag,
    AddLeadTask,
    AssignLead,
    AssignLeadToMe,
    ChangeLeadStage,
    DeleteLead,
    RemoveLeadTag,
    SetLeadField,
    SetTierOverride,
)
from leads.conversion.forms import UndoConversion
from leads.conversion.screen import conversion_page
from leads.conversion.transitions import pass_on_refusals
from leads.exporting.columns import LEAD_EXPORT
from leads.filters import NO_TIER, LeadFilter
from leads.forms import (
    SHOW_LINE,
    LeadForm,
    UncheckedLeadForm,
    chosen_line,
    lead_schemas,
)
from leads.importing.screens.views import VIEW_PERMISSION as VIEW_IMPORTS_PERMISSION
from leads.importing.screens.views import can_import
from leads.lines.screen import InsuranceTypeAdmin
from leads.models import (
    ContactLead,
    InsuranceType,
    Lead,
    LeadStatus,
    Policy,
    PredictionModel,
    ScoringPolicy,
    Task,
    Tier,
)
from leads.models.insurance_type import COLUMN_BY_LINE
from leads.models.lead_queryset import LAST_CONTACT_SORT_KEY, PRIORITY_SORT_KEYS, VALUE_SORT_KEY
from leads.models.task import DUE_SORT_KEY
from leads.policies.screen import PolicyAdmin
from leads.prediction.screen import PredictionModelAdmin, probability_explanation
from leads.scoring.explanation import score_explanation
from leads.scoring.screen import ScoringPolicyAdmin
from leads.screens.board import BoardList, board_context, more_cards, move_card
from leads.screens.line_data import line_sections
from leads.screens.tasks import TaskAdmin
from leads.transitions import create_lead, refresh_field_signals

ID_SORT_KEY = {"id": models.F("id")}
MAX_TASKS_ON_PAGE = 20
LINE_COLUMNS = frozenset({*COLUMN_BY_LINE.values(), "line_data"})


admin.site.register(InsuranceType, InsuranceTypeAdmin)
admin.site.register(Policy, PolicyAdmin)
admin.site.register(ScoringPolicy, ScoringPolicyAdmin)
admin.site.register(PredictionModel, PredictionModelAdmin)
admin.site.register(Task, TaskAdmin)


def tier_tab(tier: str, label: str) -> Tab:
    tier_value = None if tier == NO_TIER else tier
    return Tab(label, {"tier": tier}, lambda leads, user: leads.live().open().of_tier(tier_value))


class StakeholderInline(LinkInline):
    model = ContactLead


@admin.register(Lead)
class LeadAdmin(FieldEditMixin, PrivacyViewsMixin, DuplicateWarningMixin, MergeViewsMixin, RecordAdmin):
    form = LeadForm
    list_views = (("leads_lead_board", "view_kanban", "Board"),)
    menu_links = (TAGS_LINK,)
    is_importable = True
    filterset_class = LeadFilter
    search_label = "Search by name, email, company, phone or VIN"
    found_name = "contact_name"
    add_icon = "person_add"
    list_chart = ListChart(
        {
            "stage": "status_id",
            "tier": "priority_tier",
            "line": "insurance_type__code",
            "owner": "assigned_to_id",
            "source": "source_type",
        },
        amounts={"Value": "estimated_value"},
        has_tags=True,
    )
    list_export = LEAD_EXPORT
    row_template = "leads/row.html"
    page_template = "leads/page.html"
    list_select_related = ("status", "insurance_type", "assigned_to")
    list_defer = (
        "notes",
        "signals",
        "auto_data",
        "home_data",
        "line_data",
        "additional_insureds",
        "communications",
        "custom_fields",
        "search_text",
        "loss_notes",
        "status__guidance",
        "insurance_type__description",
        "insurance_type__form_schema",
    )
    columns = (
        Column("Lead", exports=("Name", "Company")),
        Column("Tier", "priority", exports=("Current tier",)),
        Column("Score", exports=("Current score",)),
        Column("Stage", exports=("Stage",)),
        Column("Line", exports=("Insurance type",)),
        Column("Owner", exports=("Assigned to",)),
        Column("Weighted value", "value", "num", exports=("Estimated value", "Win probability")),
        Column("Last contact", "heard", "num", exports=("Last contact",)),
        optional_column("Email", "Email"),
        optional_column("Phone", "Phone"),
        optional_column("Source", "Source type"),
        optional_column("Expected close", "Expected close date"),
        optional_column("Created", "Created at", order="newest"),
        optional_column("Closed", "Closed at"),
        optional_column("Tags", "Tags"),
    )
    orders = {
        "priority": Order("Hottest first", {**PRIORITY_SORT_KEYS, **ID_SORT_KEY}),
        "newest": Order("Newest first", ID_SORT_KEY),
        "heard": Order("Latest contact first", {"heard": LAST_CONTACT_SORT_KEY, **ID_SORT_KEY}),
        "quiet": Order("Longest silence first", {"heard": LAST_CONTACT_SORT_KEY, **ID_SORT_KEY}, descending=False),
        "value": Order("Highest value first", {"value": VALUE_SORT_KEY, **ID_SORT_KEY}),
    }
    tabs = (
        Tab("Open", {}, lambda leads, user: leads.live().open()),
        *(tier_tab(tier.value, tier.label) for tier in Tier),
        tier_tab(NO_TIER, "Not scored"),
        Tab("Closed", {"state": "closed"}, lambda leads, user: leads.live().closed()),
        Tab("Deleted", {"deleted": "true"}, lambda leads, user: leads.deleted(), "leads.restore_lead"),
    )
    page_actions = (
        ChangeLeadStage,
        AssignLeadToMe,
        AssignLead,
        SetTierOverride,
        AddLeadNote,
        AddLeadTask,
        AddLeadTag,
        UndoConversion,
    )
    bulk_actions = (
        ChangeLeadStage,
        AssignLeadToMe,
        AssignLead,
        SetTierOverride,
        SetLeadField,
        AddLeadTag,
        RemoveLeadTag,
        DeleteLead,
    )
    inlines = (StakeholderInline,)
    autocomplete_fields = ()
    fieldsets = (
        (
            "Contact",
            {
                "fields": (
                    ("contact_name", "client_type"),
                    ("contact_email", "contact_phone"),
                    ("company_name", "company_website"),
                    ("source_type", "source_detail"),
                    "notes",
                    "tags",
                    "loaded_digest",
                )
            },
        ),
        ("Opportunity", {"fields": (("insurance_type", "estimated_value"), ("expected_close_date",))}),
        (
            "Line data",
            {"classes": ("tab",), "fields": ("auto_data", "home_data", "line_data", "additional_insureds")},
        ),
        ("Contact preferences", {"classes": ("tab",), "fields": ("communications",)}),
        ("Custom fields", {"classes": ("tab",), "fields": ("custom_fields",)}),
    )

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        return [
            path("board/", wrap(require_safe(self.board)), name="leads_lead_board"),
            path("board/cards/", wrap(require_safe(self.board_cards)), name="leads_lead_board_cards"),
            path("board/move/", wrap(require_POST(self.board_move)), name="leads_lead_board_move"),
            path("<uuid:pk>/convert/", wrap(self.convert), name="leads_lead_convert"),
            *super().get_urls(),
        ]

    def board(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        board_list = self.get_changelist_instance(request)
        context = {**self.admin_site.each_context(request), **board_context(request, board_list), "opts": self.opts}
        return TemplateResponse(request, "leads/board.html", context)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[KeysetChangeList]:
        is_board = request.path == reverse("admin:leads_lead_board")
        return BoardList if is_board else super().get_changelist(request, **kwargs)

    def board_cards(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return more_cards(request)

    def board_move(self, request: HttpRequest) -> HttpResponse:
        if not self.has_change_permission(request):
            raise PermissionDenied
        return move_card(request, request.user)

    def convert(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        row = self.get_visible_object(request, pk)
        if not self.has_change_permission(request, row):
            raise PermissionDenied
        return conversion_page(request, self.admin_site.each_context(request), row)

    def found_details(self, row: Lead, reader: User) -> Iterable[Any]:
        return row.contact_email, row.contact_phone, row.status.label

    def get_commands(self, request: HttpRequest) -> list[Command]:
        commands = super().get_commands(request)
        if self.has_view_permission(request):
            commands.append(Command("Go to the board", "view_kanban", reverse("admin:leads_lead_board"), "leads open"))
        if request.user.has_perm(VIEW_IMPORTS_PERMISSION) and can_import(request.user):
            imports_url = reverse("admin:leads_importbatch_changelist")
            commands.append(Command("Import a file", "upload", imports_url, "csv excel upload"))
        return commands

    def create_record(self, request: HttpRequest, row: Lead) -> None:
        row.assigned_to = row.assigned_to or request.user
        create_lead(row, by=request.user)

    def after_edit(self, request: HttpRequest, row: Lead, changed: list[str]) -> None:
        refresh_field_signals(row, by=request.user)
        if "communications" in changed:
            pass_on_refusals(row, by=request.user)

    def get_fieldsets(self, request: HttpRequest, obj: Lead | None = None) -> Any:
        """Keep only the line fields that the lead, or the line chosen in the form, needs."""
        chosen = chosen_line(request.POST, request.GET, InsuranceType.objects.only("code"))
        visible_columns = line_columns_for(obj) if obj else set()
        visible_columns |= {COLUMN_BY_LINE.get(chosen.code, "line_data")} if chosen else set()
        return [
            (
                title,
                {
                    **options,
                    "fields": [
                        name for name in options["fields"] if name not in LINE_COLUMNS or name in visible_columns
                    ],
                },
            )
            for title, options in super().get_fieldsets(request, obj)
        ]

    def get_form(self, request: HttpRequest, obj: Lead | None = None, change: bool = False, **kwargs: Any) -> Any:
        if SHOW_LINE in request.POST:
            kwargs["form"] = UncheckedLeadForm
        return super().get_form(request, obj, change=change, **kwargs)

    def get_inlines(self, request: HttpRequest, obj: Lead | None) -> tuple[type[InlineModelAdmin], ...]:
        return self.inlines if obj else ()

    def json_schemas(self, row: Lead) -> dict[str, Schema]:
        return {**super().json_schemas(row), **lead_schemas()}

    def detail_sections(self, row: Lead) -> list[tuple[str, ValueNode, str]]:
        """Return the title, the content and the column of each card with data of a line or of the lead."""
        schemas = lead_schemas()
        preferences = describe_value(row.communications, schemas["communications"])
        return [
            *((section.title, section.node, section.column) for section in line_sections(row, schemas)),
            ("Contact preferences", preferences, "communications"),
        ]

    def page_context(self, request: HttpRequest, row: Lead) -> dict[str, Any]:
        stakeholders = row.contact_links.filter(contact__deleted_at=None)
        tasks = list(row.tasks.visible_to(request.user).unfinished().order_by(DUE_SORT_KEY, "id")[:MAX_TASKS_ON_PAGE])
        context = super().page_context(request, row)
        return {
            **context,
            "score_explanation": score_explanation(row, ScoringPolicy.objects.active()),
            "probability_explanation": probability_explanation(row),
            "stale_days": stale_days(row),
            "stakeholders": stakeholders.select_related("contact").order_by("-is_primary", "id"),
            "closed_channels": closed_channel_labels(row.communications),
            "tasks": tasks,
            "next_task": tasks[0] if tasks else None,
            "stage_history": row.stage_history.select_related("from_status", "to_status", "by").order_by("-at", "-id")[
                :20
            ],
            "detail_sections": [
                *self.detail_sections(row),
                ("Custom fields", context["custom_fields"], "custom_fields"),
            ],
        }


def line_columns_for(lead: Lead) -> set[str]:
    """Return the line columns that the form of `lead` shows: those of its line, and those with data."""
    code = lead.insurance_type.code if lead.insurance_type else ""
    visible_columns = {column for column in LINE_COLUMNS if getattr(lead, column)}
    return visible_columns | ({COLUMN_BY_LINE.get(code, "line_data")} if code else set())


def stale_days(lead: Lead) -> int | None:
    """Return the days without contact if they exceed the limit of the stage, else None."""
    limit = lead.status.stale_after_days
    days = (timezone.now() - (lead.last_contact_at or lead.created_at)).days
    return days if lead.is_open and limit is not None and days > limit else None


@admin.register(LeadStatus)
class LeadStatusAdmin(CountedDeletionMixin, ModelAdmin):
    list_display = ("label", "code", "category", "position", "colour", "stale_after_days")
    ordering = ("position",)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> LeadStatus | None:
        """Return the stage; a key of text may hold a null character, which PostgreSQL refuses."""
        return None if "\x00" in object_id else super().get_object(request, object_id, from_field)

    def get_readonly_fields(self, request: HttpRequest, obj: LeadStatus | None = None) -> tuple[str, ...]:
        return ("code",) if obj else ()
