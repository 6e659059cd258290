"""The content of a suggestion as inputs, made from its kind's payload: a new kind needs nothing here."""

import json
import types
from collections.abc import Mapping
from contextlib import suppress
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, ClassVar, Literal, Union, get_args, get_origin
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html, format_html_join
from pydantic import AwareDatetime
from pydantic.fields import FieldInfo

from suggestions.choices import LabelCache
from suggestions.kinds import Payload

CONTENT_PREFIX = "content."
MIN_ROWS, MAX_ROWS = 3, 20
MAX_DATETIMES = 10


class TextContentField(forms.CharField):
    """A text as it was typed; other inputs make of it what JSON holds. The payload alone validates."""

    is_multiline: ClassVar[bool] = False
    wide = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, strip=False, **kwargs)

    def to_python(self, value: Any) -> Any:
        return self.parse(str(value or "").replace("\r\n", "\n"))

    def parse(self, text: str) -> Any:
        return text

    def to_input(self, content: Any) -> Any:
        """What the input holds for `content`."""
        return "" if content is None else str(content)

    def prepare_value(self, value: Any) -> Any:
        return value if isinstance(value, str) else self.to_input(value)

    def keep_if_unchanged(self, typed: Any, was: Any) -> Any:
        """`was` itself when what was typed is what the input held for it, else what was typed."""
        return was if typed == self.to_python(self.to_input(was)) else typed


class OptionalTextField(TextContentField):
    """A number or a date: nothing where nothing is typed."""

    def parse(self, text: str) -> Any:
        return text.strip() or None


class DateTimeContentField(TextContentField):
    """A date and time on the clock of the house."""

    def parse(self, text: str) -> Any:
        try:
            moment = parse_datetime(text.strip())
        except ValueError:
            moment = None
        if moment is None:
            return text.strip() or None
        return (moment if timezone.is_aware(moment) else timezone.make_aware(moment)).isoformat()

    def to_input(self, content: Any) -> str:
        moment = parse_datetime(content) if isinstance(content, str) else content
        if not isinstance(moment, datetime):
            return super().to_input(content)
        local = timezone.localtime(moment) if timezone.is_aware(moment) else moment
        return local.strftime("%Y-%m-%dT%H:%M")

    def prepare_value(self, value: Any) -> Any:
        return self.to_input(value)


class DateTimeListWidget(forms.Widget):
    """An input for each of several moments, and room for more."""

    def __init__(self, attrs: dict[str, Any] | None = None, max_count: int = MAX_DATETIMES) -> None:
        self.max_count = max_count
        super().__init__(attrs)

    def value_from_datadict(self, data: Any, files: Any, name: str) -> str:
        return "\n".join(data.getlist(name) if hasattr(data, "getlist") else data.get(name, []))

    def render(self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None) -> str:
        values = str(value or "").split()
        room = max(len(values), min(self.max_count, max(MIN_ROWS, len(values) + 1)))
        key = (attrs or {}).get("id", name)
        inputs = (
            (name, f"{key}_{number}" if number else key, number + 1, values[number] if number < len(values) else "")
            for number in range(room)
        )
        one = '<input type="datetime-local" name="{}" id="{}" aria-label="Time {}" value="{}">'
        return format_html('<span class="moments">{}</span>', format_html_join("", one, inputs))


class DateTimeListField(TextContentField):
    """Several dates and times on the clock of the house."""

    is_multiline = True

    def parse(self, text: str) -> Any:
        return [DateTimeContentField().parse(line) for line in text.split("\n") if line.strip()]

    def to_input(self, content: Any) -> str:
        return (
            "\n".join(map(DateTimeContentField().to_input, content))
            if isinstance(content, list)
            else super().to_input(content)
        )


class LineListField(TextContentField):
    """A list, one entry a line."""

    is_multiline = True

    def parse(self, text: str) -> Any:
        return [line.strip() for line in text.split("\n") if line.strip()]

    def to_input(self, content: Any) -> str:
        return "\n".join(map(str, content)) if isinstance(content, list) else super().to_input(content)


