"""Inputs of one value: text, dates, numbers, yes or no."""

import re
from collections.abc import Mapping
from datetime import datetime
from math import isfinite
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from crm.records.local_time import explain_missing_time, in_agency_zone
from crm.screens.json_forms.schema import Schema, json_value_text
from crm.text.cleaning import normalize_line_ends
from crm.text.numbers import parse_typed_number
from crm.text.vins import normalize_vin

LONG_TEXT_LENGTH = 500
MIN_ROWS, MAX_ROWS = 3, 20
NUMBER_INPUT = re.compile(r"[-+]?(?=\.?[0-9])[0-9]{0,30}(\.[0-9]{0,30})?([eE][-+]?[0-9]{1,3})?")
OFFSET_AT_END = re.compile(r"T.*[-+][0-9]{2}:[0-9]{2}$")
WHOLE_NUMBER_INPUT = re.compile(r"[-+]?[0-9]+")
BOOLEAN_INPUTS = {"true": True, "on": True, "false": False}
NO_CHOICE_LABEL = "—"
Choices = Mapping[str, str]


class TextInput(forms.CharField):
    """A text exactly as typed."""

    wide = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, strip=False, **kwargs)

    def to_python(self, value: Any) -> Any:
        return self.parse(normalize_line_ends(str(value or "")))

    def parse(self, text: str) -> Any:
        """Return the JSON value that `text` stands for."""
        return text

    def to_input(self, value: Any) -> Any:
        """Return what the input shows for the JSON `value`."""
        return "" if value is None else json_value_text(value)

    def prepare_value(self, value: Any) -> Any:
        return value if isinstance(value, str) else self.to_input(value)

    def keep_if_unchanged(self, typed: Any, saved: Any) -> Any:
        """Return `saved` itself if the input still holds what it showed for it, else `typed`."""
        return saved if typed == self.to_python(self.to_input(saved)) else typed

    @classmethod
    def make_widget(cls, schema: Schema, value: Any, attrs: dict[str, Any]) -> forms.Widget:
        """Return the widget for `value` at first."""
        text = value if isinstance(value, str) else ""
        is_long = schema.get("widget") == "textarea" or schema.get("maxLength", 0) > LONG_TEXT_LENGTH or "\n" in text
        return make_textarea(text, attrs) if is_long else forms.TextInput(attrs)


def make_textarea(text: str, attrs: dict[str, Any]) -> forms.Textarea:
    """Return a text area with room for `text`."""
    return forms.Textarea({**attrs, "rows": min(max(MIN_ROWS, text.count("\n") + 2), MAX_ROWS)})


class OptionalTextInput(TextInput):
    """A date, a decimal or a key as text; null if empty."""

    def parse(self, text: str) -> Any:
        return text.strip() or None


class DateInput(OptionalTextInput):
    """A date."""

    @classmethod
    def make_widget(cls, schema: Schema, value: Any, attrs: dict[str, Any]) -> forms.Widget:
        return super().make_widget(schema, value, {**attrs, "type": "date"})


class VinInput(OptionalTextInput):
    """A vehicle identification number, in capitals and without spaces."""

    def parse(self, text: str) -> Any:
        return normalize_vin(text) or None


class DecimalInput(OptionalTextInput):
    """A decimal, kept as text so that no digit is lost."""

    def parse(self, text: str) -> Any:
        return plain_number_text(text.strip()) or None

    @classmethod
    def make_widget(cls, schema: Schema, value: Any, attrs: dict[str, Any]) -> forms.Widget:
        return super().make_widget(schema, value, {**attrs, "inputmode": "decimal"})


class NumberInput(DecimalInput):
    """A number."""

    is_whole = False

    def parse(self, text: str) -> Any:
        text = plain_number_text(text.strip())
        is_whole = WHOLE_NUMBER_INPUT.fullmatch(text)
        if not is_finite_number(text) or (self.is_whole and not is_whole):
            return text or None
        return int(text) if is_whole else float(text)


class WholeNumberInput(NumberInput):
    """A whole number."""

    is_whole = True


def plain_number_text(text: str) -> str:
    """Return `text` as JSON writes a number ("1200" for "$1,200"), or unchanged if it is none."""
    number = None if NUMBER_INPUT.fullmatch(text) else parse_typed_number(text)
    if number is None:
        return text
    return f"{number.to_integral_value() if number == number.to_integral_value() else number:f}"


def is_finite_number(text: str) -> bool:
    return NUMBER_INPUT.fullmatch(text) is not None and isfinite(float(text))


class YesNoInput(TextInput):
    """Yes, no, or not answered."""

    def parse(self, text: str) -> Any:
        return BOOLEAN_INPUTS.get(text.strip(), text.strip() or None)

    @classmethod
    def make_widget(cls, schema: Schema, value: Any, attrs: dict[str, Any]) -> forms.Widget:
        return forms.Select(choices=select_options({"true": "Yes", "false": "No"}, value))


class DateTimeInput(TextInput):
    """A date and time in the reader's time zone; one without a zone is read as the agency's."""

    def parse(self, text: str) -> Any:
        try:
            moment = parse_datetime(text.strip())
        except ValueError:
            moment = None
        if moment is None:
            return text.strip() or None
        if timezone.is_aware(moment):
            return moment.isoformat()
        if missing := explain_missing_time(moment):
            raise ValidationError(missing)
        return timezone.make_aware(moment).isoformat()

    def to_input(self, value: Any) -> str:
        moment = parse_datetime(value) if isinstance(value, str) else value
        if not isinstance(moment, datetime):
            return super().to_input(value)
        local = timezone.localtime(in_agency_zone(moment))
        # The second of two equal hours at a time change needs its offset: without one it would become the first.
        return local.isoformat(timespec="minutes") if local.fold else local.strftime("%Y-%m-%dT%H:%M")

    def prepare_value(self, value: Any) -> Any:
        return self.to_input(value)

    @classmethod
    def make_widget(cls, schema: Schema, value: Any, attrs: dict[str, Any]) -> forms.Widget:
        return forms.TextInput({**attrs, "type": datetime_input_type(cls().to_input(value))})


def datetime_input_type(text: str) -> str:
    """Return the type of the input for `text`; the browser's own input cannot hold an offset."""
    return "text" if OFFSET_AT_END.search(text) else "datetime-local"


def select_options(choices: Choices, value: Any, blank: str | None = NO_CHOICE_LABEL) -> list[tuple[str, str]]:
    """Return the options of a select: the empty one unless `blank` is None, and `value` even if it is not offered."""
    options = [] if blank is None else [("", blank)]
    text = "" if value is None else json_value_text(value)
    if text and text not in choices:
        options.append((text, f"{text} (no longer offered)"))
    return [*options, *choices.items()]
