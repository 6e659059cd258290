"""The questions in the JSON Schema of a line's form, and its changes. Pure: no database.

A change touches only the keywords that it is about; every other keyword of a schema stays. Beside the hints of
`crm/screens/json_forms/schema.py` a question may have `retired`: true if it is no longer asked. Its answers stay. Its
`default` is what the form of a new record begins with; stored answers never get it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from crm.models import CustomFieldKind
from crm.models.custom_field import REFERENCE_TABLES
from crm.records.custom_fields.schemas import MAX_TEXT_LENGTH, SCHEMA_BY_KIND
from crm.screens.json_forms.display import CURRENCY_UNITS
from crm.screens.json_forms.schema import (
    Schema,
    choice_label,
    is_choice_list,
    is_object_list,
    ordered_properties,
    property_label,
    without_keys,
)

GROUP, WHOLE_NUMBER, OTHER = "group", "whole_number", "other"
# A question is asked of people outside as well, who know no records.
KINDS_OF_VALUES = {kind: label for kind, label in CustomFieldKind.choices if kind not in REFERENCE_TABLES}
EMPTY_OBJECT: Schema = {"type": "object", "properties": {}, "propertyOrder": []}
SCHEMA_BY_QUESTION_KIND: dict[str, Schema] = {
    **{kind: SCHEMA_BY_KIND[kind] for kind in KINDS_OF_VALUES},
    WHOLE_NUMBER: {"type": "integer"},
    GROUP: {"type": "array", "items": EMPTY_OBJECT},
}
QUESTION_KINDS = {**KINDS_OF_VALUES, WHOLE_NUMBER: "Whole number", GROUP: "Repeated group"}
UNIT_KINDS = frozenset({CustomFieldKind.NUMBER.value, WHOLE_NUMBER})
KIND_BY_FORMAT = {
    "date": CustomFieldKind.DATE.value,
    "date-time": CustomFieldKind.DATE_TIME.value,
    "link": CustomFieldKind.LINK.value,
    "email": CustomFieldKind.EMAIL.value,
    "phone": CustomFieldKind.PHONE.value,
}
# What a person reads, and nothing that decides whether an answer fits. `form_shape` of the database has the same list.
HINTS = frozenset(
    {"title", "description", "propertyOrder", "section", "retired", "retiredChoices", "labels", "unit", "widget"}
    | {"spareRows", "default"}
)
KIND_KEYWORDS = ("type", "format", "enum", "labels", "retiredChoices", "items", "uniqueItems", "widget", "maxLength")
LIMITS = frozenset({"minimum", "maximum", "maxLength"})
EDITED_KEYWORDS = frozenset({*HINTS, *KIND_KEYWORDS})


@dataclass(frozen=True)
class Question:
    """A question of a line's form; `group` is the key of the repeated group that it belongs to, or empty."""

    key: str
    schema: Schema
    group: str
    is_required: bool

    @property
    def label(self) -> str:
        return property_label(self.key, self.schema)

    @property
    def kind(self) -> str:
        return kind_of(self.schema)

    @property
    def kind_label(self) -> str:
        return QUESTION_KINDS.get(self.kind, "Advanced")

    @property
    def is_retired(self) -> bool:
        return bool(self.schema.get("retired"))

    @property
    def section(self) -> str:
        return self.schema.get("section", "")

    @property
    def choices(self) -> list[dict[str, Any]]:
        """The choices as rows: the stored value, its label, and whether it is retired."""
        return choice_rows(self.schema.get("items", {}) if self.kind == CustomFieldKind.CHOICES else self.schema)

    @property
    def has_default(self) -> bool:
        """Whether a new form begins with an answer. Entries of groups begin empty: each spare one would be stored."""
        if self.is_retired or self.group or self.kind in {GROUP, OTHER} or "default" not in self.schema:
            return False
        default = self.schema["default"]
        retired = {row["value"] for row in self.choices if row["retired"]}
        return not any(one in retired for one in (default if isinstance(default, list) else [default]))

    @property
    def advanced(self) -> Schema:
        """The keywords that the editor keeps and does not edit."""
        kept = set(self.schema) if self.kind == OTHER else set(self.schema) - EDITED_KEYWORDS
        usual_length = SCHEMA_BY_QUESTION_KIND.get(self.kind, {}).get("maxLength")
        if self.schema.get("maxLength", usual_length) != usual_length:
            kept.add("maxLength")
        if self.group and "default" in self.schema:
            kept.add("default")
        return {key: self.schema[key] for key in sorted(kept - {"title", "description", "section", "retired"})}

    @property
    def is_advanced(self) -> bool:
        """Whether the question has more than limits that only JSON can change."""
        return bool(self.advanced.keys() - LIMITS)


