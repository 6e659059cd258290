"""What a day's calls come to, kept beside the log: whoever asks about months need not read every call.

Days that are over are summed by a job (`keep_days`), by day, agent and model; what is newer than the last of them is
read from the log itself, so figures never lack behind. Days are those where we work.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection, transaction
from django.db.models import Max, Min
from django.utils import timezone

from ai_log.models import AIInteraction, AIInteractionQuerySet, CallDay
from crm.filters import start_of

# Made anew each time, for calls that were written late.
LATE = timedelta(days=3)
# Latencies are counted in steps that are 9 per cent apart: what is read from them is true to a twentieth.
STEPS = 8
SUMMED = """
    SELECT day, agent, model_used, sum(n)::int, sum(failed)::int, sum(priced)::int, coalesce(sum(asked), 0)::bigint,
           coalesce(sum(answered), 0)::bigint, sum(dollars),
           coalesce(json_object_agg(step, n) FILTER (WHERE step >= 0), '{{}}')
      FROM (
        SELECT (created_at AT TIME ZONE %s)::date AS day, agent, model_used,
               coalesce(floor({steps} * ln(greatest(latency_ms, 1)::float8) / ln(2::float8))::int, -1) AS step,
               count(*) AS n, count(*) FILTER (WHERE error_message <> '') AS failed, count(cost_usd) AS priced,
               sum(prompt_tokens) AS asked, sum(completion_tokens) AS answered, sum(cost_usd) AS dollars
          FROM ({calls}) AS call GROUP BY 1, 2, 3, 4
      ) AS stepped GROUP BY 1, 2, 3
"""
READ = (
    "created_at",
    "agent",
    "model_used",
    "latency_ms",
    "error_message",
    "prompt_tokens",
    "completion_tokens",
    "cost_usd",
)
KEPT = (
    "day",
    "agent",
    "model_used",
    "calls",
    "failed",
    "priced",
    "prompt_tokens",
    "completion_tokens",
    "cost_usd",
    "latencies",
)


@dataclass
class Sums:
    """What calls come to; `cost` is of the `priced` ones alone, and `latencies` counts calls by the step of theirs."""

    calls: int = 0
    failed: int = 0
    priced: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost: Decimal = Decimal(0)
    latencies: dict[int, int] = field(default_factory=dict)

    def add(self, other: "Sums") -> None:
        for name in ("calls", "failed", "priced", "tokens_in", "tokens_out", "cost"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for step, count in other.latencies.items():
            self.latencies[step] = self.latencies.get(step, 0) + count

    def latency(self, share: float) -> float | None:
        """The seconds within which that share of the calls had ended, to a twentieth; None if none was timed."""
        left = share * sum(self.latencies.values())
        for step, count in sorted(self.latencies.items()):
            left -= count
            if left <= 0:
                return 2 ** ((step + 0.5) / STEPS) / 1000
        return None


@dataclass(frozen=True)
class Cell:
    """The sums of one day, agent and model."""

    day: date
    agent: str
    model: str
    sums: Sums


def summed(found: Iterable[Cell]) -> Sums:
    """All of them together."""
    whole = Sums()
    for cell in found:
        whole.add(cell.sums)
    return whole


def cells(first: date, last: date, *, agent: str = "", model: str = "") -> list[Cell]:
    """The sums of all calls from `first` to `last`, of one agent or model if one is named."""
    named = {name: value for name, value in {"agent": agent, "model_used": model}.items() if value}
    rows = CallDay.objects.filter(day__gte=first, day__lte=last, **named).values_list(*KEPT)
    found = [cell_of(*row) for row in rows]
    kept = CallDay.objects.aggregate(first=Min("day"), last=Max("day"))
    # Before the first and after the last that is kept stand calls that no job has summed yet.
    gaps = [(first, last)]
    if kept["first"]:
        one = timedelta(days=1)
        gaps = [(first, min(last, kept["first"] - one)), (max(first, kept["last"] + one), last)]
    for start, end in gaps:
        if start <= end:
            found += cells_of(between(start, end).filter(**named))
    return found


def cells_of(calls: AIInteractionQuerySet) -> list[Cell]:
    """The sums of `calls`, which may be cut to a number of the newest, read one by one."""
    sql, params = calls.values(*READ).query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(SUMMED.format(steps=STEPS, calls=sql), [timezone.get_current_timezone_name(), *params])
        return [cell_of(*row) for row in cursor.fetchall()]


def cell_of(day: date, agent: str, model: str, *sums: Any) -> Cell:
    calls, failed, priced, tokens_in, tokens_out, cost, latencies = sums
    found = {int(step): count for step, count in latencies.items()}
    return Cell(day, agent, model, Sums(calls, failed, priced, tokens_in, tokens_out, cost or Decimal(0), found))


def between(first: date, last: date) -> AIInteractionQuerySet:
    """The calls from `first` to `last`."""
    return AIInteraction.objects.filter(
        created_at__gte=start_of(first), created_at__lt=start_of(last + timedelta(days=1))
    )


def keep_days(now: datetime) -> Iterator[date]:
    """Sum the days that are over and have not been, and the latest of the others again; yields each."""
    kept = CallDay.objects.aggregate(last=Max("day"))["last"]
    if kept is None:
        oldest = AIInteraction.objects.order_by("created_at", "id").values_list("created_at", flat=True).first()
        day = timezone.localdate(oldest) if oldest else timezone.localdate(now)
    else:
        day = kept - LATE
    while day < timezone.localdate(now):
        keep(day)
        yield day
        day += timedelta(days=1)


@transaction.atomic
def keep(day: date) -> None:
    """Sum the calls of `day` anew."""
    CallDay.objects.filter(day=day).delete()
    rows = [
        CallDay(
            day=cell.day,
            agent=cell.agent,
            model_used=cell.model,
            calls=cell.sums.calls,
            failed=cell.sums.failed,
            priced=cell.sums.priced,
            prompt_tokens=cell.sums.tokens_in,
            completion_tokens=cell.sums.tokens_out,
            cost_usd=cell.sums.cost if cell.sums.priced else None,
            latencies=cell.sums.latencies,
        )
        for cell in cells_of(between(day, day))
    ]
    CallDay.objects.bulk_create(rows)
