"""The forms of a line: its name and use, one of its questions, and its whole form as JSON."""

import json
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from crm.models.custom_field import KINDS_WITH_CHOICES
from crm.schema.forms import (
    DEFAULT_NOTATION,
    WITH_CHOICES,
    ChoicesField,
    DefaultTextField,
    default_as_text,
    key_from_label,
    read_default,
)
from crm.screens.json_forms.schema import Schema, without_keys
from leads.lines.form_rules import MAX_FORM_LENGTH, form_problem, key_problem
from leads.lines.questions import (
    GROUP,
    OTHER,
    QUESTION_KINDS,
    UNIT_KINDS,
    Question,
    find_question,
    of_kind,
    put_question,
    questions_of,
    with_choices_of_kind,
    with_hints,
)
from leads.models import InsuranceType

# An attribute of the select of kinds: crm.js shows the unit only for these kinds.
WITH_UNIT = {"data-with-unit": " ".join(sorted(UNIT_KINDS))}


class InsuranceTypeForm(forms.ModelForm):
    """Name a line and say where it is used. Its questions have pages of their own."""

    class Meta:
        model = InsuranceType
        fields = ("name", "code", "is_personal", "is_commercial", "description", "is_active")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "code" in self.fields:
            self.fields["code"].required = False
            self.fields["code"].help_text = "Made from the name if empty. It cannot be changed later."

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if "code" in self.fields and "code" not in self.errors and not cleaned.get("code") and cleaned.get("name"):
            cleaned["code"] = key_from_label(cleaned["name"])[:40]
            if not cleaned["code"].isascii() or not cleaned["code"]:
                self.add_error("code", "Enter a code: the name has no plain letters to make one from.")
        return cleaned