def kind_of(schema: Schema) -> str:
    """Return the kind of question that `schema` describes; `OTHER` where only JSON can say it."""
    kind = schema.get("type")
    if kind == "array":
        if is_object_list(schema):
            return GROUP
        return CustomFieldKind.CHOICES.value if is_choice_list(schema) and has_text_choices(schema["items"]) else OTHER
    if "enum" in schema:
        return CustomFieldKind.CHOICE.value if has_text_choices(schema) else OTHER
    if kind == "number":
        return CustomFieldKind.MONEY.value if schema.get("unit") in CURRENCY_UNITS else CustomFieldKind.NUMBER.value
    if kind == "string":
        return text_kind(schema)
    return {"integer": WHOLE_NUMBER, "boolean": CustomFieldKind.YES_NO.value}.get(kind, OTHER)


def has_text_choices(schema: Schema) -> bool:
    return schema.get("type", "string") == "string" and all(isinstance(one, str) for one in schema["enum"])


def text_kind(schema: Schema) -> str:
    is_long = schema.get("widget") == "textarea" or schema.get("maxLength", 0) > MAX_TEXT_LENGTH
    plain = CustomFieldKind.LONG_TEXT if is_long else CustomFieldKind.TEXT
    return KIND_BY_FORMAT.get(schema.get("format", ""), plain.value)


def choice_rows(schema: Schema) -> list[dict[str, Any]]:
    retired = schema.get("retiredChoices", [])
    return [
        {"value": value, "label": choice_label(value, schema), "retired": value in retired}
        for value in schema.get("enum", [])
    ]


def with_choices(schema: Schema, rows: list[dict[str, Any]]) -> Schema:
    """Return `schema` with the choices in `rows`; a label that the value itself gives is not stored."""
    labels = {row["value"]: row["label"] for row in rows if row["label"] != choice_label(row["value"])}
    retired = [row["value"] for row in rows if row.get("retired")]
    hints = {key: value for key, value in (("labels", labels), ("retiredChoices", retired)) if value}
    kept = without_keys(schema, "labels", "retiredChoices")
    return {**kept, "type": "string", "enum": [row["value"] for row in rows], **hints}


def with_choices_of_kind(schema: Schema, kind: str, rows: list[dict[str, Any]]) -> Schema:
    """Return `schema` of `kind` with the choices in `rows`; unchanged if the kind has none."""
    if kind == CustomFieldKind.CHOICES:
        return {**schema, "items": with_choices(schema["items"], rows)}
    return with_choices(schema, rows) if kind == CustomFieldKind.CHOICE else schema


def of_kind(schema: Schema, kind: str) -> Schema:
    """Return `schema` as a question of `kind`; keywords that no kind sets stay."""
    if kind == kind_of(schema):
        return schema
    hints = without_keys(schema, *KIND_KEYWORDS, "unit")
    return {**hints, **SCHEMA_BY_QUESTION_KIND[kind]}


def with_hints(schema: Schema, **hints: Any) -> Schema:
    """Return `schema` with those `hints` that have a value, and without the others."""
    return {**without_keys(schema, *hints), **{key: value for key, value in hints.items() if value}}


