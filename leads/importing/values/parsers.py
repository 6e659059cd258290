"""Choose the parser for each field of a lead. Pure: no database."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from crm.models import ClientType
from leads.importing.cells import (
    CellParser,
    ChoiceParser,
    EmailParser,
    LineParser,
    PhoneParser,
    TagsParser,
    WebsiteParser,
    parse_long_text,
)
from leads.importing.columns import CONSENT_FIELDS
from leads.importing.exceptions import AmbiguousCell, InvalidCell
from leads.importing.values.amounts import AmountParser, FractionParser, decimal_mark_of_column
from leads.importing.values.consent import ConsentParser
from leads.importing.values.dates import MomentParser, date_order_of_column
from leads.importing.values.line_questions import LineQuestion
from leads.importing.values.stage_history import HistoryColumn
from leads.importing.values.stages import StageParser, choice_parser, parse_source
from leads.models import Lead, LossReason, ScoringPolicy, Tier

CLIENT_TYPE_PARSER = choice_parser(
    ClientType.choices,
    personal=ClientType.INDIVIDUAL,
    person=ClientType.INDIVIDUAL,
    privat=ClientType.INDIVIDUAL,
    particulier=ClientType.INDIVIDUAL,
    commercial=ClientType.BUSINESS,
    company=ClientType.BUSINESS,
    firma=ClientType.BUSINESS,
    entreprise=ClientType.BUSINESS,
    empresa=ClientType.BUSINESS,
)

DATE_FIELDS = ("expected_close_date", "closed_at", "created_at")


@dataclass(frozen=True)
class Notation:
    """The notation of numbers and dates that a person chose for a file; empty where undecided.

    `decimal` is the decimal mark, `dates` is dmy or mdy.
    """

    decimal: str = ""
    dates: str = ""


UNDECIDED = Notation()


AskedColumn = LineQuestion | HistoryColumn


@dataclass(frozen=True)
class ImportContext:
    """The stages, lines, owners and scoring policy that the cells of a file refer to."""

    stage: StageParser | ChoiceParser
    line: ChoiceParser
    owner: ChoiceParser
    open_stages: frozenset[str]
    lost_stages: frozenset[str]
    policy: ScoringPolicy
    phone_region: str = "US"
    won_stages: frozenset[str] = frozenset()
    # The first stage of each category.
    first_stages: Mapping[str, str] = field(default_factory=dict)
    # The questions of the lines and what a column can say of the past, by target: `auto.vin`, `history.won_at`.
    questions: Mapping[str, AskedColumn] = field(default_factory=dict)


def parser_for_field(
    field: str, context: ImportContext, texts: list[str], notation: Notation = UNDECIDED
) -> CellParser:
    """Return the parser for cells of `field`; `texts` are samples that show how the column writes dates and numbers."""
    if field in CONSENT_FIELDS:
        return consent_parser(field)
    if field in context.questions:
        return context.questions[field].parser(texts, notation.decimal, notation.dates)
    model_field = Lead._meta.get_field(field)
    max_length = getattr(model_field, "max_length", None) or 0
    special: Mapping[str, Callable[[], CellParser]] = {
        "contact_email": lambda: EmailParser(max_length),
        "contact_phone": lambda: PhoneParser(max_length),
        "company_website": lambda: WebsiteParser(max_length),
        "client_type": lambda: CLIENT_TYPE_PARSER,
        "source_type": lambda: parse_source,
        "assigned_to": lambda: context.owner,
        "status": lambda: context.stage,
        "insurance_type": lambda: context.line,
        "loss_reason": lambda: choice_parser(LossReason.choices),
        "tier_override": lambda: choice_parser(Tier.choices),
        "overall_score": FractionParser,
        "predicted_close_probability": FractionParser,
        "estimated_value": lambda: AmountParser(
            model_field.max_digits, model_field.decimal_places, notation.decimal or decimal_mark_of_column(texts)
        ),
        **dict.fromkeys(DATE_FIELDS, lambda: MomentParser(notation.dates or date_order_of_column(texts))),
        "tags": lambda: TagsParser(model_field.base_field.max_length),
        "notes": lambda: parse_long_text,
        "loss_notes": lambda: parse_long_text,
    }
    return special.get(field, lambda: LineParser(max_length))()


def consent_parser(field: str) -> ConsentParser:
    """Return the parser for one of the fields that become contact preferences."""
    return ConsentParser(is_refusal=CONSENT_FIELDS[field][1] == "do_not_contact")


def can_parse(parse: CellParser, text: str) -> bool:
    try:
        parse(text)
    except AmbiguousCell:
        return True
    except InvalidCell:
        return False
    return True
