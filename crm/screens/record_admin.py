"""What the screens of every record share: list, page, form, actions, history, deleting."""

from functools import partial
from typing import Any, ClassVar
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.admin.options import IS_POPUP_VAR
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.module_loading import import_string
from django.utils.text import capfirst
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from crm.exceptions import ActionRefused, IllegalTransition, errors_as_invalid_input
from crm.models import ActivityLog, CustomFieldTable, User
from crm.records import transitions
from crm.records.custom_fields.references import load_names, with_names
from crm.records.field_usage import count_created, count_edited, count_shown
from crm.records.history import MAX_HISTORY_CHANGES, load_history
from crm.records.timeline import Position, TimelinePage, load_timeline, visible_entries
from crm.screens.action_forms import ActionForm
from crm.screens.action_views import ActionViewsMixin, drop_invalid_keys, is_soft_deleted
from crm.screens.charts.views import ChartViewMixin
from crm.screens.custom_fields.display import custom_fields_schema
from crm.screens.export.views import ExportViewMixin
from crm.screens.filter_bar.screen import FilterViewMixin
from crm.screens.json_forms.display import describe_value, json_column_changes
from crm.screens.json_forms.schema import Schema
from crm.screens.lists import Column, KeysetChangeList, Tab
from crm.screens.paging import CappedPaginator, Order
from crm.screens.pickers import VisibleChoicesMixin
from crm.screens.record_forms import (
    EDIT_CONFLICT_MESSAGE,
    MultilineField,
    RecordForm,
    TypedDecimalField,
    make_form_with_error,
)
from crm.screens.record_page.neighbours import NeighbourMixin
from crm.screens.search.mixin import SearchedMixin
from crm.screens.search.recent import remember_opened


