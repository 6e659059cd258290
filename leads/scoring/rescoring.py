"""Scoring in the database: the same statement for one lead and for a million.

The score is `lead_score(signals, weights, half_life_days, at)`, a function of the database (migration
`leads/0007_score`): the sum of weight × 0.5^(age ÷ half-life), clamped to 0..1 and rounded to two decimals. What a
signal weighs and how fast it fades says the policy by its type; one of a type that the policy does not name counts
with the weight it came with. `leads.scoring.explanation.Explanation` comes to the same number, share by share.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, transaction
from psycopg.types.json import Jsonb

from leads.models import ScoringPolicy

BATCH = 5_000
# Of many, only rows that change are locked and written, and one that somebody is at waits for the next run.
JUDGED = """
    SELECT lead.id, lead.priority_tier AS was, scored.score, judged.tier
      FROM leads AS lead,
   LATERAL (SELECT lead_score(lead.signals, %(weights)s, %(half_life)s, %(at)s) AS score) AS scored,
   LATERAL (SELECT coalesce(lead.tier_override, CASE
                WHEN coalesce(lead.last_contact_at, lead.created_at) < %(quiet)s THEN 'dormant'
                WHEN scored.score >= %(hot)s THEN 'hot'
                WHEN scored.score >= %(warm)s THEN 'warm'
                ELSE 'cold' END) AS tier) AS judged
     WHERE lead.deleted_at IS NULL AND lead.closed_at IS NULL AND {which}
"""
DIFFERENT = "(lead.overall_score, lead.priority_tier) IS DISTINCT FROM (scored.score, judged.tier)"
RESCORE = f"""
WITH judged AS MATERIALIZED (
    {JUDGED} FOR NO KEY UPDATE OF lead {{lock}}
), changed AS (
    UPDATE leads SET overall_score = judged.score, priority_tier = judged.tier, last_scored_at = %(at)s
      FROM judged WHERE leads.id = judged.id
    RETURNING leads.id, judged.was, judged.tier, judged.score
), told AS (
    INSERT INTO tier_changes (lead_id, at, was, now, score)
    SELECT id, %(at)s, was, tier, score FROM changed WHERE was IS DISTINCT FROM tier
)
SELECT count(*) FROM changed
"""
THESE = RESCORE.format(which="lead.id = ANY(%(leads)s)", lock="")
RANGE = RESCORE.format(which=f"lead.id > %(after)s AND lead.id <= %(last)s AND {DIFFERENT}", lock="SKIP LOCKED")
# Where the batch ends that begins after a key; the index of the primary key gives it.
END = """
SELECT max(id::text)::uuid, count(*) FROM (SELECT id FROM leads WHERE id > %s ORDER BY id LIMIT %s) AS batch
"""
PREVIEW = f"""
SELECT coalesce(was, ''), tier, count(*) FROM (
    {JUDGED.format(which="true")} AND lead.priority_tier IS DISTINCT FROM judged.tier
) AS moved GROUP BY 1, 2
"""
FIRST = UUID(int=0)


def rescore(leads: Iterable[UUID], policy: ScoringPolicy, at: datetime) -> int:
    """Score those of `leads` that are open, as of `at`; returns how many those are."""
    with connection.cursor() as cursor:
        cursor.execute(THESE, {**asked(policy, at), "leads": list(leads)})
        return cursor.fetchone()[0]


def rescore_all(policy: ScoringPolicy, at: datetime, *, batch: int = BATCH) -> Iterator[tuple[int, int]]:
    """Score every open lead as of `at`, `batch` to a transaction; yields how many were read and how many changed.

    Leads that stay as they are are not written.
    """
    for after, last, read in batches(batch):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(RANGE, {**asked(policy, at), "after": after, "last": last})
            changed = cursor.fetchone()[0]
        yield read, changed
    ScoringPolicy.objects.filter(pk=policy.pk).update(ran_at=at)


def batches(size: int) -> Iterator[tuple[UUID, UUID, int]]:
    """All leads in the order of their keys, `size` at a time: after which, up to which, and how many those are."""
    after = FIRST
    while True:
        with connection.cursor() as cursor:
            cursor.execute(END, [after, size])
            last, read = cursor.fetchone()
        if last is None:
            return
        yield after, last, read
        after = last


def preview(policy: ScoringPolicy, at: datetime) -> dict[tuple[str, str], int]:
    """How many open leads `policy` would move from which tier ("" for none) to which; nothing is changed."""
    with connection.cursor() as cursor:
        cursor.execute(PREVIEW, asked(policy, at))
        return {(was, now): count for was, now, count in cursor.fetchall()}


def asked(policy: ScoringPolicy, at: datetime) -> dict[str, object]:
    """What the statements ask of a policy."""
    return {
        "weights": Jsonb(policy.weights),
        "half_life": float(policy.half_life_days),
        "hot": policy.hot_from,
        "warm": policy.warm_from,
        "quiet": at - timedelta(days=policy.dormant_after_days),
        "at": at,
    }
