"""Scoring every open lead of 1,000,000 anew, beside one hand-written UPDATE that writes the same."""

import resource
import sys
import time
from datetime import datetime, timedelta

from django.db import connection
from django.utils import timezone
from psycopg.types.json import Jsonb

from bench.databases import SIZES, copied, make_ready
from bench.table import rendered, verdict
from leads.models import ScoringPolicy
from leads.scoring.rescoring import asked, rescore_all

# The bar of the design: how many times as long as the UPDATE it may take.
AT_MOST = 2.0
# So much later, so that nearly every score has faded by a hundredth.
LATER = timedelta(days=9)
BY_HAND = """
UPDATE leads SET overall_score = new.score, priority_tier = new.tier, last_scored_at = %(at)s
  FROM (
    SELECT id, score, coalesce(tier_override, CASE
               WHEN coalesce(last_contact_at, created_at) < %(quiet)s THEN 'dormant'
               WHEN score >= %(hot)s THEN 'hot' WHEN score >= %(warm)s THEN 'warm' ELSE 'cold' END) AS tier
      FROM leads CROSS JOIN LATERAL (
        SELECT round(least(greatest(coalesce(sum(
                   coalesce((%(weights)s::jsonb -> one.type ->> 'weight')::float8, one.weight)
                   * power(0.5, extract(epoch FROM %(at)s - one.timestamp)::float8 / 86400
                       / coalesce((%(weights)s::jsonb -> one.type ->> 'half_life_days')::float8, %(half_life)s))
               ), 0), 0), 1)::numeric, 2) AS score
          FROM jsonb_to_recordset(signals) AS one (type text, timestamp timestamptz, weight float8)
         WHERE one.timestamp <= %(at)s
      ) AS summed
     WHERE deleted_at IS NULL AND closed_at IS NULL
  ) AS new
 WHERE leads.id = new.id AND (leads.overall_score, leads.priority_tier) IS DISTINCT FROM (new.score, new.tier)
"""


def run(repeat: int) -> bool:
    """Print the table; returns whether the bar was reached. Each side works in a copy of its own, once."""
    name, leads = "bench_1m", SIZES["bench_1m"]
    make_ready(name, leads)
    at = timezone.now() + LATER
    with copied(name):
        hand, written, expected = by_hand(at)
    with copied(name):
        ours, changed, found = by_us(at)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    missed = [] if ours <= AT_MOST * hand else [f"{ours / hand:.2f} times the UPDATE"]
    missed += [] if (written, expected) == (changed, found) else ["they wrote different things"]
    sys.stdout.write(f"Scoring {leads:,} leads anew, {LATER.days} days later; {peak} MB at most.\n\n")
    rows = [
        ["one UPDATE by hand", f"{hand:.1f} s", f"{written:,}", ""],
        ["score_leads", f"{ours:.1f} s", f"{changed:,}", f"{ours / hand:.2f}"],
    ]
    sys.stdout.write(rendered(["", "time", "leads written", "ratio"], rows))
    sys.stdout.write(f"{verdict(missed)}\n")
    return not missed


def plans() -> None:
    """It reads every lead, and is meant to."""


def by_hand(at: datetime) -> tuple[float, int, list[tuple[str, int, int]]]:
    """Seconds, rows written, and how many leads each tier has then."""
    policy = ScoringPolicy.objects.active()
    values = {**asked(policy, at), "weights": Jsonb(policy.weights)}
    with connection.cursor() as cursor:
        began = time.monotonic()
        cursor.execute(BY_HAND, values)
        return time.monotonic() - began, cursor.rowcount, tiers()


def by_us(at: datetime) -> tuple[float, int, list[tuple[str, int, int]]]:
    policy = ScoringPolicy.objects.active()
    began = time.monotonic()
    changed = sum(moved for _, moved in rescore_all(policy, at))
    return time.monotonic() - began, changed, tiers()


def tiers() -> list[tuple[str, int, int]]:
    """How the open leads are spread over the tiers, with the sum of their scores in hundredths."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(priority_tier, ''), count(*), sum(overall_score * 100)::bigint FROM leads"
            " WHERE closed_at IS NULL AND deleted_at IS NULL GROUP BY 1 ORDER BY 1"
        )
        return cursor.fetchall()
