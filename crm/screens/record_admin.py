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

from crm.exceptions import IllegalMove, Refused, refusing
from crm.models import ActivityLog
from crm.records import transitions
from crm.records.history import history_of
from crm.screens.action_forms import MOST_AT_ONCE, DeedForm, attempt, report
from crm.screens.filter_sheet import filter_sheet
from crm.screens.lists import Column, KeysetChangeList, Tab
from crm.screens.paging import CappedPaginator, Order
from crm.screens.pickers import VisibleChoices
from crm.screens.record_forms import CHANGED_MEANWHILE, LinesField, RecordForm, refused

TIMELINE_LENGTH = 50
LONGEST_ADDRESS = 2_000


class OnlyRead:
    """For an admin class: nobody writes here, whatever they may do elsewhere."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def bin_deeds(self) -> tuple[type[DeedForm], ...]:
        return ()


class RecordAdmin(VisibleChoices, ModelAdmin):
    """The admin of a record: rows by permission and visibility, deeds through transitions."""

    form = RecordForm
    filterset_class: ClassVar[Any] = None
    orders: ClassVar[dict[str, Order]] = {}
    tabs: ClassVar[tuple[Tab, ...]] = (Tab("All"),)
    columns: ClassVar[tuple[Column, ...]] = ()
    row_template: ClassVar[str] = ""
    page_template: ClassVar[str] = ""
    deeds: ClassVar[tuple[type[DeedForm], ...]] = ()
    bulk: ClassVar[tuple[type[DeedForm], ...]] = ()
    list_defer: ClassVar[tuple[str, ...]] = ()
    list_links: ClassVar[tuple[tuple[str, str, str], ...]] = ()
    search_label: ClassVar[str] = "Search"
    list_per_page = 50
    formfield_overrides = {models.TextField: {"form_class": LinesField, "widget": UnfoldAdminTextareaWidget}}
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
        return rows if self.may(request, "restore") else rows.filter(deleted_at__isnull=True)

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return super().has_change_permission(request, obj) and not in_bin(obj)

    def may(self, request: HttpRequest, deed: str) -> bool:
        return request.user.has_perm(transitions.permission(self.model, deed))

    def get_search_results(self, request: HttpRequest, queryset: models.QuerySet, term: str) -> tuple[Any, bool]:
        """For pickers: the table's own search, live rows only, the newest first; nothing if it is no search."""
        queryset = queryset.filter(deleted_at__isnull=True).order_by("-pk")
        if not term:
            return queryset, False
        asked = self.filterset_class({"q": term}, queryset, request=request)
        return (queryset.none() if asked.form.errors else asked.qs), False

    def search_refusal(self, request: HttpRequest, term: str) -> str:
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
            form.verb: (self.bulk_action(form), form.verb, form.label)
            for form in self.bulk
            if request.user.has_perm(form.permission)
        }

    def bulk_action(self, form_class: type[DeedForm]) -> Callable[..., HttpResponse | None]:
        """An action that asks once for what the deed needs, then does it to each selected row."""

        def run(_: Any, request: HttpRequest, queryset: models.QuerySet) -> HttpResponse | None:
            rows = list(queryset[: MOST_AT_ONCE + 1])
            if len(rows) > MOST_AT_ONCE:
                messages.error(request, f"At most {MOST_AT_ONCE:,} at once: narrow the list down with a filter.")
                return None
            form = form_class(request.POST if "apply" in request.POST else None, user=request.user)
            if form.is_bound and form.is_valid():
                report(request, [attempt(form, row, request.user) for row in rows], each=form.each)
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
            return TemplateResponse(request, "crm/bulk.html", context)

        return run

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if request.method == "POST":
            request.POST = with_keys_only(request.POST)
        extra = {"title": str(self.opts.verbose_name_plural).capitalize(), **(extra_context or {})}
        return super().changelist_view(request, extra)

    def filters_view(self, request: HttpRequest) -> HttpResponse:
        """The fields of the filter sheet: fetched when it is opened, for they cost more than a page of rows."""
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        asked = self.filterset_class(request.GET, self.get_queryset(request), request=request)
        return TemplateResponse(request, "crm/filter_fields.html", {"sheet": filter_sheet(asked)})

    # The page of one record

    def get_urls(self) -> list[Any]:
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        wrap = self.admin_site.admin_view
        return [
            path("<uuid:pk>/do/<slug:verb>/", wrap(self.deed_view), name=f"{name}_do"),
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
        except Refused as refusal:
            # Once more, for what was typed; this time the form itself refuses.
            request.refusal = str(refusal)
            return super().changeform_view(request, object_id, form_url, extra_context)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form, sentence = super().get_form(request, obj, change, **kwargs), getattr(request, "refusal", "")
        return refused(form, sentence) if sentence else form

    def find(self, request: HttpRequest, object_id: Any) -> models.Model:
        """The visible record, or 404."""
        row = self.get_object(request, unquote(str(object_id)))
        if row is None or not self.has_view_permission(request, row):
            raise Http404(f"There is no such {self.opts.verbose_name}.")
        return row

    def page_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        row = self.find(request, object_id)
        context = {**self.admin_site.each_context(request), **self.page_context(request, row)}
        return TemplateResponse(request, self.page_template, context)

    def page_context(self, request: HttpRequest, row: models.Model) -> dict[str, Any]:
        """What the page of `row` shows; sections that other apps add are named in the settings."""
        sections = [import_string(name) for name in settings.RECORD_SECTIONS.get(self.opts.label_lower, ())]
        return {
            "title": str(row),
            "opts": self.opts,
            "original": row,
            "row": row,
            "deeds": self.offered(request, row),
            "sections": [shown for section in sections if (shown := section(request, row)) is not None],
            "timeline": ActivityLog.objects.on_timeline_of(row).select_related("actor")[:TIMELINE_LENGTH],
            "can_edit": self.has_change_permission(request, row),
            "can_delete": self.has_delete_permission(request, row) and not in_bin(row),
            "can_restore": self.may(request, "restore") and in_bin(row),
            "can_purge": self.may(request, "purge") and in_bin(row),
        }

    def offered(self, request: HttpRequest, row: models.Model) -> list[DeedForm]:
        """The deeds this user can do to `row` now, as empty forms with their addresses."""
        if in_bin(row):
            return []
        forms_ = [form(user=request.user, record=row) for form in self.deeds if form.offered(row, request.user)]
        for form in forms_:
            form.url = self.deed_url(row, form.verb)
        return forms_

    def deed_url(self, row: models.Model, verb: str) -> str:
        name = f"{self.opts.app_label}_{self.opts.model_name}_do"
        return reverse(f"{self.admin_site.name}:{name}", args=[row.pk, verb])

    def deed_view(self, request: HttpRequest, pk: Any, verb: str) -> HttpResponse:
        """Ask for what a deed needs, or do it. A refusal keeps what was typed."""
        row = self.find(request, pk)
        known = {form.verb: form for form in (*self.deeds, *self.bin_deeds())}
        if verb not in known or not request.user.has_perm(known[verb].permission):
            raise PermissionDenied
        sent = request.POST if request.method == "POST" else None
        form = known[verb](sent, user=request.user, record=row, initial=request.GET.dict())
        back = self.page_url(row)
        if form.is_bound and form.is_valid():
            try:
                messages.success(request, form.perform(row, request.user))
                return HttpResponseRedirect(self.after(request, row, verb))
            except Refused as refusal:
                form.add_error(None, str(refusal))
        context = {
            **self.admin_site.each_context(request),
            "title": f"{form.label}: {row}",
            "opts": self.opts,
            "original": row,
            "form": form,
            "back": back,
        }
        status = 422 if form.is_bound else 200
        return TemplateResponse(request, "crm/deed.html", context, status=status)

    def after(self, request: HttpRequest, row: models.Model, verb: str) -> str:
        """Where a deed leads: back to where the form stood, if that is one of ours."""
        return own_address(request.POST.get("next"), self.list_url() if verb == "purge" else self.page_url(row))

    def page_url(self, row: models.Model) -> str:
        return reverse(f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_change", args=[row.pk])

    def list_url(self) -> str:
        return reverse(f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_changelist")

    def bin_deeds(self) -> tuple[type[DeedForm], ...]:
        """Restore and purge, for rows in the bin."""
        return (bin_deed(self.model, "restore", "Restore"), bin_deed(self.model, "purge", "Purge for ever"))

    # The form

    def create(self, request: HttpRequest, row: models.Model) -> None:
        """The deed that adds a record of this table."""
        transitions.create(row, by=request.user)

    def save_model(self, request: HttpRequest, obj: models.Model, form: forms.ModelForm, change: bool) -> None:
        if not change:
            self.create(request, obj)
            return
        columns = [field.name for field in self.opts.concrete_fields if field.name in form.changed_data]
        if not columns:
            return
        if not form.stands_as_seen(self.model.everything.select_for_update().get(pk=obj.pk)):
            raise IllegalMove(CHANGED_MEANWHILE)
        with refusing():
            obj.save(update_fields=[*columns, "updated_at"])
        transitions.edited(obj, columns, by=request.user)

    def save_formset(self, request: HttpRequest, form: forms.ModelForm, formset: Any, change: bool) -> None:
        """Links of the record: each change is a line on its timeline, and what is taken away is only deleted softly."""
        formset.save(commit=False)
        for row in formset.deleted_objects:
            transitions.soft_delete(row, by=request.user, about=form.instance)
        # Whoever is no longer the primary one goes first, for there can only be one.
        for row, columns in sorted(formset.changed_objects, key=lambda pair: getattr(pair[0], "is_primary", False)):
            with refusing():
                row.save()
            transitions.edited(row, columns, by=request.user, about=form.instance)
        for row in formset.new_objects:
            transitions.create(row, by=request.user, about=form.instance)

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
        row = self.find(request, object_id)
        if not self.has_delete_permission(request, row):
            raise PermissionDenied
        if request.method == "POST":
            try:
                transitions.soft_delete(row, by=request.user)
            except Refused as refusal:
                messages.error(request, str(refusal))
                return HttpResponseRedirect(self.page_url(row))
            messages.success(request, f"The {transitions.named(row)} is deleted.")
            return HttpResponseRedirect(self.list_url())
        context = {
            **self.admin_site.each_context(request),
            "title": f"Delete {transitions.named(row)}?",
            "opts": self.opts,
            "original": row,
            "back": self.page_url(row),
            **(extra_context or {}),
        }
        return TemplateResponse(request, self.delete_confirmation_template, context)

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        row = self.find(request, object_id)
        context = {
            **self.admin_site.each_context(request),
            "title": f"History of {row}",
            "opts": self.opts,
            "original": row,
            "timeline": ActivityLog.objects.done_to(row).select_related("actor")[:200],
            "changes": history_of(row),
            "back": self.page_url(row),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "crm/history.html", context)


def own_address(asked: str | None, otherwise: str) -> str:
    """`asked` if it is a path of this site, short enough to be gone to; else `otherwise`."""
    ours = asked and asked.startswith("/") and url_has_allowed_host_and_scheme(asked, allowed_hosts=None)
    return asked if ours and len(asked) <= LONGEST_ADDRESS else otherwise


def with_keys_only(sent: QueryDict) -> QueryDict:
    """`sent` with nothing but keys among the selected; "all found" needs none of them ticked."""
    sent, keys = sent.copy(), []
    for text in sent.getlist(ACTION_CHECKBOX_NAME):
        with suppress(ValidationError):
            keys.append(str(models.UUIDField().to_python(text)))
    if not keys and sent.get("select_across") == "1":
        keys.append(str(UUID(int=0)))
    sent.setlist(ACTION_CHECKBOX_NAME, keys)
    return sent


def in_bin(row: models.Model) -> bool:
    """Whether `row` is soft-deleted; a row of an append-only table never is."""
    return getattr(row, "is_deleted", False)


def bin_deed(model: type[models.Model], name: str, text: str) -> type[DeedForm]:
    """The form of `restore` or `purge` for `model`."""

    class BinDeed(DeedForm):
        verb = name
        label = text
        permission = transitions.permission(model, name)
        danger = name == "purge"

        def perform(self, record: models.Model, by: Any) -> str:
            getattr(transitions, name)(record, by=by)
            return f"Done: {text.lower()}."

    return BinDeed
