"""Choosing another record in a form: only what the user may see, whatever is sent."""

from typing import Any

from django import forms
from django.db import models
from django.http import HttpRequest
from unfold.admin import TabularInline

from crm.recordforms import LinkForm


class VisibleChoices:
    """For an admin class: a foreign key may point to what its user may see, or to what it points to already."""

    def formfield_for_foreignkey(self, db_field: models.ForeignKey, request: HttpRequest, **kwargs: Any) -> forms.Field:
        rows = db_field.remote_field.model._default_manager.all()
        if hasattr(rows, "visible_to"):
            kwargs["queryset"] = rows.visible_to(request.user)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


class LinkInline(VisibleChoices, TabularInline):
    """The contacts of a record, each with their role."""

    form = LinkForm
    fields = ("contact", "role", "is_primary")
    autocomplete_fields = ("contact",)
    extra = 0
