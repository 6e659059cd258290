"""One row of a file into the columns of a lead, or the reason why it is refused. Pure: no database."""

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
    Amount,
    BadCell,
    Choice,
    Day,
    Email,
    Line,
    Parser,
    PastDay,
    Phone,
    Share,
    Tags,
    Website,
    day_comes_first,
    decimal_mark,
    is_nothing,
    long_text,
    plain,
)
from leads.importing.columns import FIELDS, PLACEHOLDER, ROW_NUMBER, BearsOut, Plan, column_texts
from leads.importing.reading import FORBIDDEN, Row
from leads.models import Lead, LossReason, ScoringPolicy, Source, Tier

# The columns of a lead that a row decides, in the order of its values.
COLUMNS = ("id", *FIELDS, "priority_tier", "signals", "custom_fields")
PLACE = {field: place for place, field in enumerate(COLUMNS)}
# In these a word such as “none” may be meant.
FREE_TEXT = frozenset({"contact_name", "company_name", "source_detail", "notes", "loss_notes", "tags"})
# A number that comes back from JSON as it was written: no sign, zero or digit would be lost.
EXACT_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{0,14}[1-9])?")
MOST_DIGITS = 15
# Of the cells of a column with a doubtful name.
BORNE_OUT = 0.5
SHOWN = 60

quoted = JSONEncoder(ensure_ascii=False).encode
Text = Callable[[list[str], int], str]


class Refusal(Exception):
    """Why a row is not taken: a sentence, and its `kind`, which many rows may share."""

    def __init__(self, reason: str, kind: str = "") -> None:
        super().__init__(reason)
        self.kind = kind or reason

    @classmethod
    def of_cell(cls, label: str, text: str, why: str) -> "Refusal":
        shown = text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
        return cls(f"{label} “{shown}” {why}.", f"{label} {why}.")


@dataclass(frozen=True)
class Known:
    """What a cell may name that stands in other tables."""

    stage: Choice
    line: Choice
    owner: Choice
    open_stages: frozenset[str]
    lost_stages: frozenset[str]
    policy: ScoringPolicy


class Step(NamedTuple):
    """How one field gets its value; `free` text may be a word that elsewhere means nothing."""

    place: int
    text: Text
    parse: Parser
    label: str
    source: str
    free: bool


class LeadReader:
    """Reads the rows of one file as its plan says."""

    def __init__(self, plan: Plan, known: Known, sample: list[list[str]], *, source_detail: str) -> None:
        self.known, self.began = known, timezone.now().isoformat(timespec="seconds")
        self.header = plan.header
        self.steps = steps(plan, known, sample)
        self.custom = [(place, f"{quoted(name)}:") for place, name in plan.custom.items()]
        self.defaults = [defaults(field) for field in COLUMNS]
        self.defaults[PLACE["source_type"]] = Source.IMPORT.value
        self.defaults[PLACE["source_detail"]] = source_detail

    def read(self, number: int, row: Row) -> list[Any]:
        """The values of `COLUMNS` for the row that is the file's `number`th.

        Raises:
            Refusal: something in it cannot be taken.
        """
        cells = self.checked_cells(row)
        values = self.defaults.copy()
        for step in self.steps:
            text = step.text(cells, number).strip()
            if not text or (not step.free and is_nothing(text)):
                continue
            try:
                values[step.place] = step.parse(text)
            except BadCell as error:
                raise Refusal.of_cell(step.label, text, str(error)) from None
        self.check(values)
        values[PLACE["id"]] = str(uuid7())
        score = values[PLACE["overall_score"]]
        values[PLACE["priority_tier"]] = values[PLACE["tier_override"]] or self.known.policy.tier_of(score)
        values[PLACE["signals"]] = self.shown_by(score)
        values[PLACE["custom_fields"]] = custom_fields(self.custom, cells)
        return values

    def shown_by(self, score: Decimal | None) -> str:
        """The JSON list of the one signal that a `score` from elsewhere is: it counts, and fades like any other."""
        if score is None:
            return "[]"
        return f'[{{"type": "imported_score", "timestamp": "{self.began}", "weight": {score}}}]'

    def checked_cells(self, row: Row) -> list[str]:
        """The cells of `row`, one for each column and all of them text."""
        if row.fault:
            raise Refusal(f"The row {row.fault}.")
        cells, width = row.cells, len(self.header)
        if len(cells) > width and not any(cells[width:]):
            cells = cells[:width]
        if len(cells) != width:
            raise Refusal(
                f"The row has not as many cells as there are columns ({len(cells)}, not {width}); it may be cut off.",
                "The row has not as many cells as there are columns.",
            )
        if FORBIDDEN.search("".join(cells)):
            place, cell = next((p, cell) for p, cell in enumerate(cells) if FORBIDDEN.search(cell))
            raise Refusal.of_cell(
                self.header[place],
                FORBIDDEN.sub("\ufffd", cell),
                "holds a control character, or bytes that are no text in this encoding",
            )
        return cells

    def check(self, values: list[Any]) -> None:
        """Refuse what is wrong with the lead as a whole."""
        stage = values[PLACE["status"]]
        if not values[PLACE["contact_name"]]:
            raise Refusal("The row has no name.")
        if stage not in self.known.lost_stages and (values[PLACE["loss_reason"]] or values[PLACE["loss_notes"]]):
            raise Refusal("The row says why the lead was lost, and its stage is no lost one.")
        if stage in self.known.open_stages and values[PLACE["closed_at"]]:
            raise Refusal("The row says when the lead was closed, and its stage is an open one.")


