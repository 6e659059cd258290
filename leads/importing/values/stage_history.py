"""What a file says of the past of a lead: whether and when it was won or lost, and when it entered each stage.

Pure: no database.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, ClassVar

from leads.importing.cells import CellParser
from leads.importing.columns import LEAD_FIELDS
from leads.importing.synonyms import HISTORY_SYNONYMS, plain_name
from leads.importing.values.dates import MomentParser, as_moment, date_order_of_column
from leads.importing.values.line_questions import parse_yes_or_no
from leads.models import LeadStatus

HISTORY = "history"
WON_ON, LOST_ON, CHANGED_ON = "won_at", "lost_at", "stage_changed_at"
IS_WON, IS_LOST, IS_CLOSED = "is_won", "is_lost", "is_closed"
ENTERED = "entered"
NAMES = {
    WON_ON: "Won on",
    LOST_ON: "Lost on",
    CHANGED_ON: "Last change of stage",
    IS_WON: "Won (yes or no)",
    IS_LOST: "Lost (yes or no)",
    IS_CLOSED: "Closed (yes or no)",
}
YES_OR_NO = frozenset({IS_WON, IS_LOST, IS_CLOSED})
# How other systems call the column with the day on which a lead entered a stage.
ENTERED_HEADINGS = ("entered {}", "date entered {}", "{} entered", "{} date", "date {}", "{} since")


@dataclass(frozen=True)
class HistoryColumn:
    """A target of a column that says something of the past of a lead, such as `history.won_at`."""

    key: str
    label: str
    headings: tuple[str, ...]
    line: ClassVar[str] = HISTORY
    line_name: ClassVar[str] = "Stage history"
    version: ClassVar[int] = 0

    @property
    def target(self) -> str:
        return f"{HISTORY}.{self.key}"

    def parser(self, texts: Iterable[str], decimal: str, dates: str) -> CellParser:
        """Return the parser of the cells. `texts` are samples; `dates` is what a person decided."""
        return parse_yes_or_no if self.key in YES_OR_NO else MomentParser(dates or date_order_of_column(texts))


def history_columns(stages: Iterable[LeadStatus]) -> dict[str, HistoryColumn]:
    """Return what a column can say of the past of a lead, by target; `stages` in their order."""
    columns = [HistoryColumn(key, name, tuple(HISTORY_SYNONYMS[key].split())) for key, name in NAMES.items()]
    columns += [
        HistoryColumn(f"{ENTERED}.{stage.pk}", f"Entered {stage.label}", entered_headings(stage)) for stage in stages
    ]
    return {column.target: column for column in columns}


def entered_headings(stage: LeadStatus) -> tuple[str, ...]:
    """Return what columns with the day on which a lead entered `stage` are called, except names of fields."""
    headings = (plain_name(heading.format(name)) for heading in ENTERED_HEADINGS for name in (stage.label, stage.pk))
    return tuple(heading for heading in headings if heading not in LEAD_FIELDS.known_headers)


def history_headings(columns: Mapping[str, Any]) -> dict[str, str]:
    """Return the targets among `columns` by the names of columns, as `plain_name` writes them."""
    headings: dict[str, str] = {}
    for target, column in columns.items():
        for heading in column.headings if isinstance(column, HistoryColumn) else ():
            headings.setdefault(heading, target)
    return headings


@dataclass(frozen=True)
class PastOfLead:
    """What one row says of the past: the values by key. Of a date without a time, the day begins."""

    said: Mapping[str, Any]

    def __bool__(self) -> bool:
        return bool(self.said)

    def moment(self, key: str) -> datetime | None:
        value: date | datetime | None = self.said.get(key)
        return None if value is None else as_moment(value)

    def closing(self, *, has_stage: bool) -> str:
        """Return the category of the stage in which the lead ended, won or lost; empty if the row does not say it.

        A day alone does not close a lead that the row calls open: it may have been opened again.
        """
        said = self.said.get
        if said(IS_WON) or (not has_stage and said(WON_ON)):
            return "won"
        if said(IS_LOST) or (said(IS_CLOSED) and said(IS_WON) is False) or (not has_stage and said(LOST_ON)):
            return "lost"
        return ""

    def entries(self) -> list[tuple[datetime, str]]:
        """Return when the lead entered which stage, the earliest first; at one moment in the order of the stages."""
        prefix = f"{ENTERED}."
        entered = [
            (as_moment(value), key.removeprefix(prefix)) for key, value in self.said.items() if key.startswith(prefix)
        ]
        return sorted(entered, key=lambda entry: entry[0])
