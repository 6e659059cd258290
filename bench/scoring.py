"""Rescoring all open leads of 1,000,000, compared with one hand-written UPDATE of the same result."""

import resource
import sys
import time
from datetime import datetime, timedelta

from django.db import connection
from django.utils import timezone
from psycopg.types.json import Jsonb

from bench.databases import DATABASE_SIZES, database_copy, prepare_database
from bench.table import format_verdict, render_table
from leads.models import ScoringPolicy
from leads.scoring.rescoring import policy_parameters, rescore_all_leads

# The target: how many times longer than the UPDATE it may take.
MAX_RATIO = 2.0
# Enough days for nearly every score to fade by a hundredth.
DAYS_LATER = timedelta(days=9)
UPDATE_BY_HAND_SQL = """
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
    """Print the table; return whether the target was met. Each side runs once in its own copy."""
    name, leads = "bench_1m", DATABASE_SIZES["bench_1m"]
    prepare_database(name, leads)
    at = timezone.now() + DAYS_LATER
    with database_copy(name):
        by_hand_seconds, by_hand_rows, by_hand_tiers = time_update_by_hand(at)
    with database_copy(name):
        our_seconds, our_rows, our_tiers = time_rescore(at)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    missed = (
        [] if our_seconds <= MAX_RATIO * by_hand_seconds else [f"{our_seconds / by_hand_seconds:.2f} times the UPDATE"]
    )
    missed += [] if (by_hand_rows, by_hand_tiers) == (our_rows, our_tiers) else ["the results differ"]
    sys.stdout.write(f"Rescoring {leads:,} leads, {DAYS_LATER.days} days later; {peak} MB peak.\n\n")
    rows = [
        ["one UPDATE by hand", f"{by_hand_seconds:.1f} s", f"{by_hand_rows:,}", ""],
        ["score_leads", f"{our_seconds:.1f} s", f"{our_rows:,}", f"{our_seconds / by_hand_seconds:.2f}"],
    ]
    sys.stdout.write(render_table(["", "time", "leads written", "ratio"], rows))
    sys.stdout.write(f"{format_verdict(missed)}\n")
    return not missed


def plans() -> None:
    """Do nothing; rescoring reads every lead by design."""


def time_update_by_hand(at: datetime) -> tuple[float, int, list[tuple[str, int, int]]]:
    """Return the seconds, the rows written and the leads of each tier."""
    policy = ScoringPolicy.objects.active()
    values = {**policy_parameters(policy, at), "weights": Jsonb(policy.weights)}
    with connection.cursor() as cursor:
        started = time.monotonic()
        cursor.execute(UPDATE_BY_HAND_SQL, values)
        return time.monotonic() - started, cursor.rowcount, count_tiers()


def time_rescore(at: datetime) -> tuple[float, int, list[tuple[str, int, int]]]:
    policy = ScoringPolicy.objects.active()
    started = time.monotonic()
    total_changed = sum(changed_rows for _, changed_rows in rescore_all_leads(policy, at))
    return time.monotonic() - started, total_changed, count_tiers()


def count_tiers() -> list[tuple[str, int, int]]:
    """Return the open leads by tier, with the sum of their scores in hundredths."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(priority_tier, ''), count(*), sum(overall_score * 100)::bigint FROM leads"
            " WHERE closed_at IS NULL AND deleted_at IS NULL GROUP BY 1 ORDER BY 1"
        )
        return cursor.fetchall()
