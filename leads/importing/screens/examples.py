"""The rows of an import as its page shows them: with the names of leads, and the changed fields in words."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from crm.models import User
from crm.records.history import display_value
from crm.screens.json_forms.schema import VERSION_KEY
from crm.templatetags.crm import humanize_key
from leads.importing.preview import load_questions
from leads.importing.values.labels import changed_column_labels
from leads.models import ImportBatch, InsuranceType, Lead, LeadStatus
from leads.models.insurance_type import COLUMN_BY_LINE

LEAD_PATTERN = re.compile(r"the lead ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
HIDDEN_LEAD = "a lead that you may not open"
MAX_SHOWN_TEXT = 200


@dataclass(frozen=True)
class ExampleRow:
    """A row: its line, and its reason as parts, some of which are leads."""

    line: int
    parts: list[str | Lead]


@dataclass(frozen=True)
class UpdatedRow:
    """A row that changes a lead: its line, the lead, and label, old and new value of each changed field."""

    line: int
    lead: Lead
    changes: list[tuple[str, str, str]]


def visible_leads(keys: Iterable[str], user: User) -> dict[str, Lead]:
    """Return the leads that `user` may open, by their keys as text."""
    if not user.has_perm("leads.view_lead"):
        return {}
    leads = Lead.everything.visible_to(user).filter(pk__in={UUID(key) for key in keys})
    return {str(lead.pk): lead for lead in leads.only("contact_name", "company_name", "deleted_at")}


def example_rows(batch: ImportBatch, kind: str, user: User) -> list[ExampleRow]:
    """Return the first rows of a kind, with links to the leads that their texts name."""
    rows = batch.outcome.get("examples", {}).get(kind, [])
    leads = visible_leads((key for _, text in rows for key in LEAD_PATTERN.findall(text)), user)
    return [ExampleRow(line, text_parts(text, leads)) for line, text in rows]


def text_parts(text: str, leads: dict[str, Lead]) -> list[str | Lead]:
    """Return `text` with each lead that it names as a part of its own."""
    parts = LEAD_PATTERN.split(text)
    return [part if place % 2 == 0 else leads.get(part, HIDDEN_LEAD) for place, part in enumerate(parts) if part]


def updated_rows(batch: ImportBatch, user: User) -> list[UpdatedRow]:
    """Return the first rows that change a lead which `user` may open."""
    rows = batch.outcome.get("examples", {}).get("updated", [])
    leads = visible_leads((key for _, key, _ in rows), user)
    words = ChangeWords() if leads else None
    return [UpdatedRow(line, leads[key], words.describe(changes)) for line, key, changes in rows if key in leads]


class ChangeWords:
    """Puts the changes of `ImportChange` into words."""

    def __init__(self) -> None:
        self.labels, self.questions = changed_column_labels(), load_questions()
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
        if isinstance(change, dict):
            pairs = ((key, pair) for key, pair in change.items() if key != VERSION_KEY)
            return [(self.key_label(column, key), *map(self.json_text, pair)) for key, pair in pairs]
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
        field = next(one for one in Lead._meta.concrete_fields if one.column == column)
        return shortened(str(display_value(field, field.to_python(value))))

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
