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

from suggestions.choices import Names
from suggestions.kinds import Payload

PREFIX = "content."
LEAST_ROWS, MOST_ROWS = 3, 20
MOST_MOMENTS = 10


class Text(forms.CharField):
    """A text as it was typed; other inputs make of it what JSON holds. The payload alone validates."""

    many: ClassVar[bool] = False
    wide = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, strip=False, **kwargs)

    def to_python(self, value: Any) -> Any:
        return self.read(str(value or "").replace("\r\n", "\n"))

    def read(self, text: str) -> Any:
        return text

    def shown(self, content: Any) -> Any:
        """What the input holds for `content`."""
        return "" if content is None else str(content)

    def prepare_value(self, value: Any) -> Any:
        return value if isinstance(value, str) else self.shown(value)

    def kept(self, typed: Any, was: Any) -> Any:
        """`was` itself when what was typed is what the input held for it, else what was typed."""
        return was if typed == self.to_python(self.shown(was)) else typed


class Plain(Text):
    """A number or a date: nothing where nothing is typed."""

    def read(self, text: str) -> Any:
        return text.strip() or None


class Moment(Text):
    """A date and time on the clock of the house."""

    def read(self, text: str) -> Any:
        try:
            moment = parse_datetime(text.strip())
        except ValueError:
            moment = None
        if moment is None:
            return text.strip() or None
        return (moment if timezone.is_aware(moment) else timezone.make_aware(moment)).isoformat()

    def shown(self, content: Any) -> str:
        moment = parse_datetime(content) if isinstance(content, str) else content
        if not isinstance(moment, datetime):
            return super().shown(content)
        local = timezone.localtime(moment) if timezone.is_aware(moment) else moment
        return local.strftime("%Y-%m-%dT%H:%M")

    def prepare_value(self, value: Any) -> Any:
        return self.shown(value)


class MomentInputs(forms.Widget):
    """An input for each of several moments, and room for more."""

    def __init__(self, attrs: dict[str, Any] | None = None, most: int = MOST_MOMENTS) -> None:
        self.most = most
        super().__init__(attrs)

    def value_from_datadict(self, data: Any, files: Any, name: str) -> str:
        return "\n".join(data.getlist(name) if hasattr(data, "getlist") else data.get(name, []))

    def render(self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None) -> str:
        held = str(value or "").split()
        room = max(len(held), min(self.most, max(LEAST_ROWS, len(held) + 1)))
        key = (attrs or {}).get("id", name)
        inputs = (
            (name, f"{key}_{number}" if number else key, number + 1, held[number] if number < len(held) else "")
            for number in range(room)
        )
        one = '<input type="datetime-local" name="{}" id="{}" aria-label="Time {}" value="{}">'
        return format_html('<span class="moments">{}</span>', format_html_join("", one, inputs))


class Moments(Text):
    """Several dates and times on the clock of the house."""

    many = True

    def read(self, text: str) -> Any:
        return [Moment().read(line) for line in text.split("\n") if line.strip()]

    def shown(self, content: Any) -> str:
        return "\n".join(map(Moment().shown, content)) if isinstance(content, list) else super().shown(content)


class Lines(Text):
    """A list, one entry a line."""

    many = True

    def read(self, text: str) -> Any:
        return [line.strip() for line in text.split("\n") if line.strip()]

    def shown(self, content: Any) -> str:
        return "\n".join(map(str, content)) if isinstance(content, list) else super().shown(content)


class Structure(Text):
    """Anything else, as JSON."""

    many = True

    def read(self, text: str) -> Any:
        try:
            return json.loads(text) if text.strip() else None
        except (ValueError, RecursionError) as error:
            raise ValidationError("This must be JSON.") from error

    def shown(self, content: Any) -> str:
        return "" if content is None else json.dumps(content, indent=2, ensure_ascii=False)

    def kept(self, typed: Any, was: Any) -> Any:
        return typed


class Truth(forms.BooleanField):
    """A yes or no."""

    wide = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, **kwargs)

    def shown(self, content: Any) -> Any:
        return content

    def kept(self, typed: Any, was: Any) -> Any:
        return typed


NUMBER = {"type": "number", "step": "any"}
INPUTS: dict[type, tuple[type[forms.Field], dict[str, str]]] = {
    str: (Text, {}),
    bool: (Truth, {}),
    int: (Plain, {"type": "number"}),
    float: (Plain, NUMBER),
    Decimal: (Plain, NUMBER),
    date: (Plain, {"type": "date"}),
    datetime: (Moment, {"type": "datetime-local"}),
    UUID: (Plain, {}),
    list: (Lines, {}),
}


def hints(info: FieldInfo) -> dict[str, Any]:
    """What the payload says of how a field is edited."""
    return info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}


def label_of(name: str, info: FieldInfo | None = None) -> str:
    """The title of a field, or its name as people write it: `dueOn` is `Due on`."""
    if info is not None and info.title:
        return info.title
    spaced = "".join(f" {c.lower()}" if c.isupper() else c for c in name)
    return spaced.replace("_", " ").strip().capitalize()


def plain_type(annotation: Any) -> Any:
    """`annotation` without its None."""
    if get_origin(annotation) in {Union, types.UnionType}:
        some = [part for part in get_args(annotation) if part is not type(None)]
        return some[0] if len(some) == 1 else object
    return annotation


def choices_of(info: FieldInfo, names: Names) -> dict[str, str] | None:
    """What a field may be chosen from, value → label; None where anything may be written."""
    wanted = plain_type(info.annotation)
    if source := hints(info).get("choices"):
        return names.of(source)
    if get_origin(wanted) is Literal:
        return {str(value): str(value) for value in get_args(wanted)}
    if isinstance(wanted, type) and issubclass(wanted, Enum):
        return {str(member.value): str(getattr(member, "label", member.value)) for member in wanted}
    return None


