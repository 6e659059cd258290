"""Daily sums of the AI log, so that figures of months do not have to read every call.

A job sums finished days (`store_finished_days`): for each agent and model, each agent, each model, and in total, so
that every question reads few rows. Newer days are read from the log itself, so figures are always up to date. Days are
those of the agency's time zone.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Max, Min
from django.utils.module_loading import import_string

from ai_log.models import AIInteraction, AIInteractionQuerySet, CallDay
from crm.models import User
from crm.records.local_time import agency_today, agency_zone, start_of_agency_day

# The latest days are summed again each time, because calls may be logged late and decisions may be undone.
RESUM_PERIOD = timedelta(days=3)
# Latencies are counted in steps that are 9 % apart, so percentiles are accurate to 5 %.
LATENCY_STEPS = 8
SUM_CALLS_SQL = """
    SELECT day, agent, model_used, sum(n)::int, sum(failed)::int, sum(priced)::int, coalesce(sum(asked), 0)::bigint,
           coalesce(sum(answered), 0)::bigint, sum(dollars),
           coalesce(json_object_agg(step, n) FILTER (WHERE step >= 0), '{{}}'), 0, 0, 0
      FROM (
        SELECT (created_at AT TIME ZONE %s)::date AS day, agent, model_used,
               coalesce(floor({steps} * ln(greatest(latency_ms, 1)::float8) / ln(2::float8))::int, -1) AS step,
               count(*) AS n, count(*) FILTER (WHERE error_message <> '') AS failed, count(cost_usd) AS priced,
               sum(prompt_tokens) AS asked, sum(completion_tokens) AS answered, sum(cost_usd) AS dollars
          FROM ({calls}) AS call GROUP BY 1, 4, CUBE (agent, model_used)
      ) AS stepped GROUP BY 1, 2, 3
