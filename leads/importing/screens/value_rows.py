"""The texts of a file for which a person can choose one of our values: stages, sources, owners, lines and so on."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from crm.models import ClientType, Role, User
from leads.importing.cells import Partial, is_empty_cell
from leads.importing.exceptions import InvalidCell
from leads.importing.files.tables import TableFile
from leads.importing.preview import ImportOptions, load_import_context, preview_import
from leads.importing.tables.base import ImportTable
from leads.importing.tables.registry import table_named
from leads.importing.values.parsers import ImportContext
from leads.importing.values.stages import Renamed
from leads.models import (
    BillingPeriod,
    CancellationReason,
    ImportBatch,
    InsuranceType,
    LeadStatus,
    LossReason,
    PolicyStatus,
    Source,
    Tier,
)

MAX_TEXTS_PER_COLUMN, MAX_TEXTS = 60, 400


@dataclass(frozen=True)
class ValueRow:
    """A text of a column, how often it was seen, the value that it has by itself, and the values to choose from."""

    column: str
    field: str
    text: str
    count: int
    automatic: str
    choices: tuple[tuple[str, str], ...]

    @property
    def automatic_label(self) -> str:
        return f"As read: {self.automatic}" if self.automatic else "Keep as text"


def load_value_choices(table: ImportTable) -> dict[str, tuple[tuple[str, str], ...]]:
    """Return our values of each field of `table`, with their labels."""
    staff = User.objects.filter(is_active=True).order_by("first_name", "last_name", "username")
    return {
        "status": tuple((stage.pk, stage.label) for stage in LeadStatus.objects.order_by("position"))
        if table.has_stages
        else tuple(PolicyStatus.choices),
        "source_type": tuple(Source.choices),
        "assigned_to": tuple((user.username, str(user)) for user in staff),
        "insurance_type": tuple(
            (line.code, line.name) for line in InsuranceType.objects.filter(is_active=True).order_by("name")
        ),
        "client_type": tuple(ClientType.choices),
        "loss_reason": tuple(LossReason.choices),
        "tier_override": tuple(Tier.choices),
        "billing_period": tuple(BillingPeriod.choices),
        "cancellation_reason": tuple(CancellationReason.choices),
        "role": tuple(Role.choices),
    }


def load_value_rows(batch: ImportBatch, file: TableFile, options: ImportOptions) -> list[ValueRow]:
    """Return the texts of the columns with a list of values: those of the first rows, and those that did not fit.

    Raises:
        InvalidInput: the columns cannot be mapped as the options say.
    """
    table = table_named(batch.table)
    _, reader = preview_import(file, options, table)
    fields = {index: name for name in table.choice_fields for index in reader.plan.columns_of(name)}
    counts: dict[int, Counter[str]] = {index: Counter() for index in fields}
    for row in file.sample():
        for index in fields:
            text = row.cells[index].strip() if index < len(row.cells) else ""
            if text and not is_empty_cell(text):
                counts[index][text] += 1
    for column, text, count in batch.outcome.get("doubted_texts", []):
        index = file.header.index(column) if column in file.header else -1
        if index in counts:
            counts[index][text] = max(counts[index][text], count)
    choices, context = load_value_choices(table), load_import_context()
    rows = [
        ValueRow(
            file.header[index], name, text, count, read_by_itself(table, name, text, context, choices), choices[name]
        )
        for index, name in fields.items()
        for text, count in counts[index].most_common(MAX_TEXTS_PER_COLUMN)
    ]
    return rows[:MAX_TEXTS]


def read_by_itself(
    table: ImportTable, field: str, text: str, context: ImportContext, choices: dict[str, tuple[tuple[str, str], ...]]
) -> str:
    """Return the label of the value that the import reads from `text`; empty if there is none."""
    try:
        value: Any = table.parser(field, context, [text])(text)
    except InvalidCell:
        return ""
    value = value.value if isinstance(value, Partial | Renamed) else value
    if field == "assigned_to":
        return str(User.objects.get(pk=value))
    if field == "insurance_type":
        return InsuranceType.objects.get(pk=value).name
    return dict(choices[field]).get(str(value), str(value))