class QuestionForm(forms.Form):
    """Add a question to a form or to its repeated group, or change one. The key is chosen once."""

    label = forms.CharField(label="Question", max_length=100, widget=UnfoldAdminTextInputWidget)
    key = forms.CharField(
        label="Key",
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="Made from the question if empty. Answers are stored under it, and it cannot be changed later.",
    )
    kind = forms.ChoiceField(label="Kind", widget=UnfoldAdminSelectWidget(attrs={**WITH_CHOICES, **WITH_UNIT}))
    unit = forms.CharField(
        label="Unit of a number",
        max_length=20,
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="Such as miles. Money has its own kind.",
    )
    description = forms.CharField(label="Help text", max_length=200, required=False, widget=UnfoldAdminTextInputWidget)
    section = forms.CharField(
        label="Section",
        max_length=80,
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="A heading above the questions of one section, which stand together.",
    )
    default_text = DefaultTextField(
        help_text=f"What the form of a new lead or policy begins with: {DEFAULT_NOTATION}. Stored answers stay."
    )
    is_required = forms.BooleanField(
        label="Required",
        required=False,
        widget=UnfoldBooleanWidget,
        help_text="Once another question of the line is answered.",
    )

    def __init__(self, data: Any, form: Schema, group: str, question: Question | None) -> None:
        self.form_before, self.group, self.question = form, group, question
        super().__init__(data, initial=question_initial(question) if question else {"kind": "text"})
        kind = question.kind if question else ""
        if kind != GROUP:
            self.fields["choices"] = ChoicesField(label="Choices", has_colours=False)
        if kind == GROUP or group:
            del self.fields["section"]
        if kind in {GROUP, OTHER} or group:
            del self.fields["default_text"]
        self.fields["kind"].choices = [
            (value, label) for value, label in QUESTION_KINDS.items() if value != GROUP or not (question or group)
        ]
        if kind in {GROUP, OTHER}:
            for name in {"kind", "unit", "choices"} & set(self.fields):
                del self.fields[name]
        if question:
            del self.fields["key"]

    def clean_key(self) -> str:
        key = self.cleaned_data["key"].strip() or key_from_label(self.cleaned_data.get("label", ""))
        if not key:
            raise ValidationError("Enter a key: the question has no letters to make one from.")
        if problem := key_problem(key):
            raise ValidationError(problem)
        if key in {question.key for question in questions_of(self.form_before, self.group)}:
            raise ValidationError(f"The key “{key}” is used already. Choose another one, or bring its question back.")
        return key

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if cleaned.get("kind") in KINDS_WITH_CHOICES and not cleaned.get("choices") and "choices" not in self.errors:
            self.add_error("choices", "Enter the choices.")
        if cleaned.get("choices") and cleaned.get("kind") and cleaned["kind"] not in KINDS_WITH_CHOICES:
            self.add_error("choices", "Only the kinds “Choice” and “Several choices” have choices. Empty the rows.")
        if cleaned.get("default_text") and not self.errors:
            self.check_default(cleaned)
        return cleaned

    def check_default(self, cleaned: dict[str, Any]) -> None:
        """Refuse a default that does not answer the question; keep it as a value."""
        if cleaned.get("kind") == GROUP:
            self.add_error("default_text", "A repeated group has no default. Empty this field.")
            return
        schema = self.changed_schema(cleaned)
        cleaned["default"], errors = read_default(schema, cleaned["default_text"].strip())
        choices = [row for row in cleaned.get("choices", []) if row["retired"]]
        if any(row["value"] in as_list(cleaned["default"]) for row in choices):
            errors = ["This choice is retired. Choose another default."]
        if errors:
            self.add_error("default_text", errors)

    def changed_schema(self, cleaned: dict[str, Any]) -> Schema:
        """Return the schema of the question with its kind, choices and unit."""
        schema = dict(self.question.schema) if self.question else {}
        if kind := cleaned.get("kind"):
            schema = of_kind(schema, kind)
            schema = with_choices_of_kind(schema, kind, cleaned.get("choices", []))
            if kind in UNIT_KINDS:
                schema = with_hints(schema, unit=cleaned["unit"].strip())
        return schema

    def changed_form(self) -> Schema:
        """Return the line's form with this question; the form is valid."""
        cleaned, question = self.cleaned_data, self.question
        schema = self.changed_schema(cleaned)
        if "default_text" in self.fields:
            schema = without_keys(schema, "default")
            schema |= {"default": cleaned["default"]} if cleaned.get("default") is not None else {}
        hints = {name: cleaned[name].strip() for name in ("description", "section") if name in cleaned}
        schema = with_hints(schema, **hints)
        if question is None or cleaned["label"] != question.label:
            schema["title"] = cleaned["label"]
        key = question.key if question else cleaned["key"]
        return put_question(self.form_before, Question(key, schema, self.group, cleaned["is_required"]))


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def question_initial(question: Question) -> dict[str, Any]:
    return {
        "label": question.label,
        "kind": question.kind,
        "unit": question.schema.get("unit", ""),
        "description": question.schema.get("description", ""),
        "section": question.section,
        "is_required": question.is_required,
        "default_text": default_as_text(question.schema, question.schema.get("default"))
        if question.has_default
        else "",
        "choices": question.choices if question.kind in KINDS_WITH_CHOICES else [],
    }


class FormAsJson(forms.Form):
    """The whole form of a line as a JSON Schema."""

    text = forms.CharField(
        label="JSON Schema",
        max_length=MAX_FORM_LENGTH,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 30, "spellcheck": "false"}),
    )

    def clean_text(self) -> Schema:
        try:
            form = json.loads(self.cleaned_data["text"])
        except RecursionError as error:
            raise ValidationError("The form is nested too many levels deep.") from error
        except ValueError as error:
            raise ValidationError(f"This is not JSON: {error}") from error
        if problem := form_problem(form):
            raise ValidationError(problem)
        return form


def existing_question(form: Schema, group: str, key: str) -> Question | None:
    """Return the question with `key`, None for a new one; KeyError if there is no such group or question."""
    if key:
        return find_question(form, group, key)
    questions_of(form, group)
    return None
