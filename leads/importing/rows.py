"""Convert one row of a file into the columns of a record, or reject it with a reason. Pure: no database.

A cell that does not fit its field never costs the row: the field stays empty, the text becomes a custom field, and
the report says so. Nothing of a row is dropped.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from uuid_utils import uuid7

from crm.screens.json_forms.schema import VERSION_KEY
from crm.text.phones import phone_key
from crm.text.spreadsheet_cells import unescape_formula
from crm.text.tags import unique_tags
from leads.importing.cells import Partial, is_empty_cell, is_nothing_picked
from leads.importing.column_guesses import non_blank_cells
from leads.importing.columns import CONSENT_FIELDS, JOINED_FIELDS, ImportPlan
from leads.importing.custom_fields import NO_CUSTOM_FIELDS, CustomFields, ReferenceParser, UnknownReference
from leads.importing.drafts import RowDraft, encode_json
from leads.importing.exceptions import AmbiguousCell, InvalidCell, RowRejected
from leads.importing.files.tables import FORBIDDEN_CHARACTERS, TableFile, TableRow, make_column_names
from leads.importing.questions import Doubts, OpenQuestions, quote_cell
from leads.importing.tables.base import ImportTable
from leads.importing.values.parsers import UNDECIDED, ImportContext, Notation
from leads.importing.values.stages import Renamed
from leads.importing.values.steps import FieldStep, StepBuilder
from leads.models import Lead

# The first characters of a cell that a spreadsheet keeps from being read as a formula or a number.
FORMULA_MARKS = "='"
# A number that JSON returns exactly as it was written, without losing a sign, a zero or a digit.
EXACT_NUMBER_PATTERN = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{0,14}[1-9])?")
MAX_EXACT_DIGITS = 15
LOOK_UP_CHUNK_SIZE = 1_000
# A doubt about these fields does not stop an import: the text is kept.
UNASKED_FIELDS = frozenset({"created_at"})


class RowReader:
    """Convert the rows of one file into records of `table` according to an import plan."""

    def __init__(
        self,
        plan: ImportPlan,
        context: ImportContext,
        sample: list[list[str]],
        *,
        table: ImportTable,
        source_detail: str,
        notation: Notation = UNDECIDED,
        values: dict[int, dict[str, str]] | None = None,
        creates_clients: bool = False,
        custom_fields: CustomFields = NO_CUSTOM_FIELDS,
    ) -> None:
        self.context, self.table, self.creates_clients = context, table, creates_clients
        self.plan, self.header = plan, plan.header
        self.rules, self.doubts, self.questions = table.rules(plan, context), Doubts(), OpenQuestions()
        self.steps = StepBuilder(table, plan, context, sample, notation, values or {}).steps()
        self.custom_columns = [(index, f"{encode_json(name)}:") for index, name in plan.custom_columns.items()]
        # The parsers of defined custom fields, by column.
        self.custom_parsers = {
            index: parse
            for index, key in plan.custom_columns.items()
            if (parse := custom_fields.parser(key, non_blank_cells(sample, index), notation))
        }
        self.index, self.defaults = table.index, table.default_values(source_detail)
        # What a row has before its cells are read.
        self.unset = [None if name in table.unset else self.default_of(name) for name in table.columns]
        # Of several columns, one that says that a lead is closed counts.
        self.open_stages = context.open_stages if table.has_stages else frozenset()

    def default_of(self, name: str) -> Any:
        return self.defaults[self.index[name]]

    def read_row(self, number: int, row: TableRow) -> list[Any]:
        """Return the values of the columns of the table for row `number` of the file.

        Raises:
            RowRejected: the row is damaged, or lacks what a record needs.
        """
        draft = RowDraft(self.validate_cells(row), number, self.unset.copy(), self.defaults, self.index)
        draft.set("id", str(uuid7()))
        for step in self.steps:
            self.fill_field(draft, step)
        self.rules.complete(draft)
        for index, text in row.errors:
            draft.texts.append((self.header[index], text))
            draft.doubts.append((self.header[index], text, "is an error of the spreadsheet"))
        custom_values = self.read_custom_fields(draft) if self.custom_parsers else {}
        for label, text, why in draft.doubts:
            self.doubts.add(row.line, label, text, why)
        draft.set("custom_fields", custom_fields_json(self.custom_columns, self.header, draft, custom_values))
        return draft.values

    def chunks(self, file: TableFile) -> Iterator[Iterable[TableRow]]:
        """Yield the rows of `file` in parts that need no query while they are read: the references are looked up."""
        parsers = {index: one for index, one in self.custom_parsers.items() if isinstance(one, ReferenceParser)}
        rows = iter(file.rows())
        if not parsers:
            yield rows
            return
        while chunk := list(islice(rows, LOOK_UP_CHUNK_SIZE)):
            for row in chunk:
                self.look_up_references(row, parsers)
            yield chunk

    @staticmethod
    def look_up_references(row: TableRow, parsers: Mapping[int, ReferenceParser]) -> None:
        for index, parse in parsers.items():
            if index < len(row.cells) and (text := custom_text(row.cells[index])):
                parse.search.find(text)

    def read_custom_fields(self, draft: RowDraft) -> dict[int, str]:
        """Return the values of defined custom fields as JSON, by column; what does not fit stays text."""
        values = {}
        for index, parse in self.custom_parsers.items():
            text = custom_text(draft.cells[index])
            if not text or (index in draft.used and index not in draft.kept):
                continue
            try:
                values[index] = encode_json(parse(text))
            except InvalidCell as error:
                draft.doubts.append((self.header[index], text, str(error)))
                values[index] = encode_json(error.text if isinstance(error, UnknownReference) else text)
        return values

    def fill_field(self, draft: RowDraft, step: FieldStep) -> None:
        """Set the field of `step` to its first text that fits; keep the texts that do not."""
        for index, source in step.sources:
            text = source(draft.cells, draft.number).strip()
            if not text:
                continue
            if text[0] in FORMULA_MARKS:
                text = unescape_formula(text)
            if is_nothing_picked(text) or (not step.is_free_text and is_empty_cell(text)):
                continue
            if self.read_cell(draft, step, index, text) and not self.reads_on(draft, step):
                return

    def reads_on(self, draft: RowDraft, step: FieldStep) -> bool:
        """Return whether further columns count although one has filled the field.

        Every refusal of contact and every tag counts, and so does a column that says that the lead is closed.
        """
        is_open = step.field == "status" and draft.get("status") in self.open_stages
        return is_open or step.field in CONSENT_FIELDS or step.field in JOINED_FIELDS

    def read_cell(self, draft: RowDraft, step: FieldStep, index: int, text: str) -> bool:
        """Set the field of `step` to the value of `text`. Return whether it has one."""
        replaced = step.values.get(text.casefold(), text) if step.values else text
        if not replaced:
            return False
        try:
            value = step.read(replaced)
        except InvalidCell as error:
            if isinstance(error, AmbiguousCell):
                if step.field in UNASKED_FIELDS:
                    why = f"{error}; choose the order of day and month"
                    return self.keep_invalid(draft, step, index, text, InvalidCell(why))
                self.questions.add(error.kind, self.header[index] if index >= 0 else step.field, text)
            return self.keep_invalid(draft, step, index, text, error)
        plain_value = value.value if isinstance(value, Partial | Renamed) else value
        if not self.set_value(draft, step, index, plain_value):
            return False
        has_overflow = isinstance(value, Renamed) and self.add_overflow(draft, step, text)
        if (plain_value is not value or replaced is not text) and not has_overflow:
            self.keep_as_custom_field(draft, index, step.label, text)
        elif index >= 0:
            draft.used.add(index)
        return True

    def set_value(self, draft: RowDraft, step: FieldStep, index: int, value: Any) -> bool:
        """Set the field of `step`, unless it has a value that counts more. Return whether it was set."""
        if step.field in CONSENT_FIELDS:
            channels, key = CONSENT_FIELDS[step.field]
            for channel in channels:
                known = draft.consents.setdefault(channel, {})
                known[key] = (known.get(key, False) or value) if key == "do_not_contact" else value
            if self.table.can_create_clients and index >= 0:
                # The preferences are those of a client that the row may create. The record itself keeps the text.
                draft.kept.add(index)
            return True
        if step.field == "status" and step.field in draft.origins and value in self.open_stages:
            return False
        if question := self.context.questions.get(step.field):
            draft.answers.setdefault(question.line, {VERSION_KEY: question.version})[question.key] = value
            return True
        if step.field in JOINED_FIELDS:
            value = unique_tags([*draft.get(step.field), *value])
        draft.set(step.field, value)
        if index >= 0:
            draft.origins[step.field] = index
        return True

    def keep_invalid(self, draft: RowDraft, step: FieldStep, index: int, text: str, error: InvalidCell) -> bool:
        """Keep the text of a cell that does not fit, use what is usable of it, and return whether something was."""
        if self.add_overflow(draft, step, text):
            draft.used.add(index)
            return True
        if step.field == "status" and step.field in draft.origins:
            return False
        self.keep_as_custom_field(draft, index, step.label, text)
        draft.doubts.append((step.label, text, str(error)))
        if error.usable:
            self.set_value(draft, step, index, error.usable)
        return bool(error.usable)

    @staticmethod
    def keep_as_custom_field(draft: RowDraft, index: int, label: str, text: str) -> None:
        if index >= 0:
            draft.kept.add(index)
        else:
            draft.texts.append((label, text))

    @staticmethod
    def add_overflow(draft: RowDraft, step: FieldStep, text: str) -> bool:
        """Put `text` into the field beside that of `step`, if that is free and long enough."""
        if not step.overflow:
            return False
        max_length = Lead._meta.get_field(step.overflow).max_length
        if max_length and len(text) > max_length:
            return False
        draft.set(step.overflow, " ".join(text.split()))
        return True

    def phone_key(self, values: list[Any]) -> str:
        """Return the phone number of a row in a notation that can be compared."""
        phone = values[self.index[self.table.phone_field]] if self.table.phone_field else ""
        return phone_key(phone, self.context.phone_region) if phone else ""

    def record_key(self, row: TableRow) -> str:
        """Return the identifier of a row in the other system."""
        return row.cells[self.plan.key].strip() if self.plan.key is not None else ""

    def validate_cells(self, row: TableRow) -> list[str]:
        """Return the cells of `row` after checking their number and their characters."""
        if row.fault:
            raise RowRejected(f"The row {row.fault}.")
        cells, width = row.cells, len(self.header)
        if len(cells) > width and not any(cells[width:]):
            cells = cells[:width]
        if len(cells) != width:
            raise RowRejected(
                f"The row has {len(cells)} cell{'' if len(cells) == 1 else 's'} instead of {width}; it may be cut off.",
                "The number of cells differs from the number of columns.",
            )
        if cells and cells[0].strip() == self.header[0] and make_column_names(cells) == self.header:
            raise RowRejected("The row repeats the column names.")
        if FORBIDDEN_CHARACTERS.search("".join(cells)):
            index, cell = next((p, cell) for p, cell in enumerate(cells) if FORBIDDEN_CHARACTERS.search(cell))
            label, why = self.header[index], "contains a control character, or bytes that are invalid in this encoding"
            raise RowRejected(quote_cell(label, FORBIDDEN_CHARACTERS.sub("\ufffd", cell), why), f"{label} {why}.")
        return cells


def custom_text(cell: str) -> str:
    """Return the text of a cell of a defined custom field; empty if the cell has no value."""
    text = cell.strip()
    text = unescape_formula(text) if text[:1] == "'" else text
    return "" if is_nothing_picked(text) else text


def custom_fields_json(
    columns: list[tuple[int, str]], header: list[str], draft: RowDraft, values: Mapping[int, str]
) -> str:
    """Return the non-blank cells without a field, and the texts kept, as a JSON object.

    `columns` holds the index of each column without a field, with its encoded key, `values` the cells that are read as
    more than texts.
    """
    if draft.kept or draft.used:
        known = {index for index, _ in columns}
        columns = [(index, key) for index, key in columns if index not in draft.used or index in draft.kept]
        columns += [(index, f"{encode_json(header[index])}:") for index in sorted(draft.kept - known)]
    members = []
    for index, key in columns:
        text = draft.cells[index].strip()
        if text[:1] == "'":
            text = unescape_formula(text)
        if index in values:
            members.append(key + values[index])
        elif text and not is_nothing_picked(text):
            members.append(key + (text if is_exact_number(text) else encode_json(text)))
    taken = {header[index] for index, _ in columns} if draft.texts else set()
    members += [f"{encode_json(name)}:{encode_json(text)}" for name, text in draft.texts if name not in taken]
    return "{" + ",".join(members) + "}"


def is_exact_number(text: str) -> bool:
    """Return whether the database returns `text`, stored as a JSON number, exactly as it is written."""
    match = EXACT_NUMBER_PATTERN.fullmatch(text)
    if not match or text == "-0":
        return False
    if not match[2]:
        return True
    return len(text) <= MAX_EXACT_DIGITS and repr(float(text)) == text
