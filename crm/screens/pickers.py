"""Choosing another record in a form: only what the user may see, whatever is sent."""

from typing import Any

from django import forms
from django.db import models
from django.http import HttpRequest
from unfold.admin import TabularInline

from crm.screens.record_forms import LinkForm


class RecordChoiceField(forms.ModelChoiceField):
    """A choice of a record that shows nothing where what was sent is no key at all; Django's picker would break."""

    def prepare_value(self, value: Any) -> Any:
        value = super().prepare_value(value)
        try:
            self.queryset.model._meta.pk.to_python(value)
        except forms.ValidationError:
            return ""
        return value


class VisibleChoicesMixin:
    """For an admin class: a foreign key may point to what its user may see, or to what it points to already."""

    def formfield_for_foreignkey(self, db_field: models.ForeignKey, request: HttpRequest, **kwargs: Any) -> forms.Field:
        rows = db_field.remote_field.model._default_manager.all()
        if hasattr(rows, "visible_to"):
            kwargs["queryset"] = rows.visible_to(request.user)
        return super().formfield_for_foreignkey(db_field, request, form_class=RecordChoiceField, **kwargs)


class LinkInline(VisibleChoicesMixin, TabularInline):
    """The contacts of a record, each with their role."""

    form = LinkForm
    fields = ("contact", "role", "is_primary")
    autocomplete_fields = ("contact",)
    extra = 0