"""
SUMMED_CALL_COLUMNS = (
    "created_at",
    "agent",
    "model_used",
    "latency_ms",
    "error_message",
    "prompt_tokens",
    "completion_tokens",
    "cost_usd",
)
STORED_SUM_COLUMNS = (
    "calls",
    "failed",
    "priced",
    "prompt_tokens",
    "completion_tokens",
    "cost_usd",
    "latencies",
    "decided",
    "approved",
    "edited",
)


@dataclass
class Sums:
    """The sums of calls, and of the decisions on suggestions from them.

    `cost` covers only the `priced` calls, `latencies` counts calls by latency step, and `approved` includes `edited`.
    """

    calls: int = 0
    failed: int = 0
    priced: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost: Decimal = Decimal(0)
    latencies: dict[str, int] = field(default_factory=dict)
    decided: int = 0
    approved: int = 0
    edited: int = 0

    def add(self, other: "Sums") -> None:
        self.calls += other.calls
        self.failed += other.failed
        self.priced += other.priced
        self.tokens_in += other.tokens_in
        self.tokens_out += other.tokens_out
        self.cost += other.cost
        self.decided += other.decided
        self.approved += other.approved
        self.edited += other.edited
        for step, count in other.latencies.items():
            self.latencies[step] = self.latencies.get(step, 0) + count

    def add_decision(self, decision: str) -> None:
        """Count one decision: "approved", "edited" (approved with changes) or "rejected"."""
        self.decided += 1
        self.approved += decision != "rejected"
        self.edited += decision == "edited"

    def latency_percentile(self, share: float) -> float | None:
        """Return the seconds within which this share of the calls ended, accurate to 5 %; None without any latency."""
        remaining = share * sum(self.latencies.values())
        for step, count in sorted((int(step), count) for step, count in self.latencies.items()):
            remaining -= count
            if remaining <= 0:
                return 2 ** ((step + 0.5) / LATENCY_STEPS) / 1000
        return None

    @property
    def accepted_share(self) -> float | None:
        return self.approved / self.decided if self.decided else None

    @property
    def edited_share(self) -> float | None:
        """Return the share of approved suggestions that were edited; None if none was approved."""
        return self.edited / self.approved if self.approved else None


@dataclass(frozen=True)
class Cell:
    """The sums of one day for an agent and a model; None means all."""

    day: date
    agent: str | None
    model: str | None
    sums: Sums


def sum_cells(cells: Iterable[Cell]) -> Sums:
    """Return the total of `cells`, which must not overlap."""
    total = Sums()
    for cell in cells:
        total.add(cell.sums)
    return total


# Cells by agent, by model and in total are kept apart, so that no call is counted twice.
CellsByDimension = dict[str, list[Cell]]
DIMENSIONS = ("agent", "model", "day")


def load_cells(
    first: date, last: date, *, agent: str = "", model: str = "", by: Iterable[str] = DIMENSIONS
) -> CellsByDimension:
    """Return the sums of all calls from `first` to `last`, for one agent or model if given."""
    cells_by_dimension = {dimension: stored_cells(first, last, dimension, agent, model) for dimension in by}
    filters = {name: value for name, value in {"agent": agent, "model_used": model}.items() if value}
    for start, end in unstored_periods(first, last):
        missing_cells = [
            *sum_calls(calls_between(start, end).filter(**filters)),
            *decision_cells(load_decisions(None, start, end, None, None), agent, model),
        ]
        for dimension, group in group_by_dimension(missing_cells).items():
            if dimension in cells_by_dimension:
                cells_by_dimension[dimension] += group
    return cells_by_dimension


def stored_cells(first: date, last: date, by: str, agent: str, model: str) -> list[Cell]:
    """Return the stored sums of each day, one cell for each agent or model (`by`), or one for all."""
    rows = CallDay.objects.filter(day__gte=first, day__lte=last)
    rows = rows.filter(agent=agent) if agent else rows.filter(agent__isnull=by != "agent")
    rows = rows.filter(model_used=model) if model else rows.filter(model_used__isnull=by != "model")
    return [make_cell(*row) for row in rows.values_list("day", "agent", "model_used", *STORED_SUM_COLUMNS)]


def unstored_periods(first: date, last: date) -> Iterator[tuple[date, date]]:
    """Yield the periods from `first` to `last` that are before the first or after the last stored day."""
    stored = CallDay.objects.aggregate(first=Min("day"), last=Max("day"))
    one_day = timedelta(days=1)
    if stored["first"] is None:
        yield first, last
        return
    if first < stored["first"]:
        yield first, min(last, stored["first"] - one_day)
    if last > stored["last"]:
        yield max(first, stored["last"] + one_day), last


def group_by_dimension(cells: Iterable[Cell]) -> CellsByDimension:
    """Split cells of all kinds into those by agent, by model and in total."""
    groups: CellsByDimension = {one: [] for one in DIMENSIONS}
    dimensions = {(True, False): "agent", (False, True): "model", (False, False): "day"}
    for cell in cells:
        dimension = dimensions.get((cell.agent is not None, cell.model is not None))
        if dimension:
            groups[dimension].append(cell)
    return groups


def sum_calls(calls: AIInteractionQuerySet) -> list[Cell]:
    """Sum `calls`, which may be a slice, directly from the log."""
    sql, params = calls.values(*SUMMED_CALL_COLUMNS).query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(SUM_CALLS_SQL.format(steps=LATENCY_STEPS, calls=sql), [str(agency_zone()), *params])
        return [make_cell(*row) for row in cursor.fetchall()]


def make_cell(day: date, agent: str | None, model: str | None, *sums: Any) -> Cell:
    *counts, cost, latencies, decided, approved, edited = sums
    return Cell(day, agent, model, Sums(*counts, cost or Decimal(0), latencies, decided, approved, edited))


def load_decisions(
    user: User | None, first: date, last: date, calls: AIInteractionQuerySet | None, limit: int | None
) -> list[tuple[date, str, str, str]]:
    """Return the newest `limit` decisions from `first` to `last`: day, agent and model of the call, and the decision.

    Only those about `calls`, if given, and about suggestions that `user` may see; without a user, all.
    """
    until = start_of_agency_day(last + timedelta(days=1))
    decisions = import_string(settings.AI_JUDGEMENTS)(user, start_of_agency_day(first), until, calls, limit)
    return [(agency_today(at), agent, model, decision) for at, agent, model, decision in decisions]


def decision_cells(
    decisions: Iterable[tuple[date, str, str, str]], only_agent: str = "", only_model: str = ""
) -> list[Cell]:
    """Return the sums of decisions as cells of all kinds, as `sum_calls` does, for one agent or model if given."""
    cells: dict[tuple[date, str | None, str | None], Sums] = {}
    for day, agent, model, decision in decisions:
        if only_agent not in ("", agent) or only_model not in ("", model):
            continue
        for key in ((day, agent, model), (day, agent, None), (day, None, model), (day, None, None)):
            cells.setdefault(key, Sums()).add_decision(decision)
    return [Cell(*key, sums) for key, sums in cells.items()]


def calls_between(first: date, last: date) -> AIInteractionQuerySet:
    """Return the calls from `first` to `last`."""
    return AIInteraction.objects.filter(
        created_at__gte=start_of_agency_day(first), created_at__lt=start_of_agency_day(last + timedelta(days=1))
    )


def store_finished_days(now: datetime) -> Iterator[date]:
    """Store the sums of finished days that have none, and sum the latest stored days again. Yield each day."""
    last = CallDay.objects.aggregate(last=Max("day"))["last"]
    if last is None:
        oldest = AIInteraction.objects.order_by("created_at", "id").values_list("created_at", flat=True).first()
        day = agency_today(oldest or now)
    else:
        day = last - RESUM_PERIOD
    while day < agency_today(now):
        store_day(day)
        yield day
        day += timedelta(days=1)


@transaction.atomic
def store_day(day: date) -> None:
    """Replace the stored sums of `day`."""
    CallDay.objects.filter(day=day).delete()
    cells: dict[tuple[str | None, str | None], Sums] = {}
    for cell in [*sum_calls(calls_between(day, day)), *decision_cells(load_decisions(None, day, day, None, None))]:
        cells.setdefault((cell.agent, cell.model), Sums()).add(cell.sums)
    rows = []
    for (agent, model), sums in cells.items():
        fields = {name: value for name, value in vars(sums).items() if name not in ("tokens_in", "tokens_out", "cost")}
        row = CallDay(day=day, agent=agent, model_used=model, **fields)
        row.prompt_tokens, row.completion_tokens = sums.tokens_in, sums.tokens_out
        row.cost_usd = sums.cost if sums.priced else None
        rows.append(row)
    CallDay.objects.bulk_create(rows)
