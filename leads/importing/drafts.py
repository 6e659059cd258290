"""One row of an import on its way to a record: the values read so far, and the texts to keep beside them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from json import JSONEncoder
from typing import Any

from leads.importing.columns import IMPORTABLE_FIELDS

# The columns of a lead that an import fills, in the order of the values of a row.
LEAD_COLUMNS = ("id", *IMPORTABLE_FIELDS, "priority_tier", "signals", "communications", "custom_fields")
# Beside the columns of a lead, a row is marked as that of an open lead, and by what it says itself. Its answers to the
# questions of lines and its moves between stages are JSON.
LEAD_MARKS = ("is_open", "is_named", "has_stage", "has_type")
STAGED_LEAD_COLUMNS = (*LEAD_COLUMNS, *LEAD_MARKS, "line_answers", "stage_moves")
COLUMN_INDEX = {name: index for index, name in enumerate(STAGED_LEAD_COLUMNS)}


encode_json = JSONEncoder(ensure_ascii=False).encode


@dataclass
class RowDraft:
    """The values of the columns of a table for one row; `index` has the place of each column.

    `answers` holds the answers to the questions of lines, by line and key.
    `is_named`, `has_stage` and `has_type` tell a name, a stage and a client type of the row from the default ones.
    `origins` holds the column that filled a field, `kept` the columns that become custom fields although they
    have a field, `used` the custom columns that filled a field after all. `texts` are kept texts without a
    column, and `doubts` the cells that did not fit: label, text and what is wrong.
    """

    cells: list[str]
    number: int
    values: list[Any]
    defaults: list[Any]
    index: Mapping[str, int] = field(default_factory=lambda: COLUMN_INDEX)
    origins: dict[str, int] = field(default_factory=dict)
    kept: set[int] = field(default_factory=set)
    used: set[int] = field(default_factory=set)
    texts: list[tuple[str, str]] = field(default_factory=list)
    doubts: list[tuple[str, str, str]] = field(default_factory=list)
    consents: dict[str, dict[str, bool]] = field(default_factory=dict)
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    is_named: bool = False
    has_stage: bool = False
    has_type: bool = False

    def get(self, name: str) -> Any:
        return self.values[self.index[name]]

    def set(self, name: str, value: Any) -> None:
        self.values[self.index[name]] = value

    def set_defaults(self) -> None:
        """Give the row the stage and the client type that it does not have itself."""
        self.is_named = bool(self.get("contact_name"))
        self.has_stage, self.has_type = self.get("status") is not None, self.get("client_type") is not None
        for name, is_given in (("status", self.has_stage), ("client_type", self.has_type)):
            if not is_given:
                self.set(name, self.defaults[self.index[name]])

    def set_preferences(self) -> None:
        """Give the record the contact preferences that the row says."""
        if self.consents:
            self.set("communications", encode_json(self.consents))

    def keep_text(self, name: str, label: str, text: str) -> None:
        """Keep the text that a field was read from as a custom field too."""
        if name in self.origins:
            self.kept.add(self.origins[name])
        else:
            self.texts.append((label, text))

    def withdraw(self, name: str, label: str, why: str) -> None:
        """Empty a field that contradicts the rest of the row, and keep its text."""
        text = str(self.get(name))
        if name in self.origins:
            text = self.cells[self.origins[name]].strip()
        self.keep_text(name, label, text)
        self.doubts.append((label, text, why))
        self.values[self.index[name]] = self.defaults[self.index[name]]
