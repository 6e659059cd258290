"""Convert one row of a file into the columns of a lead, or reject it with a reason. Pure: no database."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from json import JSONEncoder
from typing import Any, NamedTuple

from django.db.models import TextChoices
from django.utils import timezone
from uuid_utils import uuid7

from crm.models import ClientType
from leads.importing.cells import (
    AmountParser,
    CellParser,
    ChoiceParser,
    DateParser,
    EmailParser,
    FractionParser,
    InvalidCell,
    LineParser,
    PastDateParser,
    PhoneParser,
    TagsParser,
    WebsiteParser,
    guess_day_first,
    guess_decimal_mark,
    is_empty_cell,
    normalize_name,
    parse_long_text,
)
from leads.importing.columns import (
    IMPORTABLE_FIELDS,
    ROW_NUMBER_PLACEHOLDER,
    TEMPLATE_PLACEHOLDER_PATTERN,
    CellsMatchField,
    ImportPlan,
    non_blank_cells,
)
from leads.importing.reading import FORBIDDEN_CHARACTERS, CsvRow
from leads.models import Lead, LossReason, ScoringPolicy, Source, Tier

# The columns of a lead that an import fills, in the order of the values of a row.
LEAD_COLUMNS = ("id", *IMPORTABLE_FIELDS, "priority_tier", "signals", "custom_fields")
COLUMN_INDEX = {field: index for index, field in enumerate(LEAD_COLUMNS)}
# In these fields a word such as “none” can be the value itself.
FREE_TEXT_FIELDS = frozenset({"contact_name", "company_name", "source_detail", "notes", "loss_notes", "tags"})
# A number that JSON returns exactly as it was written, without losing a sign, a zero or a digit.
EXACT_NUMBER_PATTERN = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{0,14}[1-9])?")
MAX_EXACT_DIGITS = 15
# The share of the cells that must fit the field before a column with an ambiguous name is used.
MIN_MATCHING_SHARE = 0.5
MAX_QUOTED_CHARACTERS = 60

encode_json = JSONEncoder(ensure_ascii=False).encode
TextSource = Callable[[list[str], int], str]


class RowRejected(Exception):
    """A row cannot be imported. The message quotes the row; `kind` is the same for all rows with this problem."""

    def __init__(self, reason: str, kind: str = "") -> None:
        super().__init__(reason)
        self.kind = kind or reason

    @classmethod
    def for_cell(cls, label: str, text: str, why: str) -> "RowRejected":
        excerpt = text if len(text) <= MAX_QUOTED_CHARACTERS else f"{text[:MAX_QUOTED_CHARACTERS]}…"
        return cls(f"{label} “{excerpt}” {why}.", f"{label} {why}.")


@dataclass(frozen=True)
class ImportContext:
    """The stages, lines, owners and scoring policy that the cells of a file refer to."""

    stage: ChoiceParser
    line: ChoiceParser
    owner: ChoiceParser
    open_stages: frozenset[str]
    lost_stages: frozenset[str]
    policy: ScoringPolicy


class FieldStep(NamedTuple):
    """How one field gets its value. In free text, a word such as “none” is kept."""

    index: int
    text: TextSource
    parse: CellParser
    label: str
    source: str
    is_free_text: bool


class LeadReader:
    """Convert the rows of one file into leads according to an import plan."""

    def __init__(
        self, plan: ImportPlan, context: ImportContext, sample: list[list[str]], *, source_detail: str
    ) -> None:
        self.context, self.started_at = context, timezone.now().isoformat(timespec="seconds")
        self.header = plan.header
        self.steps = build_steps(plan, context, sample)
        self.custom_columns = [(index, f"{encode_json(name)}:") for index, name in plan.custom_columns.items()]
        self.defaults = [default_value(field) for field in LEAD_COLUMNS]
        self.defaults[COLUMN_INDEX["source_type"]] = Source.IMPORT.value
        self.defaults[COLUMN_INDEX["source_detail"]] = source_detail

    def read_row(self, number: int, row: CsvRow) -> list[Any]:
        """Return the values of `LEAD_COLUMNS` for row `number` of the file.

        Raises:
            RowRejected: a cell is invalid, or the lead as a whole is.
        """
        cells = self.validate_cells(row)
        values = self.defaults.copy()
        for step in self.steps:
            text = step.text(cells, number).strip()
            if not text or (not step.is_free_text and is_empty_cell(text)):
                continue
            try:
                values[step.index] = step.parse(text)
            except InvalidCell as error:
                raise RowRejected.for_cell(step.label, text, str(error)) from None
        self.check_lead(values)
        values[COLUMN_INDEX["id"]] = str(uuid7())
        score = values[COLUMN_INDEX["overall_score"]]
        values[COLUMN_INDEX["priority_tier"]] = values[
            COLUMN_INDEX["tier_override"]
        ] or self.context.policy.tier_for_score(score)
        values[COLUMN_INDEX["signals"]] = self.imported_score_signals(score)
        values[COLUMN_INDEX["custom_fields"]] = custom_fields_json(self.custom_columns, cells)
        return values

    def imported_score_signals(self, score: Decimal | None) -> str:
        """Return a JSON list with one signal for a `score` from the file, which fades like any other signal."""
        if score is None:
            return "[]"
        return f'[{{"type": "imported_score", "timestamp": "{self.started_at}", "weight": {score}}}]'

    def validate_cells(self, row: CsvRow) -> list[str]:
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
        if FORBIDDEN_CHARACTERS.search("".join(cells)):
            index, cell = next((p, cell) for p, cell in enumerate(cells) if FORBIDDEN_CHARACTERS.search(cell))
            raise RowRejected.for_cell(
                self.header[index],
                FORBIDDEN_CHARACTERS.sub("\ufffd", cell),
                "contains a control character, or bytes that are invalid in this encoding",
            )
        return cells

    def check_lead(self, values: list[Any]) -> None:
        """Reject a lead without a name, or with closing data that contradicts its stage."""
        stage = values[COLUMN_INDEX["status"]]
        if not values[COLUMN_INDEX["contact_name"]]:
            raise RowRejected("The row has no name.")
        if stage not in self.context.lost_stages and (
            values[COLUMN_INDEX["loss_reason"]] or values[COLUMN_INDEX["loss_notes"]]
        ):
            raise RowRejected("The row has a loss reason or loss notes, but its stage is not a lost one.")
        if stage in self.context.open_stages and values[COLUMN_INDEX["closed_at"]]:
            raise RowRejected("The row has a closing date, but its stage is an open one.")


def default_value(field: str) -> Any:
    """Return the value of `field` for a row that has none."""
    column = Lead._meta.get_field(field)
    if column.has_default():
        value = column.get_default()
        return getattr(value, "value", value)
    return None if column.null else ""


def build_steps(plan: ImportPlan, context: ImportContext, sample: list[list[str]]) -> list[FieldStep]:
    steps = []
    for field, index in plan.columns.items():
        if field in IMPORTABLE_FIELDS:
            parse, name = parser_for_field(field, context, non_blank_cells(sample, index)), plan.header[index]
            steps.append(
                FieldStep(COLUMN_INDEX[field], cell_source(index), parse, name, name, field in FREE_TEXT_FIELDS)
            )
    if plan.name_parts:
        label = " + ".join(plan.header[index] for index in plan.name_parts)
        parse = parser_for_field("contact_name", context, [])
        steps.append(FieldStep(COLUMN_INDEX["contact_name"], joined_source(plan.name_parts), parse, label, label, True))
    for field, template in plan.templates.items():
        parse = parser_for_field(field, context, [template])
        text = template_source(template, plan.header)
        steps.append(FieldStep(COLUMN_INDEX[field], text, parse, field, f"“{template}”", field in FREE_TEXT_FIELDS))
    return steps


def cell_source(index: int) -> TextSource:
    return lambda cells, number: cells[index]


def joined_source(indexes: list[int]) -> TextSource:
    return lambda cells, number: " ".join([cells[index] for index in indexes])


def template_source(template: str, header: list[str]) -> TextSource:
    """Return a source that fills `template`: `{Column}` becomes the cell of that column, `{row}` the row number."""
    indexes = {name.casefold(): index for index, name in enumerate(header)}

    def text(cells: list[str], number: int) -> str:
        def cell(match: re.Match[str]) -> str:
            name = " ".join(match[1].split())
            return str(number) if name == ROW_NUMBER_PLACEHOLDER else cells[indexes[name.casefold()]].strip()

        return TEMPLATE_PLACEHOLDER_PATTERN.sub(cell, template)

    return text


def parser_for_field(field: str, context: ImportContext, texts: list[str]) -> CellParser:
    """Return the parser for cells of `field`; `texts` are samples that show how the column writes dates and numbers."""
    model_field = Lead._meta.get_field(field)
    max_length = getattr(model_field, "max_length", None) or 0
    special: dict[str, Callable[[], CellParser]] = {
        "contact_email": lambda: EmailParser(max_length),
        "contact_phone": lambda: PhoneParser(max_length),
        "company_website": lambda: WebsiteParser(max_length),
        "client_type": lambda: CLIENT_TYPE_PARSER,
        "source_type": lambda: choice_parser(Source),
        "assigned_to": lambda: context.owner,
        "status": lambda: context.stage,
        "insurance_type": lambda: context.line,
        "loss_reason": lambda: choice_parser(LossReason),
        "tier_override": lambda: choice_parser(Tier),
        "overall_score": lambda: FractionParser(guess_decimal_mark(texts)),
        "predicted_close_probability": lambda: FractionParser(guess_decimal_mark(texts)),
        "estimated_value": lambda: AmountParser(
            model_field.max_digits, model_field.decimal_places, guess_decimal_mark(texts)
        ),
        "expected_close_date": lambda: DateParser(guess_day_first(texts)),
        "closed_at": lambda: PastDateParser(guess_day_first(texts)),
        "tags": lambda: TagsParser(model_field.base_field.max_length),
        "notes": lambda: parse_long_text,
        "loss_notes": lambda: parse_long_text,
    }
    return special.get(field, lambda: LineParser(max_length))()


def choice_parser(choices: type[TextChoices], **aliases: str) -> ChoiceParser:
    """Return a parser that accepts the values, labels and `aliases` of `choices`."""
    options = {normalize_name(name): value for value, label in choices.choices for name in (value, label)}
    names = ", ".join(str(label) for label in choices.labels)
    return ChoiceParser({**options, **aliases}, f"is not one of: {names}")


CLIENT_TYPE_PARSER = choice_parser(
    ClientType,
    personal=ClientType.INDIVIDUAL,
    person=ClientType.INDIVIDUAL,
    commercial=ClientType.BUSINESS,
    company=ClientType.BUSINESS,
)


def make_cell_matcher(context: ImportContext) -> CellsMatchField:
    """Return a function that tells whether at least half of some texts can be values of a field."""

    def cells_match(field: str, texts: list[str]) -> bool:
        parse = parser_for_field(field, context, texts)
        return bool(texts) and sum(can_parse(parse, text) for text in texts) >= MIN_MATCHING_SHARE * len(texts)

    return cells_match


def can_parse(parse: CellParser, text: str) -> bool:
    try:
        parse(text)
    except InvalidCell:
        return False
    return True


def custom_fields_json(columns: list[tuple[int, str]], cells: list[str]) -> str:
    """Return the non-blank cells as a JSON object; `columns` holds each index with its encoded key."""
    members = []
    for index, key in columns:
        if text := cells[index].strip():
            members.append(key + (text if is_exact_number(text) else encode_json(text)))
    return "{" + ",".join(members) + "}"


def is_exact_number(text: str) -> bool:
    """Return whether the database returns `text`, stored as a JSON number, exactly as it is written."""
    match = EXACT_NUMBER_PATTERN.fullmatch(text)
    if not match or text == "-0":
        return False
    if not match[2]:
        return True
    return len(text) <= MAX_EXACT_DIGITS and repr(float(text)) == text
