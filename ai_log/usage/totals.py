"""What models were asked and what it cost: by agent, by model, by day, as far as somebody sees it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from ai_log.dashboard import MAX_CALLS_READ, format_cost
from ai_log.models import AIInteractionQuerySet
from ai_log.usage.rollup import (
    Cell,
    CellsByDimension,
    Sums,
    decision_cells,
    group_by_dimension,
    load_cells,
    load_decisions,
    sum_calls,
)
from crm.models import User
from crm.records.base import can_see_everyone
from crm.screens.filters import start_of_day

PERIOD_DAYS = (7, 30, 90)
# What was kept of each day knows agents and models; asked anything else, calls are read one by one, the newest so many.
STORED_FILTERS = {"agent", "model", "since", "until"}
MAX_SEARCHED_CALLS = 2_000
MAX_DAYS = 1_096
MAX_TABLE_ROWS = 50
UNNAMED_LABEL = "not named"
ONE_DAY = timedelta(days=1)
PERIOD_LENGTHS = {"day": ONE_DAY, "week": 7 * ONE_DAY}


@dataclass(frozen=True)
class UsageFigures:
    """All that is told of the days from `first` to `last`; `notes` say what is missing."""

    first: date
    last: date
    cells: CellsByDimension
    notes: list[str]

    @property
    def has_calls(self) -> bool:
        return any(cell.sums.calls for cell in self.cells["day"])

    def sum_by(self, by: str, key: Callable[[Cell], Any]) -> dict[Any, Sums]:
        """The cells by agent, model or day together by what `key` says of each."""
        sums_by_key: dict[Any, Sums] = {}
        for cell in self.cells[by]:
            sums_by_key.setdefault(key(cell), Sums()).add(cell.sums)
        return sums_by_key


def load_usage(
    user: User, calls: AIInteractionQuerySet, filters: dict[str, Any], days: tuple[date, date]
) -> UsageFigures:
    """The figures of `days` (the first and the last) that `user` sees: of `calls`, the log filtered as `asked`.

    Months are told from what is kept of each day; where something else than agent and model is asked for, or the user
    does not see all, from the newest 10,000 calls (2,000, if their words must be read).
    """
    first, last = days
    if user.has_perm("suggestions.view_suggestion") and can_use_stored_days(user, filters):
        return UsageFigures(
            first, last, load_cells(first, last, agent=filters["agent"] or "", model=filters["model"] or ""), []
        )
    limit = MAX_SEARCHED_CALLS if filters.get("q") else MAX_CALLS_READ
    calls_in_period = calls.filter(
        created_at__gte=start_of_day(first), created_at__lt=start_of_day(last + timedelta(days=1))
    )
    cells, notes = sum_calls(calls_in_period.order_by("-created_at", "-id")[:limit]), []
    if sum(cell.sums.calls for cell in group_by_dimension(cells)["day"]) == limit:
        oldest = min(cell.day for cell in cells)
        notes.append(f"Only the newest {limit:,} calls are told, those since {oldest:%d %b %Y}.")
    decisions = load_decisions(user, first, last, calls, limit)
    if len(decisions) == limit:
        notes.append(f"Of decisions, only the newest {limit:,} are told.")
    return UsageFigures(first, last, group_by_dimension([*cells, *decision_cells(decisions)]), notes)


def can_use_stored_days(user: User, filters: dict[str, Any]) -> bool:
    """Whether what is kept of each day can tell what is `asked`."""
    return (
        can_see_everyone(user)
        and {name for name, value in filters.items() if value not in (None, "")} <= STORED_FILTERS
    )


@dataclass(frozen=True)
class UsageRow:
    """A line of a table; `asked` is the query string of the list that holds its calls."""

    name: str
    query_string: str
    sums: Sums

    @property
    def unknown_cost_calls(self) -> int:
        """Calls of unknown cost: their dollars are in no sum, not even as nothing."""
        return self.sums.calls - self.sums.priced

    @property
    def cost(self) -> str:
        return format_cost(self.sums.cost, self.sums.priced)

    @property
    def median_latency(self) -> str:
        return format_seconds(self.sums.latency_percentile(0.5))

    @property
    def p95_latency(self) -> str:
        """What 95 of 100 calls took at most."""
        return format_seconds(self.sums.latency_percentile(0.95))

    @property
    def accepted_percent(self) -> str:
        return format_percent(self.sums.accepted_share)

    @property
    def edited_percent(self) -> str:
        return format_percent(self.sums.edited_share)


def usage_tables(usage: UsageFigures, active_filters: Iterable[tuple[str, str]], per: str) -> dict[str, list[UsageRow]]:
    """By agent and by model the most called first, by day or week the newest; `active_filters` are the filters in force."""
    active_filters = [(name, value) for name, value in active_filters if name not in ("since", "until")]

    def build_query(first: date, last: date, *overrides: tuple[str, str]) -> str:
        other_filters = [(name, value) for name, value in active_filters if name not in dict(overrides)]
        return urlencode([*other_filters, *overrides, ("since", str(first)), ("until", str(last))])

    tables = {}
    for by in ("agent", "model"):
        groups = usage.sum_by(by, lambda cell, by=by: getattr(cell, by))
        ranked = sorted(groups.items(), key=lambda item: (-item[1].calls, item[0]))[:MAX_TABLE_ROWS]
        tables[by] = [
            UsageRow(name or UNNAMED_LABEL, build_query(usage.first, usage.last, *([(by, name)] if name else [])), sums)
            for name, sums in ranked
        ]
    times = sorted(usage.sum_by("day", lambda cell: period_start(cell.day, per)).items(), reverse=True)
    tables[per] = [
        UsageRow(period_label(at, per), build_query(at, at + PERIOD_LENGTHS[per] - ONE_DAY), sums) for at, sums in times
    ]
    return tables


def period_start(day: date, per: str) -> date:
    """The day itself, or the Monday of its week."""
    return day - timedelta(days=day.weekday()) if per == "week" else day


def period_label(at: date, per: str) -> str:
    return f"week of {at:%d %b %Y}" if per == "week" else f"{at:%a, %d %b %Y}"


def format_seconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.1f} s"


def format_percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.0f} %"
