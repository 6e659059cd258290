"""What every screen of a record shares: list, page, form, deeds, history, bin."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IS_POPUP_VAR
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.module_loading import import_string
from django.views.decorators.http import require_safe
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminTextareaWidget

from crm.exceptions import ActionRefused, IllegalTransition, errors_as_invalid_input
from crm.models import ActivityLog
from crm.records import transitions
from crm.records.history import load_history
from crm.screens.action_forms import MAX_BULK_ROWS, ActionForm, attempt, report
from crm.screens.filter_sheet import build_filter_sheet
from crm.screens.lists import Column, KeysetChangeList, Tab
from crm.screens.paging import CappedPaginator, Order
from crm.screens.pickers import VisibleChoicesMixin
from crm.screens.record_forms import EDIT_CONFLICT_MESSAGE, MultilineField, RecordForm, make_form_with_error

TIMELINE_LENGTH = 50
MAX_NEXT_URL_LENGTH = 2_000


class ReadOnlyMixin:
    """For an admin class: nobody writes here, whatever they may do elsewhere."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def deleted_row_actions(self) -> tuple[type[ActionForm], ...]:
        return ()


class RecordAdmin(VisibleChoicesMixin, ModelAdmin):
    """The admin of a record: rows by permission and visibility, deeds through transitions."""

    form = RecordForm
    filterset_class: ClassVar[Any] = None
    orders: ClassVar[dict[str, Order]] = {}
    tabs: ClassVar[tuple[Tab, ...]] = (Tab("All"),)
    columns: ClassVar[tuple[Column, ...]] = ()
    row_template: ClassVar[str] = ""
    page_template: ClassVar[str] = ""
    page_actions: ClassVar[tuple[type[ActionForm], ...]] = ()
    bulk_actions: ClassVar[tuple[type[ActionForm], ...]] = ()
    list_defer: ClassVar[tuple[str, ...]] = ()
    list_links: ClassVar[tuple[tuple[str, str, str], ...]] = ()
    search_label: ClassVar[str] = "Search"
    list_per_page = 50
    formfield_overrides = {models.TextField: {"form_class": MultilineField, "widget": UnfoldAdminTextareaWidget}}
    paginator = CappedPaginator
    change_list_template = "crm/list.html"
    delete_confirmation_template = "crm/confirm.html"
    actions = None
    show_full_result_count = False
    list_fullwidth = True
    compressed_fields = True

    # Rows

    def get_queryset(self, request: HttpRequest) -> models.QuerySet:
        rows = self.model.everything.visible_to(request.user)
        return rows if self.user_can(request, "restore") else rows.filter(deleted_at__isnull=True)

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return super().has_change_permission(request, obj) and not is_soft_deleted(obj)

    def user_can(self, request: HttpRequest, verb: str) -> bool:
        return request.user.has_perm(transitions.permission_name(self.model, verb))

    def get_search_results(self, request: HttpRequest, queryset: models.QuerySet, term: str) -> tuple[Any, bool]:
        """For pickers: the table's own search, live rows only, the newest first; nothing if it is no search."""
        queryset = queryset.filter(deleted_at__isnull=True).order_by("-pk")
        if not term:
            return queryset, False
        filterset = self.filterset_class({"q": term}, queryset, request=request)
        return (queryset.none() if filterset.form.errors else filterset.qs), False

    def search_error(self, request: HttpRequest, term: str) -> str:
        """Why `term` cannot be searched for, in words; empty if it can be."""
        return " ".join(self.filterset_class({"q": term}, request=request).form.errors.get("q", ()))

    # A search box is the FilterSet's; pickers need this to be set.
    search_fields = ("pk",)

    # The list

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[KeysetChangeList]:
        return KeysetChangeList

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        return False

    def get_actions(self, request: HttpRequest) -> dict[str, tuple[Callable[..., Any], str, str]]:
        if IS_POPUP_VAR in request.GET:
            return {}
        return {
            form.verb: (self.make_bulk_action(form), form.verb, form.label)
            for form in self.bulk_actions
            if request.user.has_perm(form.permission)
        }

    def make_bulk_action(self, form_class: type[ActionForm]) -> Callable[..., HttpResponse | None]:
        """An action that asks once for what the deed needs, then does it to each selected row."""

        def run(_: Any, request: HttpRequest, queryset: models.QuerySet) -> HttpResponse | None:
            rows = list(queryset[: MAX_BULK_ROWS + 1])
            if len(rows) > MAX_BULK_ROWS:
                messages.error(request, f"At most {MAX_BULK_ROWS:,} at once: narrow the list down with a filter.")
                return None
            form = form_class(request.POST if "apply" in request.POST else None, user=request.user)
            if form.is_bound and form.is_valid():
                report(request, [attempt(form, row, request.user) for row in rows], report_each=form.report_each)
                return None
            context = {
                **self.admin_site.each_context(request),
                "title": f"{form.label}: {len(rows):,} {self.opts.verbose_name_plural}",
                "opts": self.opts,
                "form": form,
                "rows": rows[:20],
                "more": len(rows) - 20,
                "selected": request.POST.getlist("_selected_action"),
                "across": request.POST.get("select_across", "0"),
                "back": request.get_full_path(),
            }
            return TemplateResponse(request, "crm/bulk_action.html", context)

        return run

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if request.method == "POST":
            request.POST = drop_invalid_keys(request.POST)
        extra = {"title": str(self.opts.verbose_name_plural).capitalize(), **(extra_context or {})}
        return super().changelist_view(request, extra)

    def filters_view(self, request: HttpRequest) -> HttpResponse:
        """The fields of the filter sheet: fetched when it is opened, for they cost more than a page of rows."""
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        filterset = self.filterset_class(request.GET, self.get_queryset(request), request=request)
        return TemplateResponse(request, "crm/filter_fields.html", {"sheet": build_filter_sheet(filterset)})

    # The page of one record

    def get_urls(self) -> list[Any]:
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        wrap = self.admin_site.admin_view
        return [
            path("<uuid:pk>/do/<slug:verb>/", wrap(self.action_view), name=f"{name}_do"),
            path("filters/", wrap(require_safe(self.filters_view)), name=f"{name}_filters"),
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
            # Once more, for what was typed; this time the form itself refuses.
            request.error = str(error)
            return super().changeform_view(request, object_id, form_url, extra_context)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form, save_error = super().get_form(request, obj, change, **kwargs), getattr(request, "error", "")
        return make_form_with_error(form, save_error) if save_error else form

    def get_visible_object(self, request: HttpRequest, object_id: Any) -> models.Model:
        """The visible record, or 404."""
        row = self.get_object(request, unquote(str(object_id)))
        if row is None or not self.has_view_permission(request, row):
            raise Http404(f"There is no such {self.opts.verbose_name}.")
        return row

    def page_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        row = self.get_visible_object(request, object_id)
        context = {**self.admin_site.each_context(request), **self.page_context(request, row)}
        return TemplateResponse(request, self.page_template, context)

    def page_context(self, request: HttpRequest, row: models.Model) -> dict[str, Any]:
        """What the page of `row` shows; sections that other apps add are named in the settings."""
        panels = [import_string(name) for name in settings.RECORD_SECTIONS.get(self.opts.label_lower, ())]
        return {
            "title": str(row),
            "opts": self.opts,
            "original": row,
            "row": row,
            "page_actions": self.available_actions(request, row),
            "panels": [panel for make_panel in panels if (panel := make_panel(request, row)) is not None],
            "timeline": ActivityLog.objects.on_timeline_of(row).select_related("actor")[:TIMELINE_LENGTH],
            "can_edit": self.has_change_permission(request, row),
            "can_delete": self.has_delete_permission(request, row) and not is_soft_deleted(row),
            "can_restore": self.user_can(request, "restore") and is_soft_deleted(row),
            "can_purge": self.user_can(request, "purge") and is_soft_deleted(row),
        }

    def available_actions(self, request: HttpRequest, row: models.Model) -> list[ActionForm]:
        """The deeds this user can do to `row` now, as empty forms with their addresses."""
        if is_soft_deleted(row):
            return []
        action_forms = [
            form(user=request.user, record=row) for form in self.page_actions if form.is_available(row, request.user)
        ]
        for form in action_forms:
            form.url = self.action_url(row, form.verb)
        return action_forms

    def action_url(self, row: models.Model, verb: str) -> str:
        name = f"{self.opts.app_label}_{self.opts.model_name}_do"
        return reverse(f"{self.admin_site.name}:{name}", args=[row.pk, verb])

    def action_view(self, request: HttpRequest, pk: Any, verb: str) -> HttpResponse:
        """Ask for what a deed needs, or do it. A refusal keeps what was typed."""
        row = self.get_visible_object(request, pk)
        action_classes = {form.verb: form for form in (*self.page_actions, *self.deleted_row_actions())}
        if verb not in action_classes or not request.user.has_perm(action_classes[verb].permission):
            raise PermissionDenied
        post_data = request.POST if request.method == "POST" else None
        form = action_classes[verb](post_data, user=request.user, record=row, initial=request.GET.dict())
        back = self.page_url(row)
        if form.is_bound and form.is_valid():
            try:
                messages.success(request, form.perform(row, request.user))
                return HttpResponseRedirect(self.success_url(request, row, verb))
            except ActionRefused as error:
                form.add_error(None, str(error))
        context = {
            **self.admin_site.each_context(request),
            "title": f"{form.label}: {row}",
            "opts": self.opts,
            "original": row,
            "form": form,
            "back": back,
        }
        status = 422 if form.is_bound else 200
        return TemplateResponse(request, "crm/action.html", context, status=status)

    def success_url(self, request: HttpRequest, row: models.Model, verb: str) -> str:
        """Where a deed leads: back to where the form stood, if that is one of ours."""
        return safe_next_url(request.POST.get("next"), self.list_url() if verb == "purge" else self.page_url(row))

    def page_url(self, row: models.Model) -> str:
        return reverse(f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_change", args=[row.pk])

    def list_url(self) -> str:
        return reverse(f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_changelist")

    def deleted_row_actions(self) -> tuple[type[ActionForm], ...]:
        """Restore and purge, for rows in the bin."""
        return (
            make_deleted_row_action(self.model, "restore", "Restore"),
            make_deleted_row_action(self.model, "purge", "Delete permanently"),
        )

    # The form

    def create_record(self, request: HttpRequest, row: models.Model) -> None:
        """The deed that adds a record of this table."""
        transitions.create(row, by=request.user)

    def save_model(self, request: HttpRequest, obj: models.Model, form: forms.ModelForm, change: bool) -> None:
        if not change:
            self.create_record(request, obj)
            return
        columns = [field.name for field in self.opts.concrete_fields if field.name in form.changed_data]
        if not columns:
            return
        if not form.is_unchanged_since_load(self.model.everything.select_for_update().get(pk=obj.pk)):
            raise IllegalTransition(EDIT_CONFLICT_MESSAGE)
        with errors_as_invalid_input():
            obj.save(update_fields=[*columns, "updated_at"])
        transitions.record_edit(obj, columns, by=request.user)

    def save_formset(self, request: HttpRequest, form: forms.ModelForm, formset: Any, change: bool) -> None:
        """Links of the record: each change is a line on its timeline, and what is taken away is only deleted softly."""
        formset.save(commit=False)
        for row in formset.deleted_objects:
            transitions.soft_delete(row, by=request.user, timeline_owner=form.instance)
        # Whoever is no longer the primary one goes first, for there can only be one.
        for row, columns in sorted(formset.changed_objects, key=lambda pair: getattr(pair[0], "is_primary", False)):
            with errors_as_invalid_input():
                row.save()
            transitions.record_edit(row, columns, by=request.user, timeline_owner=form.instance)
        for row in formset.new_objects:
            transitions.create(row, by=request.user, timeline_owner=form.instance)

    def log_addition(self, request: HttpRequest, obj: models.Model, message: Any) -> None:
        """Django's own log is not kept: the activity log is."""

    def log_change(self, request: HttpRequest, obj: models.Model, message: Any) -> None:
        """As `log_addition`."""

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

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        row = self.get_visible_object(request, object_id)
        context = {
            **self.admin_site.each_context(request),
            "title": f"History of {row}",
            "opts": self.opts,
            "original": row,
            "timeline": ActivityLog.objects.for_target(row).select_related("actor")[:200],
            "changes": load_history(row),
            "back": self.page_url(row),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "crm/history.html", context)


def safe_next_url(next_url: str | None, default: str) -> str:
    """`asked` if it is a path of this site, short enough to be gone to; else `default`."""
    is_local = next_url and next_url.startswith("/") and url_has_allowed_host_and_scheme(next_url, allowed_hosts=None)
    return next_url if is_local and len(next_url) <= MAX_NEXT_URL_LENGTH else default


def drop_invalid_keys(post_data: QueryDict) -> QueryDict:
    """`post_data` with nothing but keys among the selected; "all found" needs none of them ticked."""
    post_data, keys = post_data.copy(), []
    for raw_key in post_data.getlist(ACTION_CHECKBOX_NAME):
        with suppress(ValidationError):
            keys.append(str(models.UUIDField().to_python(raw_key)))
    if not keys and post_data.get("select_across") == "1":
        keys.append(str(UUID(int=0)))
    post_data.setlist(ACTION_CHECKBOX_NAME, keys)
    return post_data


def is_soft_deleted(row: models.Model) -> bool:
    """Whether `row` is soft-deleted; a row of an append-only table never is."""
    return getattr(row, "is_deleted", False)


def make_deleted_row_action(model: type[models.Model], action: str, action_label: str) -> type[ActionForm]:
    """The form of `restore` or `purge` for `model`."""

    class DeletedRowAction(ActionForm):
        verb = action
        label = action_label
        permission = transitions.permission_name(model, action)
        danger = action == "purge"

        def perform(self, record: models.Model, by: Any) -> str:
            getattr(transitions, action)(record, by=by)
            return f"Done: {action_label.lower()}."

    return DeletedRowAction