class JsonContentField(TextContentField):
    """Anything else, as JSON."""

    is_multiline = True

    def parse(self, text: str) -> Any:
        try:
            return json.loads(text) if text.strip() else None
        except (ValueError, RecursionError) as error:
            raise ValidationError("This must be JSON.") from error

    def to_input(self, content: Any) -> str:
        return "" if content is None else json.dumps(content, indent=2, ensure_ascii=False)

    def keep_if_unchanged(self, typed: Any, was: Any) -> Any:
        return typed


class CheckboxField(forms.BooleanField):
    """A yes or no."""

    wide = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, **kwargs)

    def to_input(self, content: Any) -> Any:
        return content

    def keep_if_unchanged(self, typed: Any, was: Any) -> Any:
        return typed


NUMBER_ATTRS = {"type": "number", "step": "any"}
FIELD_INPUTS: dict[type, tuple[type[forms.Field], dict[str, str]]] = {
    str: (TextContentField, {}),
    bool: (CheckboxField, {}),
    int: (OptionalTextField, {"type": "number"}),
    float: (OptionalTextField, NUMBER_ATTRS),
    Decimal: (OptionalTextField, NUMBER_ATTRS),
    date: (OptionalTextField, {"type": "date"}),
    datetime: (DateTimeContentField, {"type": "datetime-local"}),
    UUID: (OptionalTextField, {}),
    list: (LineListField, {}),
}


def field_hints(info: FieldInfo) -> dict[str, Any]:
    """What the payload says of how a field is edited."""
    return info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}


def field_label(name: str, info: FieldInfo | None = None) -> str:
    """The title of a field, or its name as people write it: `dueOn` is `Due on`."""
    if info is not None and info.title:
        return info.title
    spaced = "".join(f" {c.lower()}" if c.isupper() else c for c in name)
    return spaced.replace("_", " ").strip().capitalize()


def unwrap_optional(annotation: Any) -> Any:
    """`annotation` without its None."""
    if get_origin(annotation) in {Union, types.UnionType}:
        some = [part for part in get_args(annotation) if part is not type(None)]
        return some[0] if len(some) == 1 else object
    return annotation


def field_choices(info: FieldInfo, names: LabelCache) -> dict[str, str] | None:
    """What a field may be chosen from, value → label; None where anything may be written."""
    wanted = unwrap_optional(info.annotation)
    if source := field_hints(info).get("choices"):
        return names.load_choices(source)
    if get_origin(wanted) is Literal:
        return {str(value): str(value) for value in get_args(wanted)}
    if isinstance(wanted, type) and issubclass(wanted, Enum):
        return {str(member.value): str(getattr(member, "label", member.value)) for member in wanted}
    return None


def build_content_input(name: str, info: FieldInfo, value: Any, names: LabelCache) -> forms.Field:
    """The input of one field of a payload; `value` is what it holds at first."""
    field_kwargs = {"label": field_label(name, info), "help_text": info.description or ""}
    choices = field_choices(info, names)
    if choices is not None:
        return TextContentField(widget=forms.Select(choices=select_options(info, choices, value)), **field_kwargs)
    wanted = unwrap_optional(info.annotation)
    if is_datetime_list(wanted):
        max_count = next((rule.max_length for rule in info.metadata if hasattr(rule, "max_length")), MAX_DATETIMES)
        field = DateTimeListField(widget=DateTimeListWidget(max_count=max_count), **field_kwargs)
        field.wide = True
        return field
    if get_origin(wanted) is list and get_args(wanted)[:1] in [(str,), (date,), (datetime,), (int,), (float,)]:
        wanted = list
    field_class, attrs = FIELD_INPUTS.get(wanted, (JsonContentField, {}))
    if field_class is CheckboxField:
        return CheckboxField(**field_kwargs)
    attrs = {**attrs, **input_limits(info), "autocomplete": "off"}
    long = field_class.is_multiline or field_hints(info).get("widget") == "textarea" or "\n" in str(value or "")
    rows = min(max(MIN_ROWS, str(value or "").count("\n") + 2), MAX_ROWS)
    field = field_class(
        widget=forms.Textarea({**attrs, "rows": rows}) if long else forms.TextInput(attrs), **field_kwargs
    )
    field.wide = long or field_class is TextContentField
    return field


def is_datetime_list(wanted: Any) -> bool:
    """Whether `wanted` is a list of dates and times."""
    return get_origin(wanted) is list and get_args(wanted)[:1] in [(datetime,), (AwareDatetime,)]


