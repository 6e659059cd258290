"""Forms of records: every constraint checked, and nobody's change overwritten unseen."""

import json
from hashlib import sha256
from typing import Any

from django import forms
from django.db import models

from crm.text.cleaning import normalize_line_ends

EDIT_CONFLICT_MESSAGE = (
    "Somebody else has changed this record since you opened it. Copy what you wrote, load the page again "
    "and make your change on what stands there now."
)


class ConstraintCheckedForm(forms.ModelForm):
    """A form that checks every constraint of its row, whichever columns it shows."""

    unchecked_fields: tuple[str, ...] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            current_pk = getattr(self.instance, f"{name}_id", None)
            if current_pk and isinstance(field, forms.ModelChoiceField):  # what stands there may stay, seen or not
                field.queryset |= field.queryset.model._base_manager.filter(pk=current_pk)

    def validate_unique(self) -> None:
        """Django leaves out a constraint whose condition reads a column that is not in the form."""
        super().validate_unique()
        try:
            self.instance.validate_constraints(exclude={*self.errors, *self.unchecked_fields})
        except forms.ValidationError as error:
            existing_errors = self.non_field_errors()
            self.add_error(None, [message for message in error.messages if message not in existing_errors])


class MultilineField(forms.CharField):
    """A text of several lines: that a browser sends other line ends is no change of it."""

    def to_python(self, value: Any) -> str:
        return normalize_line_ends(super().to_python(value))

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(normalize_line_ends(initial or ""), normalize_line_ends(data or ""))


def make_form_with_error(form_class: type[forms.ModelForm], error_message: str) -> type[forms.ModelForm]:
    """`form_class` as it comes back when saving was refused at the last moment: what was typed, and why not."""

    class FormWithError(form_class):
        def clean(self) -> dict[str, Any]:
            raise forms.ValidationError(error_message)

    return FormWithError


class LinkForm(ConstraintCheckedForm):
    """A link between two records; which of several is the primary one is settled when all are saved."""

    unchecked_fields = ("is_primary",)


class RecordForm(ConstraintCheckedForm):
    """A form that notices when somebody else changed what it shows since it was opened."""

    loaded_digest = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance._state.adding:
            self.initial["loaded_digest"] = self.row_digest(self.instance)

    def row_digest(self, row: models.Model) -> str:
        """What `row` holds in the columns of this form, shortened; scores and dates of contact are not in it."""
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
