"""The rows of an import as its page shows them: with the names of records, and the changed fields in words."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import models

from crm.models import User
from crm.records.base import Record
from crm.records.custom_fields.references import ReferenceNames, with_names
from crm.records.history import display_value
from crm.records.transitions import permission_name
from crm.screens.custom_fields.display import custom_fields_schema
from crm.screens.json_forms.display import value_text
from crm.screens.json_forms.schema import VERSION_KEY
from crm.templatetags.crm import humanize_key
from leads.importing.preview import load_questions
from leads.importing.tables.base import ImportTable
from leads.importing.tables.registry import table_named
from leads.models import ImportBatch, InsuranceType, LeadStatus, Policy
from leads.models.insurance_type import COLUMN_BY_LINE

RECORD_PATTERN = r"the {noun} ([0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}})"
MAX_SHOWN_TEXT = 200


@dataclass(frozen=True)
class ExampleRow:
    """A row: its line, and its reason as parts, some of which are records."""

    line: int
    parts: list[str | models.Model]


@dataclass(frozen=True)
class UpdatedRow:
    """A row that changes a record: its line, the record, and label, old and new value of each changed field."""

    line: int
    record: models.Model
    changes: list[tuple[str, str, str]]


def visible_records(model: type[models.Model], keys: Iterable[str], user: User) -> dict[str, models.Model]:
    """Return the records of `model` that `user` may open, by their keys as text. Notes have no page."""
    if not issubclass(model, Record) or not user.has_perm(permission_name(model, "view")):
        return {}
    rows = model.everything.visible_to(user).filter(pk__in={UUID(key) for key in keys})
    return {str(row.pk): row for row in select_names(rows)}


def select_names(rows: models.QuerySet) -> models.QuerySet:
    """Fetch what the name of a record needs: that of a policy begins with its line."""
    return rows.select_related("insurance_type") if rows.model is Policy else rows


def example_rows(batch: ImportBatch, kind: str, user: User) -> list[ExampleRow]:
    """Return the first rows of a kind, with links to the records that their texts name."""
    rows = batch.outcome.get("examples", {}).get(kind, [])
    pattern = re.compile(RECORD_PATTERN.format(noun=batch.noun))
    keys = {key for _, text in rows for key in pattern.findall(text)}
    records = visible_records(table_named(batch.table).model, keys, user)
    hidden = f"a {batch.noun} that you may not open"
    return [
        ExampleRow(
            line,
            [
                part if place % 2 == 0 else records.get(part, hidden)
                for place, part in enumerate(pattern.split(text))
                if part
            ],
        )
        for line, text in rows
    ]


def updated_rows(batch: ImportBatch, user: User) -> list[UpdatedRow]:
    """Return the first rows that change a record which `user` may open."""
    rows, table = batch.outcome.get("examples", {}).get("updated", []), table_named(batch.table)
    records = visible_records(table.model, (key for _, key, _ in rows), user)
    words = ChangeWords(table, user) if records else None
    return [UpdatedRow(line, records[key], words.describe(changes)) for line, key, changes in rows if key in records]


class ChangeWords:
    """Puts the changes of `ImportChange` into words, with the names of references that `reader` may read."""

    def __init__(self, table: ImportTable, reader: User) -> None:
        self.model, self.labels = table.model, table.change_labels
        self.questions = load_questions() if table.has_line_questions else {}
        fields = custom_fields_schema(table.model._meta.label_lower)["properties"]
        self.references = {key: with_names(one, reader) for key, one in fields.items() if "refersTo" in one}
        links = table.updates.links if table.updates else ()
        self.linked = {link.name: ReferenceNames(link.model, reader) for link in links}
        self.names: dict[str, dict[str, str]] = {
            "status_id": {stage.pk: stage.label for stage in LeadStatus.objects.all()},
            "insurance_type_id": {str(line.pk): line.name for line in InsuranceType.everything.all()},
            "assigned_to_id": {str(user.pk): str(user) for user in User.objects.all()},
        }

    def describe(self, changes: dict[str, Any]) -> list[tuple[str, str, str]]:
        """Return label, old and new value of each changed field, in the order of the fields."""
        order = [*self.labels]
        return [
            entry
            for column in sorted(changes, key=lambda name: order.index(name) if name in order else len(order))
            for entry in self.describe_column(column, changes[column])
        ]

    def describe_column(self, column: str, change: Any) -> list[tuple[str, str, str]]:
        label = self.labels.get(column, column)
        if column == "tags":
            return [(label, "", f"+ {', '.join(change)}")]
        if names := self.linked.get(column):
            names.load(change)
            return [(label, "", f"+ {', '.join(names[key].text for key in change)}")]
        if isinstance(change, dict):
            pairs = ((key, pair) for key, pair in change.items() if key != VERSION_KEY)
            return [
                (self.key_label(column, key), *(self.value_text(column, key, one) for one in pair))
                for key, pair in pairs
            ]
        return [(label, *(self.text(column, value) for value in change))]

    def key_label(self, column: str, key: str) -> str:
        """Return the label of a key of a JSON column."""
        line = next((code for code, name in COLUMN_BY_LINE.items() if name == column), "")
        if question := self.questions.get(f"{line}.{key}"):
            return question.label
        return key if column == "custom_fields" else f"{self.labels[column]}: {humanize_key(key)}"

    def text(self, column: str, value: Any) -> str:
        if value in (None, ""):
            return ""
        if column in self.names:
            return self.names[column].get(str(value), "Deleted")
        field = next(one for one in self.model._meta.concrete_fields if one.column == column)
        return shortened(str(display_value(field, field.to_python(value))))

    def value_text(self, column: str, key: str, value: Any) -> str:
        """Return the value of a key of a JSON column; a reference by the name of its record."""
        reference = self.references.get(key) if column == "custom_fields" else None
        return value_text(value, reference) if reference and isinstance(value, str) else self.json_text(value)

    @staticmethod
    def json_text(value: Any) -> str:
        if isinstance(value, dict):
            pairs = (
                f"{humanize_key(key)}: {'yes' if one is True else 'no' if one is False else one}"
                for key, one in value.items()
                if key != VERSION_KEY
            )
            return shortened(", ".join(pairs))
        return "" if value is None else shortened(str(value))


def shortened(text: str) -> str:
    return text if len(text) <= MAX_SHOWN_TEXT else f"{text[:MAX_SHOWN_TEXT]}…"