def defaults(field: str) -> Any:
    """What a lead has where a row says nothing."""
    column = Lead._meta.get_field(field)
    if column.has_default():
        value = column.get_default()
        return getattr(value, "value", value)
    return None if column.null else ""


def steps(plan: Plan, known: Known, sample: list[list[str]]) -> list[Step]:
    found = []
    for field, place in plan.columns.items():
        if field in FIELDS:
            parse, name = parser(field, known, column_texts(sample, place)), plan.header[place]
            found.append(Step(PLACE[field], cell_text(place), parse, name, name, field in FREE_TEXT))
    if plan.name_parts:
        label = " + ".join(plan.header[place] for place in plan.name_parts)
        parse = parser("contact_name", known, [])
        found.append(Step(PLACE["contact_name"], joined_text(plan.name_parts), parse, label, label, True))
    for field, template in plan.templates.items():
        parse = parser(field, known, [template])
        text = template_text(template, plan.header)
        found.append(Step(PLACE[field], text, parse, field, f"“{template}”", field in FREE_TEXT))
    return found


def cell_text(place: int) -> Text:
    return lambda cells, number: cells[place]


def joined_text(places: list[int]) -> Text:
    return lambda cells, number: " ".join([cells[place] for place in places])


def template_text(template: str, header: list[str]) -> Text:
    """`template` with the cell of the column in place of each `{Column}`, and the row's number for `{row}`."""
    places = {name.casefold(): place for place, name in enumerate(header)}

    def text(cells: list[str], number: int) -> str:
        def cell(found: re.Match[str]) -> str:
            name = " ".join(found[1].split())
            return str(number) if name == ROW_NUMBER else cells[places[name.casefold()]].strip()

        return PLACEHOLDER.sub(cell, template)

    return text


def parser(field: str, known: Known, texts: list[str]) -> Parser:
    """What reads a cell of `field`; `texts` are some of its column, for the way it writes dates and numbers."""
    model_field = Lead._meta.get_field(field)
    longest = getattr(model_field, "max_length", None) or 0
    special: dict[str, Callable[[], Parser]] = {
        "contact_email": lambda: Email(longest),
        "contact_phone": lambda: Phone(longest),
        "company_website": lambda: Website(longest),
        "client_type": lambda: CLIENT_TYPE,
        "source_type": lambda: choice(Source),
        "assigned_to": lambda: known.owner,
        "status": lambda: known.stage,
        "insurance_type": lambda: known.line,
        "loss_reason": lambda: choice(LossReason),
        "tier_override": lambda: choice(Tier),
        "overall_score": lambda: Share(decimal_mark(texts)),
        "predicted_close_probability": lambda: Share(decimal_mark(texts)),
        "estimated_value": lambda: Amount(model_field.max_digits, model_field.decimal_places, decimal_mark(texts)),
        "expected_close_date": lambda: Day(day_comes_first(texts)),
        "closed_at": lambda: PastDay(day_comes_first(texts)),
        "tags": lambda: Tags(model_field.base_field.max_length),
        "notes": lambda: long_text,
        "loss_notes": lambda: long_text,
    }
    return special.get(field, lambda: Line(longest))()


def choice(choices: type[TextChoices], **aliases: str) -> Choice:
    """One of `choices`, by its value or its label."""
    options = {plain(name): value for value, label in choices.choices for name in (value, label)}
    names = ", ".join(str(label) for label in choices.labels)
    return Choice({**options, **aliases}, f"is none of: {names}")


CLIENT_TYPE = choice(
    ClientType,
    personal=ClientType.INDIVIDUAL,
    person=ClientType.INDIVIDUAL,
    commercial=ClientType.BUSINESS,
    company=ClientType.BUSINESS,
)


def borne_out_by(known: Known) -> BearsOut:
    """Whether at least half of some texts can be values of a field."""

    def bears_out(field: str, texts: list[str]) -> bool:
        parse = parser(field, known, texts)
        return bool(texts) and sum(can_be(parse, text) for text in texts) >= BORNE_OUT * len(texts)

    return bears_out


def can_be(parse: Parser, text: str) -> bool:
    try:
        parse(text)
    except BadCell:
        return False
    return True


def custom_fields(columns: list[tuple[int, str]], cells: list[str]) -> str:
    """The JSON object of the cells that have something in them; `columns` gives each place with its key."""
    members = []
    for place, key in columns:
        if text := cells[place].strip():
            members.append(key + (text if is_exact_number(text) else quoted(text)))
    return "{" + ",".join(members) + "}"


def is_exact_number(text: str) -> bool:
    """Whether `text`, as a JSON number, comes back from the database exactly as it is written."""
    found = EXACT_NUMBER.fullmatch(text)
    if not found or text == "-0":
        return False
    if not found[2]:
        return True
    return len(text) <= MOST_DIGITS and repr(float(text)) == text
