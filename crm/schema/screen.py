"""The screens of custom fields: the definitions, and the keys that have none."""

from functools import partial
from typing import Any

import django_filters
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.text import capfirst
from django.views.decorators.http import require_safe

from crm.models import CustomField, CustomFieldKind, CustomFieldTable, User
from crm.models.schema_change import with_promotion
from crm.records.custom_fields.rights import role_names
from crm.records.custom_fields.schemas import value_schema
from crm.schema.forms import CHOICE_TABLE_SCHEMA, CustomFieldForm
from crm.schema.kind_changes.screen import UndoKindChange, change_kind_view, kind_changes_context
from crm.schema.transitions import RETIRE_PERMISSION, bring_field_back, retire_field
from crm.schema.undefined_keys import SAMPLED_ROW_COUNT, find_undefined_keys
from crm.screens.action_forms import ActionForm
from crm.screens.filters import LiveRowsFilter
from crm.screens.json_forms.display import describe_value
from crm.screens.json_forms.schema import Schema
from crm.screens.lists import Column, Tab
from crm.screens.paging import Order
from crm.screens.record_admin import RecordAdmin

FIXED_FIELDS = ("table", "key", "kind")


class CustomFieldFilter(LiveRowsFilter):
    q = django_filters.CharFilter(field_name="label", lookup_expr="icontains", label="Search", max_length=80)
    table = django_filters.ChoiceFilter(choices=CustomFieldTable.choices, label="Table")
    kind = django_filters.ChoiceFilter(choices=CustomFieldKind.choices, label="Kind")

    class Meta:
        model = CustomField
        fields: list[str] = []


class RetireField(ActionForm):
    """Retire a custom field; its values stay."""

    verb, label, permission, icon = "retire", "Retire", RETIRE_PERMISSION, "visibility_off"
    past_tense = "retired"

    @classmethod
    def is_applicable(cls, record: CustomField) -> bool:
        return record.is_active and not record.is_deleted

    def perform(self, record: CustomField, by: User) -> str:
        retire_field(record, by=by)
        return f"“{record}” is retired. Its values are kept."


class BringFieldBack(ActionForm):
    """Bring a retired custom field back."""

    verb, label, permission, icon = "bring-back", "Bring back", RETIRE_PERMISSION, "visibility"

    @classmethod
    def is_applicable(cls, record: CustomField) -> bool:
        return not record.is_active and not record.is_deleted

    def perform(self, record: CustomField, by: User) -> str:
        bring_field_back(record, by=by)
        return f"“{record}” is back in forms and lists."


class CustomFieldAdmin(RecordAdmin):
    form = CustomFieldForm
    filterset_class = CustomFieldFilter
    search_label = "Search fields"
    row_template = "crm/rows/custom_field.html"
    page_template = "crm/custom_field.html"
    columns = (
        Column("Field"),
        Column("Table"),
        Column("Kind"),
        Column("Stored as"),
        Column("Shown"),
        Column("State"),
    )
    orders = {
        "table": Order(
            "By table",
            {name: models.F(name) for name in ("table", "position", "label", "id")},
            descending=False,
        )
    }
    tabs = (
        Tab("All"),
        *(
            Tab(label, {"table": table}, lambda rows, user, table=table: rows.live().filter(table=table))
            for table, label in CustomFieldTable.choices
        ),
        Tab("Deleted", {"deleted": "true"}, lambda rows, user: rows.deleted(), "crm.restore_customfield"),
    )
    page_actions = (UndoKindChange, RetireField, BringFieldBack)
    empty_text = "No custom fields yet."
    fields = (
        ("table", "kind"),
        ("label", "key"),
        "help_text",
        "choices",
        "default_text",
        ("is_required", "is_on_list", "is_filterable"),
        "position",
        "editor_roles",
        "loaded_digest",
    )

    def get_queryset(self, request: HttpRequest) -> models.QuerySet:
        return with_promotion(super().get_queryset(request))

    def get_readonly_fields(self, request: HttpRequest, obj: CustomField | None = None) -> tuple[str, ...]:
        return FIXED_FIELDS if obj else ()

    def get_fields(self, request: HttpRequest, obj: CustomField | None = None) -> list[Any]:
        """Leave out the choices of a saved field of a kind without choices."""
        has_choices = obj is None or obj.has_choices
        return [name for name in self.fields if name != "choices" or has_choices]

    def get_list_links(self, request: HttpRequest) -> list[tuple[str, str, str]]:
        requests = ("crm_schemachange_changelist", "gavel", "Schema requests")
        return [requests] if request.user.has_perm("crm.view_schemachange") else []

    def get_menu_links(self, request: HttpRequest) -> list[tuple[str, str, str]]:
        links = []
        if self.has_add_permission(request):
            links.append(("crm_customfield_undefined", "help_center", "Values without a field"))
        if request.user.has_perm("crm.view_fieldstatistic"):
            links.append(("crm_fieldstatistic_changelist", "data_usage", "Fields in use"))
        return links

    def json_schemas(self, row: CustomField) -> dict[str, Schema]:
        roles = {key: capfirst(name) for key, name in Group.objects.values_list("pk", "name")}
        return {"choices": CHOICE_TABLE_SCHEMA, "editor_roles": {"type": "array", "items": {"labels": roles}}}

    def page_context(self, request: HttpRequest, row: CustomField) -> dict[str, Any]:
        default = describe_value(row.default_value, value_schema(row)) if row.default_value is not None else None
        editors = [capfirst(name) for name in role_names(row)]
        return {
            **super().page_context(request, row),
            "default": default,
            "editors": editors,
            **kind_changes_context(row, request.user),
        }

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(require_safe(self.undefined_keys_view))
        kind = self.admin_site.admin_view(partial(change_kind_view, self))
        return [
            path("undefined/", view, name="crm_customfield_undefined"),
            path("<uuid:pk>/kind/", kind, name="crm_customfield_kind"),
            *super().get_urls(),
        ]

    def undefined_keys_view(self, request: HttpRequest) -> HttpResponse:
        """List the keys without a definition in records that the user may see, each with a link that defines it."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        tables = [(table.label, find_undefined_keys(table, request.user)) for table in CustomFieldTable]
        context = {
            **self.admin_site.each_context(request),
            "title": "Values without a field",
            "opts": self.opts,
            "tables": tables,
            "sampled_row_count": SAMPLED_ROW_COUNT,
        }
        return TemplateResponse(request, "crm/undefined_keys.html", context)
