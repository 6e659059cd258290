"""One row of an import on its way to a record: the values read so far, and the texts to keep beside them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from json import JSONEncoder
from typing import Any

from leads.importing.columns import IMPORTABLE_FIELDS

# The columns of a lead that an import fills, in the order of the values of a row.
LEAD_COLUMNS = ("id", *IMPORTABLE_FIELDS, "priority_tier", "signals", "communications", "custom_fields")
# Beside the columns of a lead, a row is marked as that of an open lead.
STAGED_LEAD_COLUMNS = (*LEAD_COLUMNS, "is_open")
COLUMN_INDEX = {name: index for index, name in enumerate(STAGED_LEAD_COLUMNS)}


encode_json = JSONEncoder(ensure_ascii=False).encode


@dataclass
class RowDraft:
    """The values of the columns of a table for one row; `index` has the place of each column.

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

    def get(self, name: str) -> Any:
        return self.values[self.index[name]]

    def set(self, name: str, value: Any) -> None:
        self.values[self.index[name]] = value

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