class ReadOnlyMixin:
    """For an admin class that no user can write through."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def deleted_row_actions(self) -> tuple[type[ActionForm], ...]:
        return ()


class RecordAdmin(
    ActionViewsMixin,
    ChartViewMixin,
    ExportViewMixin,
    FilterViewMixin,
    NeighbourMixin,
    SearchedMixin,
    VisibleChoicesMixin,
    ModelAdmin,
):
    """The admin of a record: rows by permission and visibility, actions through transitions."""

    form = RecordForm
    filterset_class: ClassVar[Any] = None
    orders: ClassVar[dict[str, Order]] = {}
    tabs: ClassVar[tuple[Tab, ...]] = (Tab("All"),)
    columns: ClassVar[tuple[Column, ...]] = ()
    row_template: ClassVar[str] = ""
    page_template: ClassVar[str] = ""
    list_defer: ClassVar[tuple[str, ...]] = ()
    list_links: ClassVar[tuple[tuple[str, str, str], ...]] = ()
    # Other pages that show the rows of the list: the links to them take its filters along.
    list_views: ClassVar[tuple[tuple[str, str, str], ...]] = ()
    # Links that stand in the menu "More", so that the buttons above the list fit one line.
    menu_links: ClassVar[tuple[tuple[str, str, str], ...]] = ()
    # Whether a file can become such records: users who may add them and import files see a link to the imports.
    is_importable: ClassVar[bool] = False
    # Where the counts of the tabs stop, if sooner than elsewhere: where no index finds the rows that a user may see.
    max_count: ClassVar[int | None] = None
    search_label: ClassVar[str] = "Search"
    empty_text: ClassVar[str] = "Nothing here yet."
    list_per_page = 50
    formfield_overrides = {
        models.TextField: {"form_class": MultilineField, "widget": UnfoldAdminTextareaWidget},
        models.DecimalField: {"form_class": TypedDecimalField, "widget": UnfoldAdminTextInputWidget},
    }
    paginator = CappedPaginator
    change_list_template = "crm/list.html"
    change_form_outer_before_template = "crm/form_heading.html"
    delete_confirmation_template = "crm/confirm.html"
    actions = None
    show_full_result_count = False
    list_fullwidth = True
    compressed_fields = True

    # Rows

    def get_list_links(self, request: HttpRequest) -> list[tuple[str, str, str]]:
        """Return the links above the list: page, icon and label."""
        return list(self.list_links)

    def get_menu_links(self, request: HttpRequest) -> list[tuple[str, str, str]]:
        """Return the links in the menu "More" above the list: page, icon and label."""
        imports = [("leads_importbatch_changelist", "upload", "Import")] if self.can_import(request) else []
        return [*self.menu_links, *imports]

    def can_import(self, request: HttpRequest) -> bool:
        may_import = request.user.has_perm(transitions.IMPORT_PERMISSION)
        return self.is_importable and self.user_can(request, "add") and may_import

    def get_queryset(self, request: HttpRequest) -> models.QuerySet:
        rows = self.model.everything.visible_to(request.user)
        return rows if self.user_can(request, "restore") else rows.filter(deleted_at__isnull=True)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> models.Model | None:
        """Read a record together with the related rows that its page and its list name."""
        if from_field or not self.list_select_related:
            return super().get_object(request, object_id, from_field)
        try:
            key = self.opts.pk.to_python(object_id)
        except (ValidationError, ValueError):
            return None
        return self.get_queryset(request).select_related(*self.list_select_related).filter(pk=key).first()

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return super().has_change_permission(request, obj) and not is_soft_deleted(obj)

    def get_search_results(self, request: HttpRequest, queryset: models.QuerySet, term: str) -> tuple[Any, bool]:
        """For pickers: search live rows, newest first, with the list's own search; an invalid search finds nothing."""
        queryset = queryset.filter(deleted_at__isnull=True).order_by("-pk")
        if not term:
            return queryset, False
        return self.search_rows(request, queryset, term, self.filterset_class)[0].rows, False

    def search_error(self, request: HttpRequest, term: str) -> str:
        """Return why `term` cannot be searched for; empty if it can."""
        return " ".join(self.filterset_class({"q": term}, request=request).form.errors.get("q", ()))

    # The FilterSet does the searching; Django's pickers only need this to be set.
    search_fields = ("pk",)

    # The list

    def list_orders(self, filterset: Any) -> dict[str, Order]:
        """Return the orders of the list, the default first: those declared, and those by indexed custom fields."""
        custom_fields = getattr(filterset, "custom_fields", None)
        return {**self.orders, **(custom_fields.orders if custom_fields else {})}

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[KeysetChangeList]:
        return KeysetChangeList

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if request.method == "POST":
            request.POST = drop_invalid_keys(request.POST)
        title = capfirst(self.opts.verbose_name_plural)
        extra = {
            "title": title,
            "can_import": self.can_import(request),
            "row_actions": self.row_actions(request),
            "edits_fields": self.edits_fields_in_list(request),
            **(extra_context or {}),
        }
        return super().changelist_view(request, extra)

    # The page of one record

    def get_urls(self) -> list[Any]:
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        wrap = self.admin_site.admin_view
        export = path("export/", wrap(require_POST(self.export_view)), name=f"{name}_export")
        chart = path(
            "chart/", wrap(require_http_methods(["GET", "HEAD", "POST"])(self.chart_view)), name=f"{name}_chart"
        )
        return [
            *([export] if self.list_export else ()),
            *([chart] if self.list_chart else ()),
            path("<uuid:pk>/do/<slug:verb>/", wrap(self.action_view), name=f"{name}_do"),
            path("<uuid:pk>/timeline/", wrap(require_safe(self.timeline_view)), name=f"{name}_timeline"),
            *super().get_urls(),
        ]

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> HttpResponse:
        shows_page = self.page_template and object_id and request.method == "GET"
        if shows_page and "edit" not in request.GET and IS_POPUP_VAR not in request.GET:
            return self.page_view(request, object_id)
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except ActionRefused as error:
            # Show the form again with what was typed; this time the form itself refuses.
            request.error = str(error)
            return super().changeform_view(request, object_id, form_url, extra_context)

    def render_change_form(self, request: HttpRequest, context: Any, obj: Any = None, **kwargs: Any) -> HttpResponse:
        if obj is not None and request.method == "GET":
            count_shown(obj, request.user)
        return super().render_change_form(request, context, obj=obj, **kwargs)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form, save_error = super().get_form(request, obj, change, **kwargs), getattr(request, "error", "")
        form.editor = request.user
        return make_form_with_error(form, save_error) if save_error else form

    def page_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        row = self.get_visible_object(request, object_id)
        count_shown(row, request.user)
        context = {**self.admin_site.each_context(request), **self.page_context(request, row)}
        return remember_opened(request, TemplateResponse(request, self.page_template, context), row)

    def page_context(self, request: HttpRequest, row: models.Model) -> dict[str, Any]:
        """Return what the page of `row` shows; the settings name the panels of other apps."""
        made = [import_string(name)(request, row) for name in settings.RECORD_SECTIONS.get(self.opts.label_lower, ())]
        panels, actions = [panel for panel in made if panel is not None], self.available_actions(request, row)
        return {
            "title": str(row),
            "opts": self.opts,
            "original": row,
            "row": row,
            "page_actions": actions,
            "actions": {form.verb: form for form in actions},
            "panels": panels,
            "write_url": next((panel.write_url for panel in panels if panel.write_url), ""),
            **self.neighbours_context(request, row),
            **self.custom_fields_context(request, row),
            **self.timeline_context(request, row),
            "can_edit": self.has_change_permission(request, row),
            "can_delete": self.has_delete_permission(request, row) and not is_soft_deleted(row),
            "can_restore": self.user_can(request, "restore") and is_soft_deleted(row),
            "can_purge": self.user_can(request, "purge") and is_soft_deleted(row),
        }

    def custom_fields_context(self, request: HttpRequest, row: models.Model) -> dict[str, Any]:
        """Return the card of the custom fields, for a table that has them."""
        if self.opts.label_lower not in CustomFieldTable:
            return {}
        schema = with_names(custom_fields_schema(self.opts.label_lower), request.user)
        return {"custom_fields": describe_value(row.custom_fields, schema)}

    def load_timeline(self, request: HttpRequest, row: models.Model, before: Position | None) -> TimelinePage:
        return load_timeline(request.user, row, before)

    def timeline_context(self, request: HttpRequest, row: models.Model, before: Position | None = None) -> dict:
        """Return a page of the timeline of `row`, and the link to the next one."""
        page = self.load_timeline(request, row, before)
        url = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_timeline", args=[row.pk])
        older = f"{url}?{urlencode({'before': page.older})}" if page.older else ""
        return {"timeline": page.lines, "timeline_older": older}

    def timeline_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Show a page of the timeline; an invalid position shows the first one."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        row = self.get_visible_object(request, str(pk))
        context = {
            **self.admin_site.each_context(request),
            "title": f"Timeline of {row}",
            "opts": self.opts,
            "original": row,
            "back": self.page_url(row),
            **self.timeline_context(request, row, Position.parse(request.GET.get("before", ""))),
        }
        return TemplateResponse(request, "crm/timeline_page.html", context)

    # The form

    def create_record(self, request: HttpRequest, row: models.Model) -> None:
        """Add a record of this table with its transition."""
        transitions.create(row, by=request.user)

    def save_model(self, request: HttpRequest, obj: models.Model, form: forms.ModelForm, change: bool) -> None:
        if not change:
            self.create_record(request, obj)
            count_created(obj, request.user)
            return
        columns = [field.name for field in self.opts.concrete_fields if field.name in form.changed_data]
        if not columns:
            return
        saved = self.model.everything.select_for_update().get(pk=obj.pk)
        if not form.is_unchanged_since_load(saved):
            raise IllegalTransition(EDIT_CONFLICT_MESSAGE)
        transitions.save_edit(obj, columns, saved, by=request.user)
        count_edited(obj, {name: form.initial.get(name) for name in columns}, request.user)

    def save_related(self, request: HttpRequest, form: forms.ModelForm, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        if change:
            self.after_edit(request, form.instance, form.changed_data)

    def after_edit(self, request: HttpRequest, row: models.Model, changed: list[str]) -> None:
        """Do what else follows from an edit of the fields `changed` of `row`, or of its links."""

    def save_formset(self, request: HttpRequest, form: forms.ModelForm, formset: Any, change: bool) -> None:
        """Save the links of a record: each change is logged on its timeline, and a removed link is soft-deleted."""
        formset.save(commit=False)
        for row in formset.deleted_objects:
            transitions.soft_delete(row, by=request.user, timeline_owner=form.instance)
        # The former primary link is saved first, because there can only be one.
        for row, columns in sorted(formset.changed_objects, key=lambda pair: getattr(pair[0], "is_primary", False)):
            with errors_as_invalid_input():
                row.save()
            transitions.record_edit(row, columns, by=request.user, timeline_owner=form.instance)
        for row in formset.new_objects:
            transitions.create(row, by=request.user, timeline_owner=form.instance)

    def log_addition(self, request: HttpRequest, obj: models.Model, message: Any) -> None:
        """Log nothing in Django's own log: the activity log replaces it."""

    def log_change(self, request: HttpRequest, obj: models.Model, message: Any) -> None:
        """Log nothing, as `log_addition`."""

    def response_post_save_change(self, request: HttpRequest, obj: models.Model) -> HttpResponse:
        return HttpResponseRedirect(self.page_url(obj))

    def response_post_save_add(self, request: HttpRequest, obj: models.Model) -> HttpResponse:
        return HttpResponseRedirect(self.page_url(obj))

    # Deleting is soft

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        row = self.get_visible_object(request, object_id)
        if not self.has_delete_permission(request, row):
            raise PermissionDenied
        if request.method == "POST":
            try:
                transitions.soft_delete(row, by=request.user)
            except ActionRefused as error:
                messages.error(request, str(error))
                return HttpResponseRedirect(self.page_url(row))
            messages.success(request, f"The {transitions.describe_record(row)} is deleted.")
            return HttpResponseRedirect(self.list_url())
        context = {
            **self.admin_site.each_context(request),
            "title": f"Delete {transitions.describe_record(row)}?",
            "opts": self.opts,
            "original": row,
            "back": self.page_url(row),
            **(extra_context or {}),
        }
        return TemplateResponse(request, self.delete_confirmation_template, context)

    def json_schemas(self, row: models.Model) -> dict[str, Schema]:
        """Return the schema of each JSON column that has one."""
        table = self.opts.label_lower
        return {"custom_fields": custom_fields_schema(table)} if table in CustomFieldTable else {}

    def history_schemas(self, row: models.Model, reader: User) -> dict[str, Schema]:
        """Return the same for the history of `row`, in which `reader` reads the names of references."""
        schemas = {column: with_names(schema, reader) for column, schema in self.json_schemas(row).items()}
        if "custom_fields" in schemas:
            past = row.events.order_by("-pgh_created_at", "-pgh_id").values_list("custom_fields", flat=True)
            load_names(schemas["custom_fields"], past[:MAX_HISTORY_CHANGES])
        return schemas

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        row = self.get_visible_object(request, object_id)
        json_changes = partial(json_column_changes, self.history_schemas(row, request.user))
        entries = ActivityLog.objects.for_target(row).select_related("actor")
        context = {
            **self.admin_site.each_context(request),
            "title": f"History of {row}",
            "opts": self.opts,
            "original": row,
            "timeline": visible_entries(request.user, row, entries[:200]),
            "changes": load_history(row, json_changes, reader=request.user),
            "back": self.page_url(row),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "crm/history.html", context)