# The form and its repeated groups


def container(form: Schema, group: str) -> Schema:
    """Return the object with the questions of `group`, or the form itself; KeyError if there is no such group."""
    if not group:
        return form
    schema = form.get("properties", {})[group]
    if not is_object_list(schema):
        raise KeyError(group)
    return schema["items"]


def with_container(form: Schema, group: str, changed: Schema) -> Schema:
    """Return `form` with the object of `group` replaced."""
    if not group:
        return changed
    properties = {**form["properties"], group: {**form["properties"][group], "items": changed}}
    return {**form, "properties": properties}


def questions_of(form: Schema, group: str = "") -> list[Question]:
    """Return the questions of a form or of its repeated group, in order, retired ones included."""
    outer = container(form, group)
    required = outer.get("required", [])
    return [Question(key, inner, group, key in required) for key, inner in ordered_properties(outer).items()]


def find_question(form: Schema, group: str, key: str) -> Question:
    """Return a question; KeyError if there is none."""
    return {question.key: question for question in questions_of(form, group)}[key]


def all_questions(form: Schema) -> Iterator[Question]:
    """Yield every question, each repeated group before its own questions."""
    for question in questions_of(form):
        yield question
        if question.kind == GROUP:
            yield from questions_of(form, question.key)


def put_question(form: Schema, question: Question) -> Schema:
    """Return `form` with `question` in place of the one with its key, or as its last."""
    outer = container(form, question.group)
    order = list(ordered_properties(outer))
    changed = {**outer, "properties": {**outer.get("properties", {}), question.key: question.schema}}
    if question.key not in order:
        changed |= {"type": "object", "propertyOrder": [*order, question.key]}
    required = [key for key in outer.get("required", []) if key != question.key]
    if question.is_required != (question.key in outer.get("required", [])):
        required += [question.key] if question.is_required else []
        changed = with_hints(changed, required=required)
    return with_container(form, question.group, changed)


def move_question(form: Schema, group: str, key: str, step: int) -> Schema:
    """Return `form` with a question moved by `step` places, as far as there is room; KeyError if there is none."""
    outer = container(form, group)
    order = list(ordered_properties(outer))
    if key not in order:
        raise KeyError(key)
    position = max(0, order.index(key) + step)
    order.remove(key)
    order.insert(position, key)
    return with_container(form, group, {**outer, "propertyOrder": order})


def retire_question(form: Schema, group: str, key: str, *, is_retired: bool) -> Schema:
    """Return `form` with a question retired or brought back; KeyError if there is none."""
    question = find_question(form, group, key)
    changed = with_hints(question.schema, retired=is_retired)
    return put_question(form, Question(key, changed, group, question.is_required))


def asked_questions(form: Schema) -> Schema:
    """Return `form` without its retired questions, as its inputs are made from it."""
    if "items" in form:
        return {**form, "items": asked_questions(form["items"])}
    if "properties" not in form:
        return form
    properties = {key: asked_questions(inner) for key, inner in form["properties"].items() if not inner.get("retired")}
    required = [key for key in form.get("required", []) if key in properties]
    return with_hints({**form, "properties": properties}, required=required)


def default_answers(form: Schema) -> dict[str, Any]:
    """Return the answers that a new form begins with; a retired question or choice is no default."""
    defaults = {question.key: question.schema.get("default") for question in questions_of(form) if question.has_default}
    return {key: value for key, value in defaults.items() if value not in (None, "", [], {})}


def shape_of(schema: Any) -> Any:
    """Return what of `schema` decides whether answers fit: everything but hints."""
    if not isinstance(schema, dict):
        return schema
    shape = {key: value for key, value in schema.items() if key not in HINTS}
    if isinstance(schema.get("properties"), dict):
        shape["properties"] = {key: shape_of(inner) for key, inner in schema["properties"].items()}
    if "items" in schema:
        shape["items"] = shape_of(schema["items"])
    return shape
