"""What models were asked and what it cost: by agent, by model, by day, as far as somebody sees it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from ai_log.dashboard import MOST_READ, cost
from ai_log.models import AIInteractionQuerySet
from ai_log.usage.rollup import Cell, Sets, Sums, cells_of, judged, judgements, sets, told_apart
from crm.filters import start_of
from crm.models import User
from crm.records.base import sees_everyone

PERIODS = (7, 30, 90)
# What was kept of each day knows agents and models; asked anything else, calls are read one by one, the newest so many.
KNOWN = {"agent", "model", "since", "until"}
MOST_SEARCHED = 2_000
LONGEST_DAYS = 1_096
MOST_NAMES = 50
NOT_NAMED = "not named"
DAY = timedelta(days=1)
LENGTHS = {"day": DAY, "week": 7 * DAY}


@dataclass(frozen=True)
class Figures:
    """All that is told of the days from `first` to `last`; `notes` say what is missing."""

    first: date
    last: date
    sets: Sets
    notes: list[str]

    @property
    def has_calls(self) -> bool:
        return any(cell.sums.calls for cell in self.sets["day"])

    def grouped(self, by: str, key: Callable[[Cell], Any]) -> dict[Any, Sums]:
        """The cells by agent, model or day together by what `key` says of each."""
        found: dict[Any, Sums] = {}
        for cell in self.sets[by]:
            found.setdefault(key(cell), Sums()).add(cell.sums)
        return found


def figures(user: User, calls: AIInteractionQuerySet, asked: dict[str, Any], days: tuple[date, date]) -> Figures:
    """The figures of `days` (the first and the last) that `user` sees: of `calls`, the log filtered as `asked`.

    Months are told from what is kept of each day; where something else than agent and model is asked for, or the user
    does not see all, from the newest 10,000 calls (2,000, if their words must be read).
    """
    first, last = days
    if user.has_perm("suggestions.view_suggestion") and is_kept(user, asked):
        return Figures(first, last, sets(first, last, agent=asked["agent"] or "", model=asked["model"] or ""), [])
    most = MOST_SEARCHED if asked.get("q") else MOST_READ
    within = calls.filter(created_at__gte=start_of(first), created_at__lt=start_of(last + timedelta(days=1)))
    found, notes = cells_of(within.order_by("-created_at", "-id")[:most]), []
    if sum(cell.sums.calls for cell in told_apart(found)["day"]) == most:
        oldest = min(cell.day for cell in found)
        notes.append(f"Only the newest {most:,} calls are told, those since {oldest:%d %b %Y}.")
    decided = judgements(user, first, last, calls, most)
    if len(decided) == most:
        notes.append(f"Of decisions, only the newest {most:,} are told.")
    return Figures(first, last, told_apart([*found, *judged(decided)]), notes)


def is_kept(user: User, asked: dict[str, Any]) -> bool:
    """Whether what is kept of each day can tell what is `asked`."""
    return sees_everyone(user) and {name for name, value in asked.items() if value not in (None, "")} <= KNOWN


@dataclass(frozen=True)
class Total:
    """A line of a table; `asked` is the query string of the list that holds its calls."""

    name: str
    asked: str
    sums: Sums

    @property
    def unknown(self) -> int:
        """Calls of unknown cost: their dollars are in no sum, not even as nothing."""
        return self.sums.calls - self.sums.priced

    @property
    def cost(self) -> str:
        return cost(self.sums.cost, self.sums.priced)

    @property
    def median(self) -> str:
        return in_seconds(self.sums.latency(0.5))

    @property
    def slowest(self) -> str:
        """What 95 of 100 calls took at most."""
        return in_seconds(self.sums.latency(0.95))

    @property
    def accepted(self) -> str:
        return in_percent(self.sums.accepted_share)

    @property
    def edited(self) -> str:
        return in_percent(self.sums.edited_share)


def totals(found: Figures, kept: Iterable[tuple[str, str]], per: str) -> dict[str, list[Total]]:
    """By agent and by model the most called first, by day or week the newest; `kept` are the filters in force."""
    kept = [(name, value) for name, value in kept if name not in ("since", "until")]

    def asked(first: date, last: date, *named: tuple[str, str]) -> str:
        rest = [(name, value) for name, value in kept if name not in dict(named)]
        return urlencode([*rest, *named, ("since", str(first)), ("until", str(last))])

    tables = {}
    for by in ("agent", "model"):
        groups = found.grouped(by, lambda cell, by=by: getattr(cell, by))
        ranked = sorted(groups.items(), key=lambda item: (-item[1].calls, item[0]))[:MOST_NAMES]
        tables[by] = [
            Total(name or NOT_NAMED, asked(found.first, found.last, *([(by, name)] if name else [])), sums)
            for name, sums in ranked
        ]
    times = sorted(found.grouped("day", lambda cell: start(cell.day, per)).items(), reverse=True)
    tables[per] = [Total(label(at, per), asked(at, at + LENGTHS[per] - DAY), sums) for at, sums in times]
    return tables


def start(day: date, per: str) -> date:
    """The day itself, or the Monday of its week."""
    return day - timedelta(days=day.weekday()) if per == "week" else day


def label(at: date, per: str) -> str:
    return f"week of {at:%d %b %Y}" if per == "week" else f"{at:%a, %d %b %Y}"


def in_seconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.1f} s"


def in_percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.0f} %"
