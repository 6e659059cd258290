"""Warn of possible duplicates on the form of a record: while a person types, and before anything is saved."""

from typing import Any, NamedTuple
from uuid import UUID

from django import forms
from django.contrib.admin.options import IS_POPUP_VAR
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.views.decorators.http import require_safe

from crm.models import User
from crm.records.duplicates.finding import Duplicate, find_duplicates
from crm.records.duplicates.matching import COLUMNS, Identity

# The button carries the keys of the records that were shown, so that another one that turns up is shown first.
SAVE_ANYWAY, USE_EXISTING = "_save_anyway", "_use_existing"
MAX_TYPED_LENGTH = 300
WARNING = "Nothing is saved yet: this may be a duplicate. Use the existing record, or save anyway."


class ExistingRecord(NamedTuple):
    """A possible duplicate as the form shows it."""

    record: models.Model
    table: str
    reason: str
    facts: list[str]
    url: str
    # Whether the form can take the record in place of a new one, as a picker's window can.
    is_choosable: bool


class DuplicateWarningMixin:
    """For the admin class of records that are compared with others."""

    change_form_before_template = "crm/duplicate_warning.html"

    def get_urls(self) -> list[Any]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_duplicates"
        view = self.admin_site.admin_view(require_safe(self.possible_duplicates_view))
        return [path("possible-duplicates/", view, name=name), *super().get_urls()]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        url = reverse(f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_duplicates")
        return with_duplicate_check(form, request.user, url, in_popup=is_popup(request))

    def changeform_view(self, request: HttpRequest, object_id: str | None = None, *args: Any, **kwargs: Any) -> Any:
        """In a picker's window, “Use this one” picks an existing record instead of adding one."""
        if request.method == "POST" and USE_EXISTING in request.POST and object_id is None and is_popup(request):
            return self.response_add(request, self.get_visible_object(request, request.POST[USE_EXISTING]))
        return super().changeform_view(request, object_id, *args, **kwargs)

    def possible_duplicates_view(self, request: HttpRequest) -> HttpResponse:
        """Return the records that may be the same as what is being typed, as a part of the form."""
        if not (self.has_add_permission(request) or self.has_change_permission(request)):
            raise PermissionDenied
        identity = Identity.from_values(self.model, typed_values(request))
        edited = self.find_edited(request)
        found = find_duplicates(identity, request.user, excluded=edited)
        shown = describe_existing(found, self.model, in_popup=is_popup(request))
        return TemplateResponse(
            request, "crm/existing_records.html", {"existing_records": shown, "can_save_anyway": True}
        )

    def find_edited(self, request: HttpRequest) -> models.Model | None:
        """Return the record whose form is open, if the user may see it."""
        try:
            key = UUID(request.GET.get("record", ""))
        except ValueError:
            return None
        return self.get_queryset(request).filter(pk=key).first()


def is_popup(request: HttpRequest) -> bool:
    return IS_POPUP_VAR in request.POST or IS_POPUP_VAR in request.GET


def typed_values(request: HttpRequest) -> dict[str, str]:
    """Return the values that a form sent while it is being filled in."""
    return {name: value.replace("\x00", "")[:MAX_TYPED_LENGTH] for name, value in request.GET.items()}


def with_duplicate_check(
    form_class: type[forms.ModelForm], user: User, url: str, *, in_popup: bool
) -> type[forms.ModelForm]:
    """Return `form_class` with a check that asks before it saves a possible duplicate."""

    class FormWithDuplicateCheck(form_class):
        duplicates_url = url
        existing_records: tuple[ExistingRecord, ...] = ()
        can_save_anyway = False

        @property
        def duplicate_fields(self) -> str:
            return " ".join(name for name in COLUMNS[self._meta.model] if name in self.fields)

        def _post_clean(self) -> None:
            """Ask after every other check, and only if these let the record through."""
            super()._post_clean()
            names = [name for name in COLUMNS[self._meta.model] if name in self.fields]
            if not set(names) & {*self.changed_data}:
                return
            identity = Identity.from_values(self._meta.model, {name: self.cleaned_data.get(name) for name in names})
            found = find_duplicates(identity, user, excluded=None if self.instance._state.adding else self.instance)
            accepted = self.data.get(SAVE_ANYWAY, "").split(" ")
            if all(str(one.record.pk) in accepted for one in found):
                return
            self.existing_records = tuple(describe_existing(found, self._meta.model, in_popup=in_popup))
            self.can_save_anyway = not self.errors
            if self.can_save_anyway:
                self.add_error(None, WARNING)

    return FormWithDuplicateCheck


def describe_existing(found: list[Duplicate], model: type[models.Model], *, in_popup: bool) -> list[ExistingRecord]:
    shown = []
    for one in found:
        meta, columns = one.record._meta, COLUMNS[type(one.record)]
        details = [getattr(one.record, name) for name in (columns.email, columns.phone)]
        closed = f"closed: {one.record.status}" if getattr(one.record, "closed_at", None) else ""
        url = reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[one.record.pk])
        facts = [fact for fact in (*details, closed) if fact]
        is_choosable = in_popup and type(one.record) is model
        shown.append(ExistingRecord(one.record, meta.verbose_name, one.description, facts, url, is_choosable))
    return shown
