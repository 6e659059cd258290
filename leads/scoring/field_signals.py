"""Signals from the fields and stakeholders of leads, which last as long as they are true.

They are a referral, the fit of a lead with its line, and each stakeholder who is a decision maker. Functions of the
database compute them (migration `leads/0002_functions`), with the same statement for one lead and for all. An updated
signal keeps its place in the list and its timestamp; a signal that is no longer true is removed. A signal of the same
type from a message takes precedence.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction
from psycopg.types.json import Jsonb

from leads.models import ScoringPolicy
from leads.scoring.rescoring import SCORING_BATCH_SIZE, lead_batches

FIELD_SIGNALS_SQL = """
    SELECT lead_field_signals(
               %(weights)s, %(at)s, lead.created_at, lead.source_type, lead.client_type, lead.insurance_type_id,
               lead.contact_email, lead.contact_phone, lead.communications, lead.auto_data, lead.home_data,
               lead.line_data)
        || coalesce((
               SELECT jsonb_agg(lead_signal(%(weights)s, 'decision_maker', link.updated_at, 'stakeholder:' || link.id,
                                          contact.name) ORDER BY link.id)
                 FROM contact_leads AS link JOIN contacts AS contact ON contact.id = link.contact_id
                WHERE link.lead_id = lead.id AND link.role = 'decision_maker'
                  AND link.deleted_at IS NULL AND contact.deleted_at IS NULL), '[]') AS signals
"""
# Every other source of a fit or referral signal names a message.
IS_FIELD_SIGNAL_SQL = """
    (signal ->> 'type' IN ('referral', 'fit') AND coalesce(signal ->> 'source', 'fields') = 'fields'
     OR coalesce(signal ->> 'source', '') LIKE 'stakeholder:%%')
"""
MERGED_SIGNALS_SQL = f"""
    SELECT coalesce(jsonb_agg(signal ORDER BY place, new_place), '[]') AS signals
      FROM (
        SELECT signal, place, 0 AS new_place
          FROM jsonb_array_elements(lead.signals) WITH ORDINALITY AS existing (signal, place)
         WHERE NOT {IS_FIELD_SIGNAL_SQL}
        UNION ALL
        SELECT new_signal || coalesce(unchanged, jsonb_build_object()), place, new_place
          FROM jsonb_array_elements(from_fields.signals) WITH ORDINALITY AS new (new_signal, new_place)
          LEFT JOIN LATERAL (
            SELECT place,
                   jsonb_build_object('timestamp', signal -> 'timestamp', 'weight', signal -> 'weight') AS unchanged
              FROM jsonb_array_elements(lead.signals) WITH ORDINALITY AS existing (signal, place)
             WHERE {IS_FIELD_SIGNAL_SQL} AND signal ->> 'type' = new_signal ->> 'type'
               AND coalesce(signal ->> 'source', 'fields') = new_signal ->> 'source'
             LIMIT 1
          ) AS previous ON true
         WHERE NOT EXISTS (
            SELECT FROM jsonb_array_elements(lead.signals) AS signal
             WHERE signal ->> 'type' = new_signal ->> 'type' AND NOT {IS_FIELD_SIGNAL_SQL})
      ) AS all_signals
"""
# Locks and writes only rows that change. A run over all leads skips locked rows; the next run updates them.
UPDATE_FIELD_SIGNALS_SQL = f"""
WITH changed AS MATERIALIZED (
    SELECT lead.id, merged.signals
      FROM leads AS lead, LATERAL ({FIELD_SIGNALS_SQL}) AS from_fields, LATERAL ({MERGED_SIGNALS_SQL}) AS merged
     WHERE lead.deleted_at IS NULL AND lead.closed_at IS NULL AND {{which}}
       AND merged.signals IS DISTINCT FROM lead.signals
       FOR NO KEY UPDATE OF lead {{lock}}
)
UPDATE leads SET signals = changed.signals{{other_columns}} FROM changed WHERE leads.id = changed.id
"""
UPDATE_FIELD_SIGNALS_OF_LEADS_SQL = UPDATE_FIELD_SIGNALS_SQL.format(
    which="lead.id = ANY(%(leads)s)", lock="", other_columns=", next_look_at = %(at)s"
)
UPDATE_FIELD_SIGNALS_OF_RANGE_SQL = UPDATE_FIELD_SIGNALS_SQL.format(
    which="lead.id > %(after)s AND lead.id <= %(last)s", lock="SKIP LOCKED", other_columns=""
)


def sync_field_signals(leads: Iterable[UUID], policy: ScoringPolicy, at: datetime) -> int:
    """Update the field signals of the open ones of `leads`. Return how many leads changed."""
    with connection.cursor() as cursor:
        cursor.execute(
            UPDATE_FIELD_SIGNALS_OF_LEADS_SQL, {"weights": Jsonb(policy.weights), "at": at, "leads": list(leads)}
        )
        return cursor.rowcount


def sync_all_field_signals(policy: ScoringPolicy, at: datetime, *, batch: int = SCORING_BATCH_SIZE) -> Iterator[int]:
    """Update the field signals of every open lead, `batch` leads in a transaction. Yield how many changed."""
    for after, last, _ in lead_batches(batch):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                UPDATE_FIELD_SIGNALS_OF_RANGE_SQL,
                {"weights": Jsonb(policy.weights), "at": at, "after": after, "last": last},
            )
            changed = cursor.rowcount
        yield changed
