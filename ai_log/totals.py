"""What models were asked and what it cost: by agent, by model, by day, as far as somebody sees it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.utils import timezone
from django.utils.module_loading import import_string

from ai_log.models import AIInteractionQuerySet
from ai_log.rollup import Cell, Sums, cells, cells_of
from ai_log.today import MOST_READ, cost
from crm.filters import start_of
from crm.models import User
from crm.models.base import sees_everyone

PERIODS = (7, 30, 90)
# What was kept of each day knows agents and models; asked anything else, calls are read one by one, the newest so many.
KNOWN = {"agent", "model", "since", "until"}
LONGEST_DAYS = 1_096
MOST_NAMES = 50


@dataclass
class Judged:
    """What people decided on what came of calls; `approved` counts the edited ones, too."""

    decided: int = 0
    approved: int = 0
    edited: int = 0

    def add(self, what: str, number: int = 1) -> None:
        self.decided += number
        self.approved += number if what != "rejected" else 0
        self.edited += number if what == "edited" else 0

    @property
    def accepted_share(self) -> float | None:
        return self.approved / self.decided if self.decided else None

    @property
    def edited_share(self) -> float | None:
        """Of the approved, how many had to be changed; None if none was approved."""
        return self.edited / self.approved if self.approved else None


@dataclass
class Group:
    """What belongs to one name or time: its calls, and what was decided on what came of them."""

    sums: Sums = field(default_factory=Sums)
    judged: Judged = field(default_factory=Judged)


@dataclass(frozen=True)
class Judgement:
    """One decision on what came of a call of `agent` to `model`."""

    day: date
    agent: str
    model: str
    what: str


@dataclass(frozen=True)
class Figures:
    """All that is told of the days from `first` to `last`; `notes` say what is missing."""

    first: date
    last: date
    cells: list[Cell]
    judgements: list[Judgement]
    notes: list[str]

    def grouped(self, key: Callable[[Any], Any]) -> dict[Any, Group]:
        """Calls and decisions together by what `key` says of a cell or a judgement."""
        found: dict[Any, Group] = {}
        for cell in self.cells:
            found.setdefault(key(cell), Group()).sums.add(cell.sums)
        for one in self.judgements:
            found.setdefault(key(one), Group()).judged.add(one.what)
        return found


def figures(user: User, calls: AIInteractionQuerySet, asked: dict[str, Any], days: tuple[date, date]) -> Figures:
    """The figures of `days` (the first and the last) that `user` sees: of `calls`, the log filtered as `asked`.

    Months are told from what is kept of each day; where something else than agent and model is asked for, or the user
    does not see all, from the newest 10,000 calls.
    """
    first, last = days
    notes: list[str] = []
    known = sees_everyone(user) and {name for name, value in asked.items() if value not in (None, "")} <= KNOWN
    within = calls.filter(created_at__gte=start_of(first), created_at__lt=start_of(last + timedelta(days=1)))
    if known:
        found = cells(first, last, agent=asked.get("agent") or "", model=asked.get("model") or "")
    else:
        found = cells_of(within.order_by("-created_at", "-id")[:MOST_READ])
        if sum(cell.sums.calls for cell in found) == MOST_READ:
            oldest = min(cell.day for cell in found)
            notes.append(f"Only the newest {MOST_READ:,} calls are told, those since {oldest:%d %b %Y}.")
    narrowed = None if known and not (asked.get("agent") or asked.get("model")) else calls
    judged = judgements(user, first, last, narrowed)
    if len(judged) == MOST_READ:
        notes.append(f"Of decisions, only the newest {MOST_READ:,} are told.")
    return Figures(first, last, found, judged, notes)


def judgements(user: User, first: date, last: date, calls: AIInteractionQuerySet | None) -> list[Judgement]:
    """What was decided from `first` to `last`, of `calls` if they are given, the newest 10,000."""
    until = start_of(last + timedelta(days=1))
    found = import_string(settings.AI_JUDGEMENTS)(user, start_of(first), until, calls, MOST_READ)
    return [Judgement(timezone.localdate(at), agent, model, what) for at, agent, model, what in found]


@dataclass(frozen=True)
class Total:
    """A line of a table; `asked` is the query string of the list that holds its calls."""

    name: str
    asked: str
    group: Group

    @property
    def calls(self) -> int:
        return self.group.sums.calls

    @property
    def unknown(self) -> int:
        """Calls of unknown cost: their dollars are in no sum, not even as nothing."""
        return self.calls - self.group.sums.priced

    @property
    def cost(self) -> str:
        return cost(self.group.sums.cost, self.group.sums.priced)

    @property
    def median(self) -> str:
        return in_seconds(self.group.sums.latency(0.5))

    @property
    def slowest(self) -> str:
        """What 95 of 100 calls took at most."""
        return in_seconds(self.group.sums.latency(0.95))

    @property
    def accepted(self) -> str:
        return in_percent(self.group.judged.accepted_share)

    @property
    def edited(self) -> str:
        return in_percent(self.group.judged.edited_share)


def totals(found: Figures, kept: Iterable[tuple[str, str]]) -> dict[str, list[Total]]:
    """By agent and by model the most called first, by day the newest; `kept` are the filters in force."""
    kept = [(name, value) for name, value in kept if name not in ("since", "until")]
    span = [("since", str(found.first)), ("until", str(found.last))]

    def asked(*more: tuple[str, str]) -> str:
        names = {name for name, _ in more}
        return urlencode([*((name, value) for name, value in kept if name not in names), *more])

    tables = {}
    for label in ("agent", "model"):
        groups = found.grouped(lambda one, label=label: getattr(one, label))
        ranked = sorted(groups.items(), key=lambda item: (-item[1].sums.calls, item[0]))[:MOST_NAMES]
        tables[label] = [
            Total(name or "not named", asked(*([(label, name)] if name else []), *span), group)
            for name, group in ranked
        ]
    days = sorted(found.grouped(lambda one: one.day).items(), reverse=True)
    tables["day"] = [
        Total(f"{day:%a, %d %b %Y}", asked(("since", str(day)), ("until", str(day))), group) for day, group in days
    ]
    return tables


def in_seconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.1f} s"


def in_percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.0f} %"
