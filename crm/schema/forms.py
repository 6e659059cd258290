"""The form of a custom field's definition."""

import re
from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.utils.text import capfirst
from unfold.widgets import UnfoldAdminTextInputWidget

from crm.models import BadgeColour, CustomField
from crm.models.custom_field import KINDS_WITH_CHOICES, MAX_KEY_LENGTH
from crm.records.custom_fields.rights import DELETED_ROLE
from crm.records.custom_fields.schemas import value_schema
from crm.screens.json_forms.errors import find_errors
from crm.screens.json_forms.fields import SchemaField, replace_fields
from crm.screens.json_forms.inputs import build_input
from crm.screens.json_forms.list_inputs import CheckboxList
from crm.screens.json_forms.schema import Schema, choice_label, is_choice_list
from crm.screens.record_forms import RecordForm
from crm.text.letters import plain_letters

MAX_CHOICES = 100
# An attribute of the select of kinds: crm.js shows the choices only for the kinds that have some.
WITH_CHOICES = {"data-with-choices": " ".join(sorted(KINDS_WITH_CHOICES))}
EDITORS_HELP = (
    "Without a tick, everyone who may edit the record. With ticks, users with one of these roles; others see the value."
)
CHOICE_TABLE_SCHEMA = {
    "type": "array",
    "spareRows": 6,
    "items": {
        "type": "object",
        "propertyOrder": ["label", "value", "colour", "retired"],
        "properties": {
            "label": {"type": "string", "maxLength": 100, "title": "Choice"},
            "value": {"type": "string", "maxLength": 100, "title": "Stored as (the choice, if empty)"},
            "colour": {
                "type": "string",
                "title": "Colour",
                "enum": BadgeColour.values,
                "labels": dict(BadgeColour.choices),
                "blank": "None",
            },
            "retired": {"type": "boolean", "title": "Retired"},
        },
    },
}


def key_from_label(label: str) -> str:
    """Return a key for a field called `label`: "Referral source" becomes "referral_source"."""
    return re.sub(r"[^\w]+", "_", plain_letters(label)).strip("_")[:MAX_KEY_LENGTH]


# The choices of the questions of a line have no colours.
PLAIN_CHOICE_TABLE_SCHEMA = {
    **CHOICE_TABLE_SCHEMA,
    "items": {
        **CHOICE_TABLE_SCHEMA["items"],
        "properties": {
            name: schema for name, schema in CHOICE_TABLE_SCHEMA["items"]["properties"].items() if name != "colour"
        },
    },
}


class ChoicesField(SchemaField):
    """The choices of a field, as a table. The value under which a choice is stored stays as it is."""

    def __init__(self, *, has_colours: bool = True, **kwargs: Any) -> None:
        help_text = "Only for the kinds “Choice” and “Several choices”."
        schema = CHOICE_TABLE_SCHEMA if has_colours else PLAIN_CHOICE_TABLE_SCHEMA
        super().__init__(schema, **{"help_text": help_text, **kwargs})

    def clean(self, value: Any) -> list[dict[str, Any]]:
        rows = super().clean(value)
        choices = []
        for row in rows:
            label, stored = row.get("label", "").strip(), row.get("value", "").strip()
            if not (label or stored):
                raise ValidationError("Enter the name of each choice.")
            colour = {"colour": row["colour"]} if row.get("colour") else {}
            choice = {"value": stored or label, "label": label or stored, "retired": bool(row.get("retired"))}
            choices.append({**choice, **colour})
        if len(choices) > MAX_CHOICES:
            raise ValidationError(f"A field can have at most {MAX_CHOICES} choices; these are {len(choices)}.")
        for part in ("value", "label"):
            texts = [choice[part].casefold() for choice in choices]
            if twice := next((choice[part] for choice in choices if texts.count(choice[part].casefold()) > 1), ""):
                raise ValidationError(f"The choice “{twice}” is there twice.")
        return choices


