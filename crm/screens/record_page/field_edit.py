"""One field of a record changed in its place on the page, and put back."""

import json
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.admin.options import IS_POPUP_VAR
from django.contrib.admin.utils import flatten_fieldsets
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models, transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.text import capfirst
from django.views.decorators.http import require_http_methods, require_POST

from crm.exceptions import ActionRefused, IllegalTransition
from crm.records import transitions
from crm.screens.action_values import IN_PLACE_PARAM, safe_next_url

DIGEST_FIELD = "loaded_digest"
UNDO_SALT = "crm.field_edit.undo"
UNDO_SECONDS = 24 * 60 * 60
# A longer value is not offered for undoing: the button travels in a message, so in a cookie or the session.
MAX_UNDO_LENGTH = 20_000


class FieldEditMixin:
    """For the admin class of a record whose page has links to change a field alone (`{% edit_link %}`).

    The form has the one field and its digest, so only a change of that field by someone else is a conflict.
    """

    def get_urls(self) -> list[Any]:
        name, wrap = f"{self.opts.app_label}_{self.opts.model_name}", self.admin_site.admin_view
        edit = require_http_methods(["GET", "HEAD", "POST"])(self.field_view)
        return [
            path("<uuid:pk>/field/<slug:name>/", wrap(edit), name=f"{name}_field"),
            path("<uuid:pk>/field/<slug:name>/undo/", wrap(require_POST(self.undo_field_view)), name=f"{name}_undo"),
            *super().get_urls(),
        ]

    def page_context(self, request: HttpRequest, row: models.Model) -> dict[str, Any]:
        return {**super().page_context(request, row), "edits_fields": self.has_change_permission(request, row)}

    def edits_fields_in_list(self, request: HttpRequest) -> bool:
        return self.has_change_permission(request) and IS_POPUP_VAR not in request.GET

    def field_view(self, request: HttpRequest, pk: UUID, name: str) -> HttpResponse:
        """Show the form of one field, or save it. A refused form keeps what was typed."""
        row = self.get_editable_object(request, pk, name)
        before, name_before = getattr(row, self.opts.get_field(name).attname), str(row)
        form_class = only_field(self.get_form(request, row, change=True, fields=[name, DIGEST_FIELD]), name)
        form = form_class(request.POST if request.method == "POST" else None, instance=row)
        if form.is_bound and form.is_valid():
            try:
                self.save_field(request, form, name, before)
                return HttpResponseRedirect(safe_next_url(request.POST.get("next"), self.page_url(row)))
            except ActionRefused as error:
                form.add_error(None, str(error))
        return self.render_field(request, row, form, name, f"{form[name].label}: {name_before}")

    def get_editable_object(self, request: HttpRequest, pk: UUID, name: str) -> models.Model:
        """Return the record if the user may change its field `name`."""
        row = self.get_visible_object(request, pk)
        if not self.has_change_permission(request, row):
            raise PermissionDenied
        editable = {*flatten_fieldsets(self.get_fieldsets(request, row))} - {DIGEST_FIELD}
        if name not in editable - {*self.get_readonly_fields(request, row)}:
            raise Http404(f"A {self.opts.verbose_name} has no such field.")
        return row

    def render_field(
        self, request: HttpRequest, row: models.Model, form: forms.ModelForm, name: str, title: str
    ) -> HttpResponse:
        in_place = IN_PLACE_PARAM in request.GET and not form.is_bound
        context = {
            **({} if in_place else self.admin_site.each_context(request)),
            "title": title,
            "opts": self.opts,
            "original": row,
            "form": form,
            "action": self.field_url(row, name),
            "back": self.page_url(row),
        }
        template = "crm/field_edit_form.html" if in_place else "crm/field_edit.html"
        return TemplateResponse(request, template, context, status=422 if form.is_bound else 200)

    def field_url(self, row: models.Model, name: str, page: str = "field") -> str:
        url_name = f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_{page}"
        return reverse(url_name, args=[row.pk, name])

    def save_field(self, request: HttpRequest, form: forms.ModelForm, name: str, before: Any) -> None:
        """Save a valid form of one field as the form of the whole record is saved, and offer to undo it."""
        if name not in form.changed_data:
            return
        with transaction.atomic():
            row = self.save_form(request, form, change=True)
            self.save_model(request, row, form, change=True)
            self.save_related(request, form, [], change=True)
        label = capfirst(form[name].label)
        undo = self.undo_button(request, row, name, label, before)
        messages.success(request, format_html("{} saved. {}", label, undo))

    def undo_button(self, request: HttpRequest, row: models.Model, name: str, label: str, before: Any) -> str:
        """Return a button that puts `before` back; nothing if the value is too long to be carried in a message."""
        after = getattr(row, self.opts.get_field(name).attname)
        offer = json.dumps({"key": str(row.pk), "name": name, "before": before, "after": after}, cls=DjangoJSONEncoder)
        if len(offer) > MAX_UNDO_LENGTH:
            return ""
        context = {
            "action": self.field_url(row, name, "undo"),
            "offer": signing.dumps(offer, salt=UNDO_SALT, compress=True),
            "next": request.POST.get("next", ""),
            "label": label,
        }
        return render_to_string("crm/undo_button.html", context, request)

    def undo_field_view(self, request: HttpRequest, pk: UUID, name: str) -> HttpResponse:
        """Put back the value that a field had before it was changed in its place, unless it changed again since."""
        row = self.get_editable_object(request, pk, name)
        try:
            self.undo_field(request, row, name)
            messages.success(request, f"{capfirst(str(self.opts.get_field(name).verbose_name))} is as it was before.")
        except ActionRefused as error:
            messages.error(request, str(error))
        return HttpResponseRedirect(safe_next_url(request.POST.get("next"), self.page_url(row)))

    @transaction.atomic
    def undo_field(self, request: HttpRequest, row: models.Model, name: str) -> None:
        """Do what `undo_field_view` says.

        Raises:
            IllegalTransition: the offer is not ours, is older than a day, or the field has another value by now.
            NotPermitted, InvalidInput: as for an edit.
        """
        field = self.opts.get_field(name)
        offer = read_offer(request.POST.get("offer", ""))
        if offer is None or (offer["key"], offer["name"]) != (str(row.pk), name):
            raise IllegalTransition("This change can no longer be undone. Nothing was changed.")
        saved = self.model.everything.select_for_update().get(pk=row.pk)
        if getattr(saved, field.attname) != field.to_python(offer["after"]):
            raise IllegalTransition(f"The {field.verbose_name} was changed again since. Nothing was changed.")
        setattr(row, field.attname, field.to_python(offer["before"]))
        transitions.save_edit(row, [name], saved, by=request.user)
        self.after_edit(request, row, [name])


def only_field(form_class: type[forms.ModelForm], name: str) -> type[forms.ModelForm]:
    """Return `form_class` without its other fields; those that it declares itself are there whatever is asked for."""
    others = {other: None for other in form_class.base_fields if other not in {name, DIGEST_FIELD}}
    return type(form_class.__name__, (form_class,), others)


def read_offer(text: str) -> dict[str, Any] | None:
    """Return what an undo button carries; None if it is not ours or too old."""
    try:
        return json.loads(signing.loads(text, salt=UNDO_SALT, max_age=UNDO_SECONDS))
    except signing.BadSignature:
        return None
