"""The input of a reference to a record: a picker that fetches a page of names as the user types."""

from typing import Any

from django import forms
from django.contrib.admin.widgets import AutocompleteMixin, get_select2_language
from django.urls import reverse

from crm.records.custom_fields.references import record_key
from crm.screens.json_forms.schema import Schema
from crm.screens.json_forms.text_inputs import NO_CHOICE_LABEL, OptionalTextInput

PICKER_PAGE = "admin:reference_picker"


class ReferencePickerMixin:
    """For a select with options that a script fetches, with the files of Django's picker of a foreign key."""

    media = AutocompleteMixin.media

    def __init__(self, table: str, attrs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        self.i18n_name = get_select2_language()  # `media` reads it
        picker = {
            "class": "admin-autocomplete",
            "data-theme": "admin-autocomplete",
            "data-ajax--url": reverse(PICKER_PAGE, args=[table]),
            "data-ajax--type": "GET",
            "data-ajax--cache": "true",
            "data-ajax--delay": "250",
            "data-allow-clear": "true",
            "data-placeholder": "",
        }
        super().__init__({**picker, **(attrs or {})}, **kwargs)


class ReferenceSelect(ReferencePickerMixin, forms.Select):
    """A picker of one record."""


class ReferenceSelectMultiple(ReferencePickerMixin, forms.SelectMultiple):
    """A picker of several records."""


class ReferenceInput(OptionalTextInput):
    """A reference to a record: its key."""

    def parse(self, text: str) -> Any:
        text = text.strip()
        return record_key(text) or text or None

    @classmethod
    def make_widget(cls, schema: Schema, value: Any, attrs: dict[str, Any]) -> forms.Widget:
        chosen = [(value, schema["names"][value].text)] if isinstance(value, str) and value else []
        return ReferenceSelect(schema["refersTo"], choices=[("", NO_CHOICE_LABEL), *chosen])
