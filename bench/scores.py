"""Scores beside those that counting by hand finds in the signals: `python -m bench.scores [--show N]`.

It reads the database in use and changes nothing. The sum is made here of the signals and the policy as they stand in
their rows, without the function of the database and without `leads.scoring.explanation`. 0 if every score is equal.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import NamedTuple

from bench.table import rendered
from leads.models import Lead, ScoringPolicy

SHOWN = 10
SAME, WRONG = "equal", "WRONG"
DAY = timedelta(days=1)


class Counted(NamedTuple):
    """What is left of one signal: its type, its weight, its age and its half-life in days, and its share."""

    type: str
    weight: float
    age: float
    half_life: float
    share: float


def counted(lead: Lead, policy: ScoringPolicy, at: datetime) -> list[Counted]:
    """Each signal of `lead` that had been shown by `at`, with what the policy lets it count."""
    found = []
    for signal in lead.signals:
        since = datetime.fromisoformat(signal["timestamp"])
        if since > at:
            continue
        own = policy.weights.get(signal["type"], {})
        weight = own.get("weight", signal["weight"])
        half_life = own.get("half_life_days", float(policy.half_life_days))
        age = (at - since) / DAY
        found.append(Counted(signal["type"], weight, age, half_life, weight * 2 ** -(age / half_life)))
    return found


def by_hand(signals: Iterable[Counted]) -> Decimal:
    """The shares summed exactly, held within 0 and 1, to the hundredth."""
    total = sum((Fraction(one.share) for one in signals), Fraction())
    held = min(max(float(total), 0.0), 1.0)
    return Decimal(f"{held:.12f}").quantize(Decimal("0.01"), ROUND_HALF_UP)


def as_of(lead: Lead, policy: ScoringPolicy) -> datetime:
    """The moment for which the score of `lead` is true: when it was written, or found to be right as it was."""
    return max(filter(None, (lead.last_scored_at, policy.ran_at, lead.created_at)))


def compared(leads: Iterable[Lead], policy: ScoringPolicy) -> Iterator[tuple[Lead, list[Counted], Decimal, str]]:
    """Each of `leads` with its signals, the score by hand, and whether the database has the same."""
    for lead in leads:
        signals = counted(lead, policy, as_of(lead, policy))
        score = by_hand(signals)
        yield lead, signals, score, SAME if lead.overall_score == score else WRONG


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.scores", description=__doc__)
    parser.add_argument("--show", type=int, default=SHOWN, help=f"How many leads are told signal by signal ({SHOWN}).")
    options = parser.parse_args()
    policy = ScoringPolicy.objects.active()
    leads = Lead.objects.open().exclude(overall_score=None).order_by("-overall_score", "pk")
    rows, verdicts = [], Counter[str]()
    for lead, signals, score, verdict in compared(leads.iterator(), policy):
        verdicts[verdict] += 1
        if verdict == WRONG or verdicts.total() <= options.show:
            rows += told(lead, signals, score, verdict)
    sys.stdout.write(rendered(["Lead and its signals", "weight", "age, d", "half-life, d", "share", "kept", ""], rows))
    sys.stdout.write("\n" + rendered(["All open leads with a score", ""], [[k, f"{n:,}"] for k, n in verdicts.items()]))
    return int(WRONG in verdicts)


def told(lead: Lead, signals: list[Counted], score: Decimal, verdict: str) -> Iterator[list[str]]:
    """A line for the lead, and one for each of its signals."""
    total = f"{sum(one.share for one in signals):+.4f} → {score}"
    yield [str(lead)[:40], "", "", "", total, str(lead.overall_score), verdict]
    for one in signals:
        figures = (f"{one.weight:+.2f}", f"{one.age:.1f}", f"{one.half_life:g}", f"{one.share:+.4f}")
        yield [f"  {one.type}", *figures, "", ""]


if __name__ == "__main__":
    sys.exit(main())