class RolesField(forms.TypedMultipleChoiceField):
    """The keys of roles. One that was deleted stays, so that saving the form opens the field to nobody."""

    def __init__(self, present: Iterable[int], **kwargs: Any) -> None:
        roles = dict(Group.objects.order_by("name").values_list("pk", "name"))
        deleted = [(key, capfirst(DELETED_ROLE)) for key in present if key not in roles]
        super().__init__(
            choices=[(key, capfirst(name)) for key, name in roles.items()] + deleted,
            coerce=int,
            required=False,
            widget=CheckboxList,
            **kwargs,
        )

    def clean(self, value: Any) -> list[int]:
        return sorted(super().clean(value))


DEFAULT_NOTATION = "text, a number, a date such as 2027-03-31, yes or no, a choice"


class DefaultTextField(forms.CharField):
    """A default, typed as text whatever its kind."""

    widget = UnfoldAdminTextInputWidget

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(label="Default", required=False, max_length=500, **kwargs)


def read_default(schema: Schema, text: str) -> tuple[Any, list[str]]:
    """Return the typed `text` as a value of `schema`, and what is wrong with it; no text is None."""
    if not text:
        return None, []
    words = {"yes": "true", "no": "false"} if schema.get("type") == "boolean" else {}
    choices = schema.get("items", schema)
    parts = text.split(",") if is_choice_list(schema) and text not in choices["enum"] else [text]
    if "enum" in choices:
        words = {choice_label(value, choices).casefold(): value for value in choices["enum"]}
    try:
        value = build_input(schema).parse("\n".join(words.get(one.strip().casefold(), one.strip()) for one in parts))
    except ValidationError as error:
        return None, error.messages
    return value, [message for _, message in find_errors(schema, value, None)]


def default_as_text(schema: Schema, value: Any) -> str:
    """Return a default as it is typed."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    choices = schema.get("items", schema)
    if "enum" in choices:
        return ", ".join(choice_label(one, choices) for one in (value if isinstance(value, list) else [value]))
    return str(build_input(schema).to_input(value))


class CustomFieldForm(RecordForm):
    """Define a custom field. Table and key are chosen once; the kind changes on a page of its own."""

    default_text = DefaultTextField(help_text=f"What a new record begins with: {DEFAULT_NOTATION}.")

    class Meta:
        model = CustomField
        fields = (
            "table",
            "label",
            "key",
            "kind",
            "help_text",
            "choices",
            "is_required",
            "is_on_list",
            "is_filterable",
            "position",
            "editor_roles",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "key" in self.fields:
            self.fields["key"].required = False
            self.fields["key"].help_text = "Made from the label if empty. It cannot be changed later."
        if "kind" in self.fields:
            self.fields["kind"].widget.attrs.update(WITH_CHOICES)
        roles = RolesField(self.instance.editor_roles, label="Who may edit", help_text=EDITORS_HELP)
        replace_fields(self, {"choices": ChoicesField(label="Choices"), "editor_roles": roles})
        if self.instance.default_value is not None:
            text = default_as_text(value_schema(self.instance), self.instance.default_value)
            self.initial.setdefault("default_text", text)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if "key" in self.fields and not cleaned.get("key") and cleaned.get("label"):
            cleaned["key"] = key_from_label(cleaned["label"])
            if not cleaned["key"]:
                self.add_error("key", "Enter a key: the label has no letters to make one from.")
        kind = cleaned.get("kind") or self.instance.kind
        if kind in KINDS_WITH_CHOICES and not cleaned.get("choices") and "choices" not in self.errors:
            self.add_error("choices", "Enter the choices.")
        return cleaned

    def _post_clean(self) -> None:
        super()._post_clean()
        if not self.errors:
            self.read_default()

    def read_default(self) -> None:
        """Take the typed default as a value of the field."""
        text = self.cleaned_data.get("default_text", "").strip()
        if text and self.instance.refers_to:
            self.add_error("default_text", "A reference has no default. Leave this empty.")
            return
        value, errors = read_default(value_schema(self.instance), text)
        if errors:
            self.add_error("default_text", errors)
        self.instance.default_value = value

    @property
    def changed_data(self) -> list[str]:
        """Name the column of the default, so that it is saved."""
        changed = super().changed_data
        return [*changed, "default_value"] if "default_text" in changed else changed
