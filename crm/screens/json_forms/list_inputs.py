"""Inputs of several values: lines, choices, dates and times."""

from typing import Any

from django import forms
from django.utils.html import format_html, format_html_join

from crm.screens.json_forms.schema import Schema, choice_label, offered_choices
from crm.screens.json_forms.text_inputs import DateTimeInput, TextInput, datetime_input_type, make_textarea

MIN_DATETIMES, MAX_DATETIMES = 3, 10


class DateTimeListWidget(forms.Widget):
    """An input for each date and time, and spare ones."""

    def __init__(self, attrs: dict[str, Any] | None = None, max_count: int = MAX_DATETIMES) -> None:
        self.max_count = max_count
        super().__init__(attrs)

    def value_from_datadict(self, data: Any, files: Any, name: str) -> str:
        return "\n".join(data.getlist(name) if hasattr(data, "getlist") else data.get(name, []))

    def render(self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None) -> str:
        values = str(value or "").split()
        room = max(len(values), min(self.max_count, max(MIN_DATETIMES, len(values) + 1)))
        key = (attrs or {}).get("id", name)
        values += [""] * (room - len(values))
        inputs = (
            (datetime_input_type(text), name, f"{key}_{number}" if number else key, number + 1, text)
            for number, text in enumerate(values)
        )
        one = '<input type="{}" name="{}" id="{}" aria-label="Time {}" value="{}">'
        return format_html('<span class="moments">{}</span>', format_html_join("", one, inputs))


class LineListInput(TextInput):
    """A list, one entry a line."""

    def parse(self, text: str) -> Any:
        return [line.strip() for line in text.split("\n") if line.strip()]

    def to_input(self, value: Any) -> str:
        return "\n".join(map(str, value)) if isinstance(value, list) else super().to_input(value)

    @classmethod
    def make_widget(cls, schema: Schema, value: Any, attrs: dict[str, Any]) -> forms.Widget:
        return make_textarea("\n" * len(value) if isinstance(value, list) else "", attrs)


class DateTimeListInput(LineListInput):
    """Several dates and times in the agency's time zone."""

    def parse(self, text: str) -> Any:
        return [DateTimeInput().parse(line) for line in super().parse(text)]

    def to_input(self, value: Any) -> str:
        return super().to_input([DateTimeInput().to_input(one) for one in value] if isinstance(value, list) else value)

    @classmethod
    def make_widget(cls, schema: Schema, value: Any, attrs: dict[str, Any]) -> forms.Widget:
        return DateTimeListWidget(max_count=schema.get("maxItems", MAX_DATETIMES))


class CheckboxList(forms.CheckboxSelectMultiple):
    """A checkbox for each choice."""

    template_name = "crm/choice_list_widget.html"


class ChoiceListWidget(CheckboxList):
    """A checkbox for each choice. What it sends is one text, a choice a line."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> str:
        return "\n".join(data.getlist(name) if hasattr(data, "getlist") else data.get(name, []))

    def format_value(self, value: Any) -> list[str]:
        return str(value or "").split("\n")

    def id_for_label(self, id_: str, index: str | None = None) -> str:
        return super().id_for_label(id_, index or "0")


class ChoiceListInput(LineListInput):
    """Several choices."""

    @classmethod
    def make_widget(cls, schema: Schema, value: Any, attrs: dict[str, Any]) -> forms.Widget:
        items = schema["items"]
        saved = [one for one in value or [] if isinstance(one, str)] if isinstance(value, list) else []
        codes = dict.fromkeys([*offered_choices(items), *saved])
        return ChoiceListWidget(choices=[(code, choice_label(code, items)) for code in codes])


class CommaListInput(TextInput):
    """A list in one line, separated by commas."""

    def parse(self, text: str) -> Any:
        return [entry.strip() for entry in text.split(",") if entry.strip()]

    def to_input(self, value: Any) -> str:
        return ", ".join(map(str, value)) if isinstance(value, list) else super().to_input(value)
