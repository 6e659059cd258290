"""Forms of records: they check every constraint and detect concurrent edits."""

import json
from datetime import datetime, time, timedelta
from hashlib import sha256
from typing import Any

from django import forms
from django.db import models
from django.utils import timezone

from crm.models import User
from crm.records.local_time import explain_missing_time, format_short_moment
from crm.screens.custom_fields.form_field import custom_fields_field
from crm.screens.json_forms.fields import replace_fields
from crm.text.cleaning import normalize_line_ends
from crm.text.numbers import parse_typed_number

MORNING = time(9)
EDIT_CONFLICT_MESSAGE = (
    "Another user changed this record after you opened it. Copy your text, reload the page and make your change again."
)


class ConstraintCheckedForm(forms.ModelForm):
    """A form that checks every constraint of its row, whichever columns it shows."""

    unchecked_fields: tuple[str, ...] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            current_pk = getattr(self.instance, f"{name}_id", None)
            if current_pk and isinstance(field, forms.ModelChoiceField):
                # The present value stays valid, visible or not.
                field.queryset |= field.queryset.model._base_manager.filter(pk=current_pk)
                field.present_key = current_pk

    def validate_unique(self) -> None:
        """Check also constraints with a condition on a column outside the form, which Django leaves out."""
        super().validate_unique()
        try:
            self.instance.validate_constraints(exclude={*self.errors, *self.unchecked_fields})
        except forms.ValidationError as error:
            existing_errors = self.non_field_errors()
            self.add_error(None, [message for message in error.messages if message not in existing_errors])


class MultilineField(forms.CharField):
    """A text of several lines; the line ends of a browser do not count as a change."""

    def to_python(self, value: Any) -> str:
        return normalize_line_ends(super().to_python(value))

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(normalize_line_ends(initial or ""), normalize_line_ends(data or ""))


class LocalDateTimeField(forms.DateTimeField):
    """A date and time in the reader's time zone: of a repeated hour the first; a time that the clocks skip is refused.

    Django refuses both with one sentence that names neither reason nor remedy.
    """

    def to_python(self, value: Any) -> Any:
        try:
            return super().to_python(value)
        except forms.ValidationError as error:
            if error.code != "ambiguous_timezone":
                raise
            typed = error.params["datetime"]
        if missing := explain_missing_time(typed):
            raise forms.ValidationError(missing)
        return timezone.make_aware(typed)


def later_times(now: datetime) -> dict[str, datetime]:
    """Return the offered later times by name; `now` is the reader's time."""

    def morning(days: int) -> datetime:
        return timezone.make_aware(datetime.combine(now.date() + timedelta(days=days), MORNING))

    return {
        "In 3 hours": now + timedelta(hours=3),
        "Tomorrow": morning(1),
        "In 3 days": morning(3),
        "Next Monday": morning(7 - now.weekday()),
        "In 2 weeks": morning(14),
    }


class LaterForm(forms.Form):
    """Asks for a later time: one of those offered, or any other, in the reader's time zone."""

    until = forms.ChoiceField(label="Until")
    at = LocalDateTimeField(
        required=False,
        label="Or at",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
        error_messages={"invalid": "Enter a date and a time."},
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.later_times = later_times(timezone.localtime())
        self.fields["until"].choices = [
            (name, f"{name} ({moment:%a} {format_short_moment(moment)})") for name, moment in self.later_times.items()
        ]
        self.initial.setdefault("until", "Tomorrow")

    def chosen_time(self) -> datetime:
        """Return the chosen time of a valid form; a typed one counts before an offered one."""
        return self.cleaned_data["at"] or self.later_times[self.cleaned_data["until"]]


class TypedDecimalField(forms.DecimalField):
    """A number as people type it: "$1,200" is 1200."""

    widget = forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"})

    def to_python(self, value: Any) -> Any:
        number = parse_typed_number(value) if isinstance(value, str) else None
        return super().to_python(value if number is None else number)

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        return {}


def make_form_with_error(form_class: type[forms.ModelForm], error_message: str) -> type[forms.ModelForm]:
    """Return `form_class` with an error, for a save that was refused after validation; what was typed stays."""

    class FormWithError(form_class):
        def clean(self) -> dict[str, Any]:
            raise forms.ValidationError(error_message)

    return FormWithError


class LinkForm(ConstraintCheckedForm):
    """A link between two records; the formset decides about the primary one when all are saved."""

    unchecked_fields = ("is_primary",)


class RecordForm(ConstraintCheckedForm):
    """A form that detects changes by other users since it was opened, with an input for each custom field."""

    loaded_digest = forms.CharField(required=False, widget=forms.HiddenInput)
    # The user who fills the form in. Without one, fields that are limited to roles stay as they are.
    editor: User | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "custom_fields" in self.fields:
            replace_fields(self, {"custom_fields": custom_fields_field(self.instance, self.editor)})
        if not self.instance._state.adding:
            self.initial["loaded_digest"] = self.row_digest(self.instance)

    def row_digest(self, row: models.Model) -> str:
        """Return a digest of the columns of `row` that this form shows; automatic columns are not among them."""
        column_values = {f.name: getattr(row, f.attname) for f in row._meta.concrete_fields if f.name in self.fields}
        return sha256(json.dumps(column_values, default=str, sort_keys=True).encode()).hexdigest()

    def is_unchanged_since_load(self, row: models.Model) -> bool:
        return self.row_digest(row) == self.initial["loaded_digest"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        loaded_digest = self.data.get(self.add_prefix("loaded_digest"))
        if loaded_digest and not self.instance._state.adding and loaded_digest != self.initial["loaded_digest"]:
            raise forms.ValidationError(EDIT_CONFLICT_MESSAGE)
        return cleaned
