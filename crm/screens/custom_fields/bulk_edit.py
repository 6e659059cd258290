"""The action that sets or clears one custom field of the selected records."""

from functools import cached_property
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.options import Options

from crm.models import CustomField, User
from crm.records import transitions
from crm.records.custom_fields.references import explain_reference, with_names, with_names_for_form
from crm.records.custom_fields.rights import locked_fields
from crm.records.custom_fields.schemas import Schema, table_schema, value_schema
from crm.records.field_usage import count_edited
from crm.screens.action_forms import ActionForm
from crm.screens.custom_fields.conditions import NO_VALUES
from crm.screens.custom_fields.form_field import in_utc
from crm.screens.json_forms.display import describe_value
from crm.screens.json_forms.fields import SchemaField

VALUE_NAME = "value"


class ChosenValueField(SchemaField):
    """The input of every field, of which only that of the chosen one is read; a script hides the others."""

    def __init__(self, fields: list[CustomField], chosen: CustomField | None, user: User) -> None:
        self.chosen, self.user = chosen, user
        super().__init__(with_names_for_form(table_schema(fields), user, {}), label="")

    def clean(self, value: Any) -> Any:
        if self.chosen is None:
            return None
        key = self.chosen.key
        one = SchemaField(table_schema([self.chosen]))
        try:
            typed = one.clean({key: (value or {}).get(key, "")}).get(key)
        finally:
            self.widget.errors = one.widget.errors
        if self.chosen.refers_to and (reason := explain_reference(self.chosen, typed, None, self.user)):
            self.widget.errors = [(f".{key}", reason)]
            raise ValidationError(f"{self.chosen}: {reason}")
        is_moment = value_schema(self.chosen).get("format") == "date-time"
        return in_utc(typed) if is_moment and typed else typed


def editable_fields(table: str, user: User) -> list[CustomField]:
    """Return the custom fields of `table` that `user` may edit."""
    fields = list(CustomField.objects.of_table(table))
    locked = {field.pk for field in locked_fields(fields, user)}
    return [field for field in fields if field.pk not in locked]


class SetCustomField(ActionForm):
    """Set or clear one custom field. Its value is checked as the form of a record checks it."""

    verb, label, icon = "set_field", "Set a custom field", "edit"
    report_each = True
    table: ClassVar[str]

    field = forms.ChoiceField(widget=forms.Select(attrs={"data-shows": VALUE_NAME}))
    clear = forms.BooleanField(required=False, label="Clear the field")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fields = {field.key: field for field in editable_fields(self.table, self.user)}
        self.fields["field"].choices = [(key, field.label) for key, field in fields.items()]
        self.chosen = fields.get(self.data.get("field", ""))
        self.fields[VALUE_NAME] = ChosenValueField([*fields.values()], self.chosen, self.user)
        self.order_fields(["field", VALUE_NAME, "clear"])
        if not fields:
            self.fields = {"field": forms.CharField(disabled=True, initial="There is no custom field to set.")}

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if self.chosen is None:
            raise ValidationError("Define a custom field of this table first.")
        has_value, clear = cleaned.get(VALUE_NAME) not in NO_VALUES, cleaned.get("clear")
        if VALUE_NAME not in self.errors and has_value == bool(clear):
            self.add_error(
                VALUE_NAME if has_value else "clear",
                "Empty the value to clear the field." if has_value else "Enter a value, or tick this box.",
            )
        if clear and self.chosen.is_required:
            self.add_error("clear", f"“{self.chosen}” is required, so it cannot be cleared.")
        return cleaned

    def perform(self, record: models.Model, by: User) -> str:
        value, before = self.cleaned_data[VALUE_NAME], record.custom_fields
        transitions.set_custom_field(record, self.chosen, value, by=by)
        count_edited(record, {"custom_fields": before}, by)
        return f"{record}: {self.value_text(before.get(self.chosen.key))} → {self.value_text(value)}"

    def value_text(self, value: Any) -> str:
        return describe_value(value, self.schema).text or "no value"

    @cached_property
    def schema(self) -> Schema:
        """The schema of a value of the chosen field, by which the user reads it."""
        return with_names(value_schema(self.chosen), self.user)

    def bulk_summary(self, count: int, opts: Options) -> str:
        noun = opts.verbose_name if count == 1 else opts.verbose_name_plural
        done = "cleared" if self.cleaned_data["clear"] else f"set to {self.value_text(self.cleaned_data[VALUE_NAME])}"
        return f"“{self.chosen}” {done} in {count:,} {noun}."


def set_field_action(model: type[models.Model], base: type[SetCustomField] = SetCustomField) -> type[SetCustomField]:
    """Return the action for the records of `model`; `base` adds what else a change of them needs."""
    parts = {"table": model._meta.label_lower, "permission": transitions.permission_name(model, "change")}
    return type(f"Set{model.__name__}Field", (base,), parts)
