"""What a change of kind would do, value by value, in the records that a user may see."""

from dataclasses import dataclass, field

from django.apps import apps

from crm.models import CustomField, User
from crm.records.custom_fields.reference_search import record_finder
from crm.records.custom_fields.references import load_value_names, with_names
from crm.records.custom_fields.schemas import value_schema
from crm.schema.kind_changes.conversion import Converted, KindConverter, changed_field, is_filled
from crm.schema.kind_changes.stored_values import sampled_values
from crm.screens.json_forms.display import value_text
from crm.text.cleaning import shorten

# Reading every record of a large table takes too long for a page, so the newest are read; the page says so.
SAMPLED_ROWS, MAX_VALUES, MAX_LINES, MAX_TEXT_LENGTH = 50_000, 5_000, 200, 80


@dataclass(frozen=True)
class PreviewLine:
    """One value: in how many records it is, and what it becomes."""

    before: str
    after: str
    count: int
    converted: Converted


@dataclass
class KindPreview:
    """The values of a field as another kind: `lines` are the first of them, those that do not convert first.

    The numbers are records: of all with a value, of those whose value does not convert, and whose value loses detail.
    """

    field: CustomField
    after: CustomField
    lines: list[PreviewLine] = field(default_factory=list)
    record_count: int = 0
    misfit_count: int = 0
    inexact_count: int = 0
    value_count: int = 0
    is_sample: bool = False

    @property
    def hidden_line_count(self) -> int:
        return max(0, self.value_count - len(self.lines))

    @property
    def default_is_lost(self) -> bool:
        return self.field.default_value is not None and self.after.default_value is None


def preview_change(defined: CustomField, kind: str, user: User) -> KindPreview:
    """Return what a change of `defined` to `kind` does to the values in records that `user` may see."""
    rows = apps.get_model(defined.table).everything.visible_to(user)
    found = sampled_values(defined, rows, SAMPLED_ROWS, MAX_VALUES)
    values = [(value, count) for value, count in found if is_filled(value)]
    after = changed_field(defined, kind, (value for value, _ in values))
    converter = KindConverter(defined, after, record_finder(after, user))
    preview = KindPreview(defined, after, value_count=len(values))
    converted = [(value, count, converter.convert(value)) for value, count in values]
    before_schema, after_schema = (with_names(value_schema(one), user) for one in (defined, after))
    load_value_names(before_schema, (value for value, _ in values))
    load_value_names(after_schema, (one.value for *_, one in converted))
    for value, count, one in converted:
        preview.record_count += count
        preview.misfit_count += 0 if one.fits else count
        preview.inexact_count += 0 if one.is_exact else count
        after_text = value_text(one.value, after_schema) if one.fits else ""
        texts = (shorten(text, MAX_TEXT_LENGTH) for text in (value_text(value, before_schema), after_text))
        preview.lines.append(PreviewLine(*texts, count, one))
    preview.is_sample = preview.record_count >= SAMPLED_ROWS or len(found) >= MAX_VALUES
    preview.lines.sort(key=lambda line: (line.converted.fits, line.converted.is_exact, -line.count))
    del preview.lines[MAX_LINES:]
    return preview
