"""AI usage and cost by agent, model and day, of the calls that a user may see."""

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
# The stored sums can only be filtered by these. With any other filter, the newest calls are read from the log.
STORED_FILTERS = {"agent", "model", "since", "until"}
MAX_SEARCHED_CALLS = 2_000
MAX_DAYS = 1_096
MAX_TABLE_ROWS = 50
UNNAMED_LABEL = "unnamed"
ONE_DAY = timedelta(days=1)
PERIOD_LENGTHS = {"day": ONE_DAY, "week": 7 * ONE_DAY}


@dataclass(frozen=True)
class UsageFigures:
    """The figures of the days from `first` to `last`; `notes` say what is missing."""

    first: date
    last: date
    cells: CellsByDimension
    notes: list[str]

    @property
    def has_calls(self) -> bool:
        return any(cell.sums.calls for cell in self.cells["day"])

    def sum_by(self, by: str, key: Callable[[Cell], Any]) -> dict[Any, Sums]:
        """Return the sums of the cells `by` agent, model or day, grouped by `key`."""
        sums_by_key: dict[Any, Sums] = {}
        for cell in self.cells[by]:
            sums_by_key.setdefault(key(cell), Sums()).add(cell.sums)
        return sums_by_key


def load_usage(
    user: User, calls: AIInteractionQuerySet, filters: dict[str, Any], days: tuple[date, date]
) -> UsageFigures:
    """Return the figures of `days` (first and last) for `user`, where `calls` is the log filtered by `filters`.

    They come from the stored sums if possible. With filters other than agent and model, or for a user who may not see
    everything, they come from the newest 10,000 calls (2,000 with a text search).
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
        notes.append(f"Only the newest {limit:,} calls are included, those since {oldest:%-d %b %Y}.")
    decisions = load_decisions(user, first, last, calls, limit)
    if len(decisions) == limit:
        notes.append(f"Only the newest {limit:,} decisions are included.")
    return UsageFigures(first, last, group_by_dimension([*cells, *decision_cells(decisions)]), notes)


def can_use_stored_days(user: User, filters: dict[str, Any]) -> bool:
    """Return whether the stored sums can answer a query with `filters`."""
    return (
        can_see_everyone(user)
        and {name for name, value in filters.items() if value not in (None, "")} <= STORED_FILTERS
    )


@dataclass(frozen=True)
class UsageRow:
    """A row of a table; `query_string` is that of the list with its calls."""

    name: str
    query_string: str
    sums: Sums

    @property
    def unknown_cost_calls(self) -> int:
        """Return the number of calls with unknown cost, which the sums do not include."""
        return self.sums.calls - self.sums.priced

    @property
    def cost(self) -> str:
        return format_cost(self.sums.cost, self.sums.priced)

    @property
    def median_latency(self) -> str:
        return format_seconds(self.sums.latency_percentile(0.5))

    @property
    def p95_latency(self) -> str:
        """Return the 95th percentile of the latency as text."""
        return format_seconds(self.sums.latency_percentile(0.95))

    @property
    def accepted_percent(self) -> str:
        return format_percent(self.sums.accepted_share)

    @property
    def edited_percent(self) -> str:
        return format_percent(self.sums.edited_share)


def usage_tables(usage: UsageFigures, active_filters: Iterable[tuple[str, str]], per: str) -> dict[str, list[UsageRow]]:
    """Return the tables by agent and by model (most calls first) and by day or week (newest first)."""
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
    """Return the day itself, or the Monday of its week."""

    return day - timedelta(days=day.weekday()) if per == "week" else day


def period_label(at: date, per: str) -> str:
    return f"week of {at:%-d %b %Y}" if per == "week" else f"{at:%a, %-d %b %Y}"


def format_seconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.1f} s"


def format_percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.0f} %"
