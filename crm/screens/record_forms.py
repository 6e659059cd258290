"""Forms of records: every constraint checked, and nobody's change overwritten unseen."""

import json
from hashlib import sha256
from typing import Any

from django import forms
from django.db import models

from crm.text.cleaning import with_own_ends

CHANGED_MEANWHILE = (
    "Somebody else has changed this record since you opened it. Copy what you wrote, load the page again "
    "and make your change on what stands there now."
)


class CheckedForm(forms.ModelForm):
    """A form that checks every constraint of its row, whichever columns it shows."""

    unchecked: tuple[str, ...] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            held = getattr(self.instance, f"{name}_id", None)
            if held and isinstance(field, forms.ModelChoiceField):  # what stands there may stay, seen or not
                field.queryset |= field.queryset.model._base_manager.filter(pk=held)

    def validate_unique(self) -> None:
        """Django leaves out a constraint whose condition reads a column that is not in the form."""
        super().validate_unique()
        try:
            self.instance.validate_constraints(exclude={*self.errors, *self.unchecked})
        except forms.ValidationError as error:
            told = self.non_field_errors()
            self.add_error(None, [message for message in error.messages if message not in told])


class LinesField(forms.CharField):
    """A text of several lines: that a browser sends other line ends is no change of it."""

    def to_python(self, value: Any) -> str:
        return with_own_ends(super().to_python(value))

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(with_own_ends(initial or ""), with_own_ends(data or ""))


def refused(form_class: type[forms.ModelForm], sentence: str) -> type[forms.ModelForm]:
    """`form_class` as it comes back when saving was refused at the last moment: what was typed, and why not."""

    class RefusedForm(form_class):
        def clean(self) -> dict[str, Any]:
            raise forms.ValidationError(sentence)

    return RefusedForm


class LinkForm(CheckedForm):
    """A link between two records; which of several is the primary one is settled when all are saved."""

    unchecked = ("is_primary",)


class RecordForm(CheckedForm):
    """A form that notices when somebody else changed what it shows since it was opened."""

    seen = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance._state.adding:
            self.initial["seen"] = self.digest(self.instance)

    def digest(self, row: models.Model) -> str:
        """What `row` holds in the columns of this form, shortened; scores and dates of contact are not in it."""
        held = {f.name: getattr(row, f.attname) for f in row._meta.concrete_fields if f.name in self.fields}
        return sha256(json.dumps(held, default=str, sort_keys=True).encode()).hexdigest()

    def stands_as_seen(self, row: models.Model) -> bool:
        return self.digest(row) == self.initial["seen"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        seen = self.data.get(self.add_prefix("seen"))
        if seen and not self.instance._state.adding and seen != self.initial["seen"]:
            raise forms.ValidationError(CHANGED_MEANWHILE)
        return cleaned
