"""Fields that pick another record: only records that the user may see are valid."""

from typing import Any

from django import forms
from django.db import models
from django.http import HttpRequest
from unfold.admin import TabularInline

from crm.models import User
from crm.records.base import Record
from crm.screens.record_forms import LinkForm


class RecordChoiceField(forms.ModelChoiceField):
    """A choice of a record that is empty if the sent value is no key; Django's own picker would fail.

    The present value stays valid, visible or not; `reader` does not read the name of one that only others may open.
    """

    present_key: Any = None

    def __init__(self, *args: Any, reader: User | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.reader = reader

    def label_from_instance(self, obj: models.Model) -> str:
        """Return the name of a record; only the present value can be one that the reader may not open."""
        is_present_record = isinstance(obj, Record) and obj.pk == self.present_key
        return obj.name_for(self.reader) if is_present_record and self.reader else str(obj)

    def prepare_value(self, value: Any) -> Any:
        value = super().prepare_value(value)
        try:
            self.queryset.model._meta.pk.to_python(value)
        except forms.ValidationError:
            return ""
        return value


class VisibleChoicesMixin:
    """For an admin class: a foreign key may point to a record that the user may see, or keep its value."""

    def formfield_for_foreignkey(self, db_field: models.ForeignKey, request: HttpRequest, **kwargs: Any) -> forms.Field:
        rows = db_field.remote_field.model._default_manager.all()
        if hasattr(rows, "visible_to"):
            kwargs["queryset"] = rows.visible_to(request.user)
        kwargs = {**kwargs, "form_class": RecordChoiceField, "reader": request.user}
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


class LinkInline(VisibleChoicesMixin, TabularInline):
    """The contacts of a record, each with a role."""

    form = LinkForm
    fields = ("contact", "role", "is_primary")
    autocomplete_fields = ("contact",)
    extra = 0
