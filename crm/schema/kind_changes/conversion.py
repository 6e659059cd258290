"""How the values of a custom field become values of another kind. Pure: no database."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.dateparse import parse_date, parse_datetime

from crm.models import CustomField, CustomFieldKind
from crm.models.custom_field import REFERENCE_TABLES
from crm.records.custom_fields.schemas import value_schema
from crm.records.local_time import agency_time, in_agency_zone, start_of_agency_day
from crm.schema.forms import MAX_CHOICES
from crm.screens.custom_fields.conditions import NO_VALUES, utc_text
from crm.screens.json_forms.conversion import ValueCheck, convert_value, text_of
from crm.screens.json_forms.inputs import build_input
from crm.screens.json_forms.schema import Schema

FindRecord = Callable[[str], str]
# The columns of a definition that a change of kind changes.
KIND_COLUMNS = ("kind", "choices", "default_value")
# A reference becomes one of these and back.
TEXT_KINDS = frozenset({CustomFieldKind.TEXT.value, CustomFieldKind.LONG_TEXT.value})
YES_NO_WORDS = {"yes": "true", "no": "false", "true": "true", "false": "false"}
MAX_CHOICE_LENGTH = 100


@dataclass(frozen=True)
class Converted:
    """What a value becomes. `is_exact`: the old value can be told from the new one."""

    value: Any
    fits: bool
    is_exact: bool


class KindConverter:
    """Converts values of the field `before` to the kind and the choices of `after`.

    `find_record` gives the key of the record that a text names, or "", where the kind is a reference.
    """

    def __init__(self, before: CustomField, after: CustomField, find_record: FindRecord | None = None) -> None:
        self.before, self.after, self.find_record = before, after, find_record
        self.labels = before.choice_labels() if before.has_choices else {}
        self.schema = schema_with_all_choices(after)
        self.check = ValueCheck(self.schema)
        self.codes = {text.casefold(): code for code, label in after.choice_labels().items() for text in (label, code)}

    @cached_property
    def reverse(self) -> "KindConverter":
        return KindConverter(self.after, self.before)

    def convert(self, value: Any) -> Converted:
        """Return what `value` becomes; one that does not convert stays as it is."""
        found = self.first_fit(value)
        if found is None:
            return Converted(value, fits=False, is_exact=True)
        return Converted(found, fits=True, is_exact=same_json(self.reverse.first_fit(found), value))

    def first_fit(self, value: Any) -> Any:
        """Return `value` as one of the new kind; None if it is none."""
        return next((one for one in self.readings(value) if one is not None and self.check.fits(one)), None)

    def readings(self, value: Any) -> Iterator[Any]:
        """Yield `value` as the new kind may write it, the most faithful first."""
        if self.after.has_choices:
            yield from self.choice_readings(value)
            return
        if self.find_record is not None:
            yield self.find_record(value) if isinstance(value, str) else None
            return
        for source in [self.choice_text(value), value] if self.labels else [value]:
            if isinstance(source, str):
                yield from self.moment_readings(source.strip())
            yield convert_value(source, self.check)
            if isinstance(source, str):
                yield from typed_readings(source.strip(), self.schema)

    def choice_text(self, value: Any) -> Any:
        """Return the labels of choices as one text."""
        values = value if isinstance(value, list) else [value]
        texts = [self.labels.get(one, one) if isinstance(one, str) else text_of(one) for one in values]
        return ", ".join(texts) if all(texts) else None

    def choice_readings(self, value: Any) -> Iterator[Any]:
        """Yield `value` as one of the choices, or as a list of them: by what is stored, then by its label."""
        yield convert_value(value, self.check)
        is_list = self.after.kind == CustomFieldKind.CHOICES
        texts = choice_texts(value, splits=is_list)
        codes = [self.codes.get(text.casefold()) for text in texts]
        if codes and None not in codes:
            yield [*dict.fromkeys(codes)] if is_list else codes[0] if len(codes) == 1 else None

    def moment_readings(self, text: str) -> Iterator[Any]:
        """Yield a date as the start of its day, and a date and time as its day, as the agency counts."""
        if self.after.kind not in {CustomFieldKind.DATE, CustomFieldKind.DATE_TIME}:
            return
        day = read_or_none(parse_date, text)
        moment = start_of_agency_day(day) if day else read_or_none(parse_datetime, text)
        if moment is not None:
            local = agency_time(in_agency_zone(moment))
            yield utc_text(local) if self.after.kind == CustomFieldKind.DATE_TIME else local.date().isoformat()


def explain_kinds(before: str, after: str) -> str:
    """Return why a field of the kind `before` cannot become one of the kind `after`; empty if it can."""
    kinds = {before, after}
    if kinds.isdisjoint(REFERENCE_TABLES) or kinds & TEXT_KINDS:
        return ""
    return "A reference becomes a text, and a text a reference. Change the kind to “Text” first."


def typed_readings(text: str, schema: Schema) -> Iterator[Any]:
    """Yield `text` as the input of `schema` reads what people type: "$1,200" as 1200, "Yes" as true."""
    yield text
    try:
        yield build_input(schema).parse(
            YES_NO_WORDS.get(text.casefold(), text.casefold() if is_boolean(schema) else text)
        )
    except ValidationError:
        return


def is_boolean(schema: Schema) -> bool:
    return schema.get("type") == "boolean"


def read_or_none(parse: Any, text: str) -> Any:
    try:
        return parse(text)
    except ValueError:
        return None


def choice_texts(value: Any, *, splits: bool) -> list[str]:
    """Return the texts in `value` that may be choices; with `splits`, a text with commas is several."""
    values = value if isinstance(value, list) else [value]
    texts = [one if isinstance(one, str) else text_of(one) or "" for one in values]
    parts = [part for text in texts for part in (text.replace(";", ",").split(",") if splits else [text])]
    return [part.strip() for part in parts if part.strip()]


def schema_with_all_choices(field: CustomField) -> Schema:
    """Return the schema of a value of `field` that also allows retired choices."""
    choices = [{**choice, "retired": False} for choice in field.choices]
    return value_schema(CustomField(kind=field.kind, choices=choices))


def same_json(one: Any, other: Any) -> bool:
    """Return whether two values are the same, and of one type: 1 is not true."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def changed_field(field: CustomField, kind: str, values: Iterable[Any]) -> CustomField:
    """Return an unsaved copy of `field` with another kind. Choices that it needs are kept, or made of `values`."""
    after = CustomField(table=field.table, key=field.key, label=field.label, kind=kind)
    if after.has_choices:
        after.choices = field.choices if field.has_choices else make_choices(values, kind)
    if field.default_value is not None and not after.refers_to:
        default = KindConverter(field, after).convert(field.default_value)
        after.default_value = default.value if default.fits else None
    return after


def make_choices(values: Iterable[Any], kind: str) -> list[dict[str, Any]]:
    """Return a choice for each different text in `values`, the first of them, as many as a field can have."""
    made: dict[str, str] = {}
    for value in values:
        for text in choice_texts(value, splits=kind == CustomFieldKind.CHOICES):
            if len(text) <= MAX_CHOICE_LENGTH:
                made.setdefault(text.casefold(), text)
        if len(made) >= MAX_CHOICES:
            break
    return [{"value": text, "label": text, "retired": False} for text in [*made.values()][:MAX_CHOICES]]


def is_filled(value: Any) -> bool:
    return value not in NO_VALUES
