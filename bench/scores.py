"""Compare scores with those recomputed from the signals: `python -m bench.scores [--show N]`.

Reads the current database and changes nothing. The sum is computed here from the stored signals and policy, without
the database function and without `leads.scoring.explanation`. Exits with 0 if all scores are equal.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import NamedTuple

from bench.table import render_table
from leads.models import Lead, ScoringPolicy

DEFAULT_SHOWN = 10
SAME, WRONG = "equal", "WRONG"
ONE_DAY = timedelta(days=1)


class SignalShare(NamedTuple):
    """One signal's type, weight, age and half-life in days, and remaining share."""

    type: str
    weight: float
    age: float
    half_life: float
    share: float


def signal_shares(lead: Lead, policy: ScoringPolicy, at: datetime) -> list[SignalShare]:
    """Return each signal of `lead` up to `at`, with its share under the policy."""
    shares = []
    for signal in lead.signals:
        shown_at = datetime.fromisoformat(signal["timestamp"])
        if shown_at > at:
            continue
        type_policy = policy.weights.get(signal["type"], {})
        weight = type_policy.get("weight", signal["weight"])
        half_life = type_policy.get("half_life_days", float(policy.half_life_days))
        age = (at - shown_at) / ONE_DAY
        shares.append(SignalShare(signal["type"], weight, age, half_life, weight * 2 ** -(age / half_life)))
    return shares


def score_by_hand(signals: Iterable[SignalShare]) -> Decimal:
    """Return the exact sum of the shares, limited to 0–1 and rounded to hundredths."""
    total = sum((Fraction(one.share) for one in signals), Fraction())
    clamped = min(max(float(total), 0.0), 1.0)
    return Decimal(f"{clamped:.12f}").quantize(Decimal("0.01"), ROUND_HALF_UP)


def score_moment(lead: Lead, policy: ScoringPolicy) -> datetime:
    """Return the moment of the score of `lead`: when it was saved or last confirmed."""
    return max(filter(None, (lead.last_scored_at, policy.ran_at, lead.created_at)))


def compare_scores(
    leads: Iterable[Lead], policy: ScoringPolicy
) -> Iterator[tuple[Lead, list[SignalShare], Decimal, str]]:
    """Return each lead with its signals, the recomputed score and whether the stored one is equal."""
    for lead in leads:
        signals = signal_shares(lead, policy, score_moment(lead, policy))
        score = score_by_hand(signals)
        yield lead, signals, score, SAME if lead.overall_score == score else WRONG


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.scores", description=__doc__)
    parser.add_argument(
        "--show",
        type=int,
        default=DEFAULT_SHOWN,
        help=f"Number of leads to list signal by signal (default: {DEFAULT_SHOWN}).",
    )
    options = parser.parse_args()
    policy = ScoringPolicy.objects.active()
    leads = Lead.objects.open().exclude(overall_score=None).order_by("-overall_score", "pk")
    rows, verdicts = [], Counter[str]()
    for lead, signals, score, verdict in compare_scores(leads.iterator(), policy):
        verdicts[verdict] += 1
        if verdict == WRONG or verdicts.total() <= options.show:
            rows += score_rows(lead, signals, score, verdict)
    sys.stdout.write(
        render_table(["Lead and its signals", "weight", "age, d", "half-life, d", "share", "kept", ""], rows)
    )
    sys.stdout.write(
        "\n" + render_table(["All open leads with a score", ""], [[k, f"{n:,}"] for k, n in verdicts.items()])
    )
    return int(WRONG in verdicts)


def score_rows(lead: Lead, signals: list[SignalShare], score: Decimal, verdict: str) -> Iterator[list[str]]:
    """Return a row for the lead and one for each of its signals."""
    total = f"{sum(one.share for one in signals):+.4f} → {score}"
    yield [str(lead)[:40], "", "", "", total, str(lead.overall_score), verdict]
    for one in signals:
        figures = (f"{one.weight:+.2f}", f"{one.age:.1f}", f"{one.half_life:g}", f"{one.share:+.4f}")
        yield [f"  {one.type}", *figures, "", ""]


if __name__ == "__main__":
    sys.exit(main())