def input_for(name: str, info: FieldInfo, value: Any, names: Names) -> forms.Field:
    """The input of one field of a payload; `value` is what it holds at first."""
    made_for = {"label": label_of(name, info), "help_text": info.description or ""}
    choices = choices_of(info, names)
    if choices is not None:
        return Text(widget=forms.Select(choices=offered(info, choices, value)), **made_for)
    wanted = plain_type(info.annotation)
    if is_moments(wanted):
        most = next((rule.max_length for rule in info.metadata if hasattr(rule, "max_length")), MOST_MOMENTS)
        field = Moments(widget=MomentInputs(most=most), **made_for)
        field.wide = True
        return field
    if get_origin(wanted) is list and get_args(wanted)[:1] in [(str,), (date,), (datetime,), (int,), (float,)]:
        wanted = list
    field_class, attrs = INPUTS.get(wanted, (Structure, {}))
    if field_class is Truth:
        return Truth(**made_for)
    attrs = {**attrs, **limits(info), "autocomplete": "off"}
    long = field_class.many or hints(info).get("widget") == "textarea" or "\n" in str(value or "")
    rows = min(max(LEAST_ROWS, str(value or "").count("\n") + 2), MOST_ROWS)
    field = field_class(widget=forms.Textarea({**attrs, "rows": rows}) if long else forms.TextInput(attrs), **made_for)
    field.wide = long or field_class is Text
    return field


def is_moments(wanted: Any) -> bool:
    """Whether `wanted` is a list of dates and times."""
    return get_origin(wanted) is list and get_args(wanted)[:1] in [(datetime,), (AwareDatetime,)]


def offered(info: FieldInfo, choices: Mapping[str, str], value: Any) -> list[tuple[str, str]]:
    """The options of a select: none where that is allowed, and what stands there even if it is no longer offered."""
    options = [] if info.is_required() else [("", hints(info).get("blank", "—"))]
    if value not in (None, "") and value not in choices:
        options.append((str(value), f"{value} (no longer offered)"))
    return [*options, *choices.items()]


def limits(info: FieldInfo) -> dict[str, Any]:
    """What the browser can see to by itself."""
    most = next((rule.max_length for rule in info.metadata if hasattr(rule, "max_length")), None)
    least = next((rule.min_length for rule in info.metadata if hasattr(rule, "min_length")), 0)
    attrs: dict[str, Any] = {"required": True} if info.is_required() and least else {}
    return attrs if most is None or get_origin(info.annotation) is list else {**attrs, "maxlength": most}


def inputs_of(payload: type[Payload], content: Mapping[str, Any], names: Names) -> dict[str, forms.Field]:
    """An input for every field of `payload` that may be edited, holding `content`."""
    found = {}
    for name, info in payload.model_fields.items():
        if hints(info).get("readonly"):
            continue
        value = content.get(name, None if info.is_required() else info.get_default(call_default_factory=True))
        found[PREFIX + name] = field = input_for(name, info, value, names)
        field.initial = field.shown(value)
    return found


def content_from(
    payload: type[Payload],
    fields: Mapping[str, forms.Field],
    typed: Mapping[str, Any],
    was: Mapping[str, Any],
) -> dict[str, Any]:
    """The content that was typed into `fields`; what is not edited, or was left alone, stays as it `was`."""
    content: dict[str, Any] = {}
    for name, info in payload.model_fields.items():
        key = PREFIX + name
        if key not in fields:
            if name in was:
                content[name] = was[name]
            continue
        value = typed.get(key)
        value = fields[key].kept(value, was[name]) if name in was else value
        if value is not None or type(None) in get_args(info.annotation):
            content[name] = value
    return content


def told_of(payload: type[Payload], content: Any, names: Names) -> list[tuple[str, Any]]:
    """`content` to be read: label and value of each field, in the payload's order, then what it does not know."""
    if not isinstance(content, dict):
        return [("Content", content)]
    known = [
        (label_of(name, info), readable(info, content[name], names))
        for name, info in payload.model_fields.items()
        if name in content
    ]
    return known + [(label_of(name), value) for name, value in content.items() if name not in payload.model_fields]


def fixed_of(payload: type[Payload], content: Any, names: Names) -> list[tuple[str, Any]]:
    """What of `content` is read and not edited: label and value of each such field that holds something."""
    if not isinstance(content, dict):
        return []
    fields = {name: info for name, info in payload.model_fields.items() if hints(info).get("readonly")}
    told = [(label_of(name, info), readable(info, content.get(name), names)) for name, info in fields.items()]
    return [(label, value) for label, value in told if value not in (None, "")]


def readable(info: FieldInfo, value: Any, names: Names) -> Any:
    """The value of a field as people write it."""
    if is_moments(plain_type(info.annotation)) and isinstance(value, list):
        return [said_moment(one) for one in value]
    if not isinstance(value, str):
        return value
    if value == "":
        return hints(info).get("blank", "")
    wanted = plain_type(info.annotation)
    with suppress(ValueError):
        if kind := hints(info).get("record"):
            return names.record(kind, UUID(value))
        if wanted is date:
            return f"{date.fromisoformat(value):%-d %b %Y}"
        if wanted is datetime:
            return said_moment(value)
    return (choices_of(info, names) or {}).get(value, value)


def said_moment(value: Any) -> Any:
    """A date and time as people write it; anything else as it is."""
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return value
    return f"{timezone.localtime(moment) if timezone.is_aware(moment) else moment:%-d %b %Y, %H:%M}"
