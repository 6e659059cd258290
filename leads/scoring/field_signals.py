"""What the fields and the stakeholders of leads show: signals that stand as long as what they say is true.

A referral, that the lead fits its line (`lead_fit`, a function of the database: migration `leads/0014_shown_by_fields`)
and each stakeholder who decides. The same statement reads one lead and a million. Such a signal is replaced in its
place, keeps the day from which it counts, and goes when it is no longer true. Where they have said the same in their
own words, that counts, and not what we have noted.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction
from psycopg.types.json import Jsonb

from leads.models import ScoringPolicy
from leads.scoring.rescoring import SCORING_BATCH_SIZE, lead_batches

FIELD_SIGNALS_SQL = """
    SELECT lead_shown_by_fields(
               %(weights)s, %(at)s, lead.created_at, lead.source_type, lead.client_type, lead.insurance_type_id,
               lead.contact_email, lead.contact_phone, lead.communications, lead.auto_data, lead.home_data,
               lead.line_data)
        || coalesce((
               SELECT jsonb_agg(lead_sign(%(weights)s, 'decision_maker', link.updated_at, 'stakeholder:' || link.id,
                                          contact.name) ORDER BY link.id)
                 FROM contact_leads AS link JOIN contacts AS contact ON contact.id = link.contact_id
                WHERE link.lead_id = lead.id AND link.role = 'decision_maker'
                  AND link.deleted_at IS NULL AND contact.deleted_at IS NULL), '[]') AS signs
"""
# Nobody else tells of a fit or a referral without naming a message.
IS_FIELD_SIGNAL_SQL = """(signal ->> 'type' IN ('referral', 'fit') AND coalesce(signal ->> 'source', 'fields') = 'fields'
          OR coalesce(signal ->> 'source', '') LIKE 'stakeholder:%%')"""
MERGED_SIGNALS_SQL = f"""
    SELECT coalesce(jsonb_agg(signal ORDER BY place, fresh), '[]') AS signals
      FROM (
        SELECT signal, place, 0 AS fresh
          FROM jsonb_array_elements(lead.signals) WITH ORDINALITY AS stands (signal, place) WHERE NOT {IS_FIELD_SIGNAL_SQL}
        UNION ALL
        SELECT sign || coalesce(kept, jsonb_build_object()), place, fresh
          FROM jsonb_array_elements(shown.signs) WITH ORDINALITY AS new (sign, fresh)
          LEFT JOIN LATERAL (
            SELECT place, jsonb_build_object('timestamp', signal -> 'timestamp', 'weight', signal -> 'weight') AS kept
              FROM jsonb_array_elements(lead.signals) WITH ORDINALITY AS stands (signal, place)
             WHERE {IS_FIELD_SIGNAL_SQL} AND signal ->> 'type' = sign ->> 'type'
               AND coalesce(signal ->> 'source', 'fields') = sign ->> 'source'
             LIMIT 1
          ) AS stood ON true
         WHERE NOT EXISTS (
            SELECT FROM jsonb_array_elements(lead.signals) AS signal
             WHERE signal ->> 'type' = sign ->> 'type' AND NOT {IS_FIELD_SIGNAL_SQL})
      ) AS told
"""
# Only rows that change are locked and written; of many, one that somebody is at waits for the next run.
UPDATE_FIELD_SIGNALS_SQL = f"""
WITH told AS MATERIALIZED (
    SELECT lead.id, merged.signals
      FROM leads AS lead, LATERAL ({FIELD_SIGNALS_SQL}) AS shown, LATERAL ({MERGED_SIGNALS_SQL}) AS merged
     WHERE lead.deleted_at IS NULL AND lead.closed_at IS NULL AND {{which}}
       AND merged.signals IS DISTINCT FROM lead.signals
       FOR NO KEY UPDATE OF lead {{lock}}
)
UPDATE leads SET signals = told.signals{{news}} FROM told WHERE leads.id = told.id
"""
UPDATE_FIELD_SIGNALS_OF_LEADS_SQL = UPDATE_FIELD_SIGNALS_SQL.format(
    which="lead.id = ANY(%(leads)s)", lock="", news=", next_look_at = %(at)s"
)
UPDATE_FIELD_SIGNALS_OF_RANGE_SQL = UPDATE_FIELD_SIGNALS_SQL.format(
    which="lead.id > %(after)s AND lead.id <= %(last)s", lock="SKIP LOCKED", news=""
)


def sync_field_signals(leads: Iterable[UUID], policy: ScoringPolicy, at: datetime) -> int:
    """Bring what the facts about those of `leads` that are open show up to date; returns how many changed."""
    with connection.cursor() as cursor:
        cursor.execute(
            UPDATE_FIELD_SIGNALS_OF_LEADS_SQL, {"weights": Jsonb(policy.weights), "at": at, "leads": list(leads)}
        )
        return cursor.rowcount


def sync_all_field_signals(policy: ScoringPolicy, at: datetime, *, batch: int = SCORING_BATCH_SIZE) -> Iterator[int]:
    """The same for every open lead, `batch` to a transaction; yields how many changed."""
    for after, last, _ in lead_batches(batch):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                UPDATE_FIELD_SIGNALS_OF_RANGE_SQL,
                {"weights": Jsonb(policy.weights), "at": at, "after": after, "last": last},
            )
            changed = cursor.rowcount
        yield changed
