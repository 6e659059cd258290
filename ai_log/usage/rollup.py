"""What a day's calls come to, kept beside the log: whoever asks about months need not read every call.

Days that are over are summed by a job (`keep_days`): for each agent and model, for each agent, for each model, and in
all, so that whatever is asked about is read as few rows. What is newer than the last of them is read from the log
itself, so figures never lag behind. Days are those where we work.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Max, Min
from django.utils import timezone
from django.utils.module_loading import import_string

from ai_log.models import AIInteraction, AIInteractionQuerySet, CallDay
from crm.filters import start_of
from crm.models import User

# Made anew each time, for calls that were written late and decisions that were taken back.
LATE = timedelta(days=3)
# Latencies are counted in steps that are 9 per cent apart: what is read from them is true to a twentieth.
STEPS = 8
SUMMED = """
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
COUNTED = (
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
    """What calls come to, and what people decided on what came of calls.

    `cost` is of the `priced` calls alone, `latencies` counts calls by the step of theirs, and `approved` counts what
    was edited first, too.
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

    def judge(self, what: str) -> None:
        """Count one decision: "approved", "edited" (approved with changes) or "rejected"."""
        self.decided += 1
        self.approved += what != "rejected"
        self.edited += what == "edited"

    def latency(self, share: float) -> float | None:
        """The seconds within which that share of the calls had ended, to a twentieth; None if none was timed."""
        left = share * sum(self.latencies.values())
        for step, count in sorted((int(step), count) for step, count in self.latencies.items()):
            left -= count
            if left <= 0:
                return 2 ** ((step + 0.5) / STEPS) / 1000
        return None

    @property
    def accepted_share(self) -> float | None:
        return self.approved / self.decided if self.decided else None

    @property
    def edited_share(self) -> float | None:
        """Of the approved, how many had to be changed; None if none was approved."""
        return self.edited / self.approved if self.approved else None


@dataclass(frozen=True)
class Cell:
    """The sums of one day, of an agent and a model; None is all of them."""

    day: date
    agent: str | None
    model: str | None
    sums: Sums


def summed(found: Iterable[Cell]) -> Sums:
    """All of them together; they must not hold the same calls."""
    whole = Sums()
    for cell in found:
        whole.add(cell.sums)
    return whole


# By agent, by model and in all: what is told apart, so that no call is counted twice.
Sets = dict[str, list[Cell]]
BY = ("agent", "model", "day")


def sets(first: date, last: date, *, agent: str = "", model: str = "", by: Iterable[str] = BY) -> Sets:
    """The sums of all calls from `first` to `last`, of one agent or model if one is named."""
    found = {one: kept(first, last, one, agent, model) for one in by}
    named = {name: value for name, value in {"agent": agent, "model_used": model}.items() if value}
    for start, end in gaps(first, last):
        cells = [
            *cells_of(between(start, end).filter(**named)),
            *judged(judgements(None, start, end, None, None), agent, model),
        ]
        for one, more in told_apart(cells).items():
            if one in found:
                found[one] += more
    return found


def kept(first: date, last: date, by: str, agent: str, model: str) -> list[Cell]:
    """What is kept of each day, one cell for each agent or model (`by`), or one for all of them."""
    rows = CallDay.objects.filter(day__gte=first, day__lte=last)
    rows = rows.filter(agent=agent) if agent else rows.filter(agent__isnull=by != "agent")
    rows = rows.filter(model_used=model) if model else rows.filter(model_used__isnull=by != "model")
    return [cell_of(*row) for row in rows.values_list("day", "agent", "model_used", *COUNTED)]


def gaps(first: date, last: date) -> Iterator[tuple[date, date]]:
    """The days from `first` to `last` before the first and after the last that is kept."""
    held = CallDay.objects.aggregate(first=Min("day"), last=Max("day"))
    one = timedelta(days=1)
    if held["first"] is None:
        yield first, last
        return
    if first < held["first"]:
        yield first, min(last, held["first"] - one)
    if last > held["last"]:
        yield max(first, held["last"] + one), last


def told_apart(cells: Iterable[Cell]) -> Sets:
    """Cells of every kind as those by agent, those by model and those in all."""
    found: Sets = {one: [] for one in BY}
    kinds = {(True, False): "agent", (False, True): "model", (False, False): "day"}
    for cell in cells:
        kind = kinds.get((cell.agent is not None, cell.model is not None))
        if kind:
            found[kind].append(cell)
    return found


def cells_of(calls: AIInteractionQuerySet) -> list[Cell]:
    """The sums of `calls`, which may be cut to a number of the newest, read one by one."""
    sql, params = calls.values(*READ).query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(SUMMED.format(steps=STEPS, calls=sql), [timezone.get_current_timezone_name(), *params])
        return [cell_of(*row) for row in cursor.fetchall()]


def cell_of(day: date, agent: str | None, model: str | None, *sums: Any) -> Cell:
    *counts, cost, latencies, decided, approved, edited = sums
    return Cell(day, agent, model, Sums(*counts, cost or Decimal(0), latencies, decided, approved, edited))


def judgements(
    user: User | None, first: date, last: date, calls: AIInteractionQuerySet | None, most: int | None
) -> list[tuple[date, str, str, str]]:
    """Day, the call's agent and model, and what was decided: from `first` to `last`, the newest `most`.

    Of `calls` alone if they are given, and of what `user` may see; without one, of all.
    """
    until = start_of(last + timedelta(days=1))
    found = import_string(settings.AI_JUDGEMENTS)(user, start_of(first), until, calls, most)
    return [(timezone.localdate(at), agent, model, what) for at, agent, model, what in found]


def judged(found: Iterable[tuple[date, str, str, str]], only_agent: str = "", only_model: str = "") -> list[Cell]:
    """Decisions as cells of every kind, like those of `cells_of`; of one agent or model if one is named."""
    cells: dict[tuple[date, str | None, str | None], Sums] = {}
    for day, agent, model, what in found:
        if only_agent not in ("", agent) or only_model not in ("", model):
            continue
        for key in ((day, agent, model), (day, agent, None), (day, None, model), (day, None, None)):
            cells.setdefault(key, Sums()).judge(what)
    return [Cell(*key, sums) for key, sums in cells.items()]


def between(first: date, last: date) -> AIInteractionQuerySet:
    """The calls from `first` to `last`."""
    return AIInteraction.objects.filter(
        created_at__gte=start_of(first), created_at__lt=start_of(last + timedelta(days=1))
    )


def keep_days(now: datetime) -> Iterator[date]:
    """Sum the days that are over and have not been, and the latest of the others again; yields each."""
    last = CallDay.objects.aggregate(last=Max("day"))["last"]
    if last is None:
        oldest = AIInteraction.objects.order_by("created_at", "id").values_list("created_at", flat=True).first()
        day = timezone.localdate(oldest) if oldest else timezone.localdate(now)
    else:
        day = last - LATE
    while day < timezone.localdate(now):
        keep(day)
        yield day
        day += timedelta(days=1)


@transaction.atomic
def keep(day: date) -> None:
    """Sum the calls of `day` and what was decided on it anew."""
    CallDay.objects.filter(day=day).delete()
    cells: dict[tuple[str | None, str | None], Sums] = {}
    for cell in [*cells_of(between(day, day)), *judged(judgements(None, day, day, None, None))]:
        cells.setdefault((cell.agent, cell.model), Sums()).add(cell.sums)
    rows = []
    for (agent, model), sums in cells.items():
        counted = {name: value for name, value in vars(sums).items() if name not in ("tokens_in", "tokens_out", "cost")}
        row = CallDay(day=day, agent=agent, model_used=model, **counted)
        row.prompt_tokens, row.completion_tokens = sums.tokens_in, sums.tokens_out
        row.cost_usd = sums.cost if sums.priced else None
        rows.append(row)
    CallDay.objects.bulk_create(rows)