def select_options(info: FieldInfo, choices: Mapping[str, str], value: Any) -> list[tuple[str, str]]:
    """The options of a select: none where that is allowed, and what stands there even if it is no longer offered."""
    options = [] if info.is_required() else [("", field_hints(info).get("blank", "—"))]
    if value not in (None, "") and value not in choices:
        options.append((str(value), f"{value} (no longer offered)"))
    return [*options, *choices.items()]


def input_limits(info: FieldInfo) -> dict[str, Any]:
    """What the browser can see to by itself."""
    most = next((rule.max_length for rule in info.metadata if hasattr(rule, "max_length")), None)
    least = next((rule.min_length for rule in info.metadata if hasattr(rule, "min_length")), 0)
    attrs: dict[str, Any] = {"required": True} if info.is_required() and least else {}
    return attrs if most is None or get_origin(info.annotation) is list else {**attrs, "maxlength": most}


def build_content_inputs(
    payload: type[Payload], content: Mapping[str, Any], names: LabelCache
) -> dict[str, forms.Field]:
    """An input for every field of `payload` that may be edited, holding `content`."""
    inputs = {}
    for name, info in payload.model_fields.items():
        if field_hints(info).get("readonly"):
            continue
        value = content.get(name, None if info.is_required() else info.get_default(call_default_factory=True))
        inputs[CONTENT_PREFIX + name] = field = build_content_input(name, info, value, names)
        field.initial = field.to_input(value)
    return inputs


def read_content(
    payload: type[Payload],
    fields: Mapping[str, forms.Field],
    typed: Mapping[str, Any],
    was: Mapping[str, Any],
) -> dict[str, Any]:
    """The content that was typed into `fields`; what is not edited, or was left alone, stays as it `was`."""
    content: dict[str, Any] = {}
    for name, info in payload.model_fields.items():
        key = CONTENT_PREFIX + name
        if key not in fields:
            if name in was:
                content[name] = was[name]
            continue
        value = typed.get(key)
        value = fields[key].keep_if_unchanged(value, was[name]) if name in was else value
        if value is not None or type(None) in get_args(info.annotation):
            content[name] = value
    return content


def readable_fields(payload: type[Payload], content: Any, names: LabelCache) -> list[tuple[str, Any]]:
    """`content` to be read: label and value of each field, in the payload's order, then what it does not know."""
    if not isinstance(content, dict):
        return [("Content", content)]
    labelled = [
        (field_label(name, info), readable_value(info, content[name], names))
        for name, info in payload.model_fields.items()
        if name in content
    ]
    return labelled + [
        (field_label(name), value) for name, value in content.items() if name not in payload.model_fields
    ]


def readonly_fields(payload: type[Payload], content: Any, names: LabelCache) -> list[tuple[str, Any]]:
    """What of `content` is read and not edited: label and value of each such field that holds something."""
    if not isinstance(content, dict):
        return []
    fields = {name: info for name, info in payload.model_fields.items() if field_hints(info).get("readonly")}
    labelled_values = [
        (field_label(name, info), readable_value(info, content.get(name), names)) for name, info in fields.items()
    ]
    return [(label, value) for label, value in labelled_values if value not in (None, "")]


def readable_value(info: FieldInfo, value: Any, names: LabelCache) -> Any:
    """The value of a field as people write it."""
    if is_datetime_list(unwrap_optional(info.annotation)) and isinstance(value, list):
        return [format_datetime(one) for one in value]
    if not isinstance(value, str):
        return value
    if value == "":
        return field_hints(info).get("blank", "")
    wanted = unwrap_optional(info.annotation)
    with suppress(ValueError):
        if kind := field_hints(info).get("record"):
            return names.record_label(kind, UUID(value))
        if wanted is date:
            return f"{date.fromisoformat(value):%-d %b %Y}"
        if wanted is datetime:
            return format_datetime(value)
    return (field_choices(info, names) or {}).get(value, value)


def format_datetime(value: Any) -> Any:
    """A date and time as people write it; anything else as it is."""
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return value
    return f"{timezone.localtime(moment) if timezone.is_aware(moment) else moment:%-d %b %Y, %H:%M}"
