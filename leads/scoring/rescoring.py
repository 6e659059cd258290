"""Score leads in the database, with the same statement for one lead and for all.

The score is `lead_score(signals, weights, half_life_days, at)`, a function of the database (migration
`leads/0002_functions`): the sum of weight × 0.5^(age ÷ half-life), clamped to 0..1 and rounded to two decimals. The
policy has the weight and the half-life of each type of signal; a type that the policy does not list counts with the
weight in the signal. `leads.scoring.explanation.ScoreBreakdown` computes the same score signal by signal.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, transaction
from psycopg.types.json import Jsonb

from leads.models import ScoringPolicy
from leads.models.scoring_policy import SCORE_MOVE

SCORING_BATCH_SIZE = 5_000
# A run over all leads locks and writes only rows that change, and skips locked rows; the next run updates them.
COMPUTED_TIERS_SQL = """
    SELECT lead.id, lead.priority_tier AS was, lead.overall_score AS previous_score, scored.score, computed.tier
      FROM leads AS lead,
   LATERAL (SELECT lead_score(lead.signals, %(weights)s, %(half_life)s, %(at)s) AS score) AS scored,
   LATERAL (SELECT coalesce(lead.tier_override, CASE
                WHEN coalesce(lead.last_contact_at, lead.created_at) < %(quiet)s THEN 'dormant'
                WHEN scored.score >= %(hot)s THEN 'hot'
                WHEN scored.score >= %(warm)s THEN 'warm'
                ELSE 'cold' END) AS tier) AS computed
     WHERE lead.deleted_at IS NULL AND lead.closed_at IS NULL AND {which}
"""
SCORE_DIFFERS_SQL = "(lead.overall_score, lead.priority_tier) IS DISTINCT FROM (scored.score, computed.tier)"
# Worth a line on the timeline: another tier, or a score that moved much at once. Fading alone is not.
IS_NOTABLE_SQL = f"(was IS DISTINCT FROM tier OR abs(score - previous_score) >= {SCORE_MOVE})"
RESCORE_SQL = f"""
WITH rescored AS MATERIALIZED (
    {COMPUTED_TIERS_SQL} FOR NO KEY UPDATE OF lead {{lock}}
), changed AS (
    UPDATE leads SET overall_score = rescored.score, priority_tier = rescored.tier, last_scored_at = %(at)s,
           last_activity_at = greatest(last_activity_at, CASE WHEN {IS_NOTABLE_SQL} THEN %(at)s::timestamptz END)
      FROM rescored WHERE leads.id = rescored.id
    RETURNING leads.id, rescored.was, rescored.tier, rescored.previous_score, rescored.score
), tier_change AS (
    INSERT INTO tier_changes (lead_id, at, was, now, previous_score, score)
    SELECT id, %(at)s, was, tier, previous_score, score FROM changed WHERE {IS_NOTABLE_SQL}
)
SELECT count(*) FROM changed
"""
RESCORE_LEADS_SQL = RESCORE_SQL.format(which="lead.id = ANY(%(leads)s)", lock="")
RESCORE_RANGE_SQL = RESCORE_SQL.format(
    which=f"lead.id > %(after)s AND lead.id <= %(last)s AND {SCORE_DIFFERS_SQL}", lock="SKIP LOCKED"
)
# The last ID of the batch that begins after an ID, read from the index of the primary key.
BATCH_END_SQL = """
SELECT max(id::text)::uuid, count(*) FROM (SELECT id FROM leads WHERE id > %s ORDER BY id LIMIT %s) AS batch
"""
PREVIEW_TIERS_SQL = f"""
SELECT coalesce(was, ''), tier, count(*) FROM (
    {COMPUTED_TIERS_SQL.format(which="true")} AND lead.priority_tier IS DISTINCT FROM computed.tier
) AS tier_change GROUP BY 1, 2
"""
LOWEST_UUID = UUID(int=0)


def rescore_leads(leads: Iterable[UUID], policy: ScoringPolicy, at: datetime) -> int:
    """Score the open ones of `leads` as of `at`. Return how many there are."""
    with connection.cursor() as cursor:
        cursor.execute(RESCORE_LEADS_SQL, {**policy_parameters(policy, at), "leads": list(leads)})
        return cursor.fetchone()[0]


def rescore_all_leads(
    policy: ScoringPolicy, at: datetime, *, batch: int = SCORING_BATCH_SIZE
) -> Iterator[tuple[int, int]]:
    """Score every open lead as of `at`, `batch` leads in a transaction. Yield the numbers of leads read and changed.

    Leads that do not change are not written.
    """
    for after, last, read in lead_batches(batch):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(RESCORE_RANGE_SQL, {**policy_parameters(policy, at), "after": after, "last": last})
            changed = cursor.fetchone()[0]
        yield read, changed
    ScoringPolicy.objects.filter(pk=policy.pk).update(ran_at=at)


def lead_batches(size: int) -> Iterator[tuple[UUID, UUID, int]]:
    """Split all leads, in the order of their IDs, into batches. Yield the ID before each, its last ID and its size."""
    after = LOWEST_UUID
    while True:
        with connection.cursor() as cursor:
            cursor.execute(BATCH_END_SQL, [after, size])
            last, read = cursor.fetchone()
        if last is None:
            return
        yield after, last, read
        after = last


def preview_tier_changes(policy: ScoringPolicy, at: datetime) -> dict[tuple[str, str], int]:
    """Count the open leads that `policy` would move, by old tier ("" for none) and new tier. Changes nothing."""
    with connection.cursor() as cursor:
        cursor.execute(PREVIEW_TIERS_SQL, policy_parameters(policy, at))
        return {(was, now): count for was, now, count in cursor.fetchall()}


def policy_parameters(policy: ScoringPolicy, at: datetime) -> dict[str, object]:
    """Return the parameters of the statements."""
    return {
        "weights": Jsonb(policy.weights),
        "half_life": float(policy.half_life_days),
        "hot": policy.hot_from,
        "warm": policy.warm_from,
        "quiet": at - timedelta(days=policy.dormant_after_days),
        "at": at,
    }
