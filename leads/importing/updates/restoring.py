"""Undo the changes that an import made of leads, except where a field has been changed again since."""

from dataclasses import dataclass
from datetime import datetime

from django.db.backends.utils import CursorWrapper
from psycopg.types.json import Jsonb

from crm.records.activity import Actor
from leads.importing.updates.planning import OBJECT_COLUMNS
from leads.importing.values.labels import changed_column_labels
from leads.models import ImportBatch

# These columns change together.
STAGE_COLUMNS = ("status_id", "closed_at", "loss_reason", "loss_notes")
LOCK_LEADS_SQL = """
    SELECT count(*) FROM (
        SELECT FROM leads JOIN import_changes AS change ON change.lead_id = leads.id
         WHERE change.batch_id = %(batch)s ORDER BY leads.id FOR NO KEY UPDATE OF leads) AS locked
"""
OTHER_OPEN_LEAD_SQL = """
    EXISTS (SELECT FROM leads AS other WHERE lower(other.contact_email) = lower({address}) AND other.contact_email <> ''
               AND other.id <> leads.id AND other.deleted_at IS NULL AND other.closed_at IS NULL)
"""
REOPENS_SQL = """
    leads.closed_at IS NOT NULL AND EXISTS (
        SELECT FROM lead_statuses WHERE code = changes -> 'status_id' ->> 0 AND category IN ('open', 'paused'))
"""
# The columns whose earlier value is no longer possible.
BLOCKED_SQL = f"""
    CASE WHEN changes ? 'status_id' AND (leads.status_id <> changes -> 'status_id' ->> 1
                   OR leads.converted_at IS NOT NULL
                   OR {REOPENS_SQL} AND {OTHER_OPEN_LEAD_SQL.format(address="leads.contact_email")})
         THEN '{{{",".join(STAGE_COLUMNS)}}}'::text[] ELSE '{{}}' END
    || CASE WHEN changes ? 'contact_email' AND leads.closed_at IS NULL
                 AND {OTHER_OPEN_LEAD_SQL.format(address="(changes -> 'contact_email' ->> 0)")}
            THEN '{{contact_email}}'::text[] ELSE '{{}}' END
    || CASE WHEN NOT EXISTS (SELECT FROM users WHERE id = (changes -> 'assigned_to_id' ->> 0)::uuid)
                 AND changes -> 'assigned_to_id' ->> 0 IS NOT NULL
            THEN '{{assigned_to_id}}'::text[] ELSE '{{}}' END
    || CASE WHEN NOT EXISTS (SELECT FROM insurance_types WHERE id = (changes -> 'insurance_type_id' ->> 0)::uuid)
                 AND changes -> 'insurance_type_id' ->> 0 IS NOT NULL
            THEN '{{insurance_type_id}}'::text[] ELSE '{{}}' END
"""
# `fields` are the earlier values to restore, `kept` the changes that stay.
FIELDS_SQL = f"""
    SELECT coalesce(jsonb_object_agg(key, value -> 0) FILTER (WHERE is_same), '{{}}') AS fields,
           coalesce(jsonb_object_agg(key, value) FILTER (WHERE NOT is_same), '{{}}') AS kept
      FROM (SELECT key, value, current -> key IS NOT DISTINCT FROM value -> 1 AND key <> ALL (blocked) AS is_same
              FROM jsonb_each(changes) WHERE key <> ALL ('{{tags,{",".join(OBJECT_COLUMNS)}}}')) AS entry
"""
OBJECT_SQL = """
    SELECT coalesce(jsonb_object_agg(key, value) FILTER (WHERE NOT is_same), '{{}}') AS kept,
           leads.{column} - coalesce(array_agg(key) FILTER (WHERE is_same AND value -> 0 = 'null'), '{{}}')
           || coalesce(jsonb_object_agg(key, value -> 0) FILTER (WHERE is_same AND value -> 0 <> 'null'), '{{}}')
           AS value
      FROM (SELECT key, value, leads.{column} -> key IS NOT DISTINCT FROM value -> 1 AS is_same
              FROM jsonb_each(changes -> '{column}')) AS entry
"""


def object_joins() -> str:
    return "".join(
        f"CROSS JOIN LATERAL ({OBJECT_SQL.format(column=column)}) AS {column}_entry " for column in OBJECT_COLUMNS
    )


def object_fields() -> str:
    """Return SQL for the JSON columns to restore, as an object."""
    return " || ".join(
        f"CASE WHEN {column}_entry.value <> leads.{column} "
        f"THEN jsonb_build_object('{column}', {column}_entry.value) ELSE '{{}}' END"
        for column in OBJECT_COLUMNS
    )


def object_kept() -> str:
    return " || ".join(
        f"CASE WHEN {column}_entry.kept <> '{{}}' "
        f"THEN jsonb_build_object('{column}', {column}_entry.kept) ELSE '{{}}' END"
        for column in OBJECT_COLUMNS
    )


TAGS_SQL = """
    CASE WHEN leads.tags && ARRAY(SELECT jsonb_array_elements_text(changes -> 'tags'))::varchar[]
         THEN jsonb_build_object('tags', ARRAY(
             SELECT tag FROM unnest(leads.tags) WITH ORDINALITY AS own (tag, place)
              WHERE NOT changes -> 'tags' ? tag ORDER BY place))
         ELSE '{}' END
"""
COLLECT_SQL = f"""
    DROP TABLE IF EXISTS pg_temp.undone_changes;
    CREATE TEMPORARY TABLE undone_changes ON COMMIT DROP AS
    SELECT change.id, change.lead_id, change.line, change.changes,
           CASE WHEN leads.deleted_at IS NULL THEN entry.fields || {TAGS_SQL} || {object_fields()}
                ELSE '{{}}' END AS fields,
           CASE WHEN leads.deleted_at IS NULL THEN entry.kept || {object_kept()} ELSE change.changes END AS kept
      FROM import_changes AS change JOIN leads ON leads.id = change.lead_id
     CROSS JOIN LATERAL (SELECT to_jsonb(leads) - 'search_text' - 'signals' AS current, {BLOCKED_SQL} AS blocked) AS now
     CROSS JOIN LATERAL ({FIELDS_SQL}) AS entry
     {object_joins()}
     WHERE change.batch_id = %(batch)s;
    ANALYZE undone_changes
"""
RESTORED_COLUMNS_SQL = "SELECT DISTINCT jsonb_object_keys(fields) FROM undone_changes"
UPDATE_LEADS_SQL = """
    UPDATE leads SET {columns}, updated_at = %(at)s, last_activity_at = greatest(leads.last_activity_at, %(at)s),
           next_look_at = CASE WHEN leads.closed_at IS NULL THEN %(at)s ELSE leads.next_look_at END
      FROM (SELECT undone.lead_id, undone.fields, earlier.*
              FROM undone_changes AS undone
             CROSS JOIN LATERAL jsonb_populate_record(NULL::leads, undone.fields) AS earlier
             WHERE undone.fields <> '{{}}') AS undone
     WHERE leads.id = undone.lead_id
"""
# The warning of a step back that the import made.
REMOVE_WARNINGS_SQL = """
    UPDATE leads SET signals = (
            SELECT coalesce(jsonb_agg(signal ORDER BY place), '[]')
              FROM jsonb_array_elements(signals) WITH ORDINALITY AS one (signal, place)
             WHERE signal ->> 'source' IS DISTINCT FROM 'stage:' || move.id)
      FROM undone_changes AS undone JOIN lead_stage_history AS move
           ON move.lead_id = undone.lead_id AND move.at = %(imported_at)s
     WHERE leads.id = undone.lead_id AND undone.fields ? 'status_id'
       AND leads.signals @> jsonb_build_array(jsonb_build_object('source', 'stage:' || move.id))
"""
INSERT_MOVES_SQL = """
    INSERT INTO lead_stage_history (lead_id, from_status_id, to_status_id, at, by_id)
    SELECT lead_id, changes -> 'status_id' ->> 1, changes -> 'status_id' ->> 0, %(at)s, %(user)s
      FROM undone_changes WHERE fields ? 'status_id'
"""
INSERT_LINES_SQL = """
    INSERT INTO activity_logs (actor_type, actor_id, verb, summary, target_type, target_id,
                               about_type, about_id, metadata, occurred_at, created_at)
    SELECT %(actor_type)s, %(user)s, 'changed',
           format('Undid the import of %%s: %%s', %(file)s::text,
                  (SELECT string_agg(%(labels)s::jsonb ->> key, ', ' ORDER BY %(labels)s::jsonb ->> key)
                     FROM jsonb_object_keys(fields) AS key WHERE %(labels)s::jsonb ? key)),
           'leads.lead', lead_id, 'leads.lead', lead_id,
           %(metadata)s::jsonb
           || jsonb_build_object('fields', (SELECT jsonb_agg(key) FROM jsonb_object_keys(fields) AS key)),
           %(at)s, %(at)s
      FROM undone_changes WHERE fields <> '{}'
"""
FORGET_RESTORED_SQL = """
    DELETE FROM import_changes USING undone_changes AS undone
     WHERE import_changes.id = undone.id AND undone.kept = '{}';
    UPDATE import_changes SET changes = undone.kept FROM undone_changes AS undone
     WHERE import_changes.id = undone.id
"""
SELECT_KEPT_SQL = """
    SELECT lead_id::text, ARRAY(SELECT key FROM jsonb_object_keys(kept) AS key ORDER BY key) FROM undone_changes
     WHERE kept <> '{}' ORDER BY line LIMIT %s
"""
COUNTS_SQL = "SELECT count(*) FILTER (WHERE fields <> '{}'), count(*) FILTER (WHERE kept <> '{}') FROM undone_changes"


@dataclass(frozen=True)
class RestoredChanges:
    """How many leads an undoing restored, how many keep a change, and the first of these with the kept columns."""

    restored: int
    kept: int
    kept_examples: list[tuple[str, list[str]]]


def restore_leads(
    cursor: CursorWrapper, batch: ImportBatch, *, by: Actor, at: datetime, max_examples: int
) -> RestoredChanges:
    """Give the leads that `batch` changed their earlier values, where they still have those of the import."""
    values = {
        "batch": batch.pk,
        "imported_at": batch.imported_at,
        "at": at,
        "user": by.user.pk if by.user else None,
        "actor_type": by.type.value,
        "file": batch.file_name,
        "labels": Jsonb(changed_column_labels()),
        "metadata": Jsonb({"file": batch.file_name, "import": str(batch.pk)}),
    }
    cursor.execute(LOCK_LEADS_SQL, values)
    cursor.execute(COLLECT_SQL, values)
    cursor.execute(RESTORED_COLUMNS_SQL)
    columns = sorted(name for (name,) in cursor.fetchall())
    if columns:
        restore_columns(cursor, columns, values)
    cursor.execute(SELECT_KEPT_SQL, [max_examples])
    examples = cursor.fetchall()
    cursor.execute(COUNTS_SQL)
    counts = cursor.fetchone()
    cursor.execute(FORGET_RESTORED_SQL)
    return RestoredChanges(*counts, examples)


def restore_columns(cursor: CursorWrapper, columns: list[str], values: dict[str, object]) -> None:
    """Write the earlier values of `columns`, with stage history and a line on the timeline of each lead."""
    assignments = [
        f"{name} = CASE WHEN undone.fields ? '{name}' THEN undone.{name} ELSE leads.{name} END" for name in columns
    ]
    if "tier_override" in columns:
        assignments.append("priority_tier = coalesce(undone.tier_override, leads.priority_tier)")
    cursor.execute(UPDATE_LEADS_SQL.format(columns=", ".join(assignments)), values)
    cursor.execute(REMOVE_WARNINGS_SQL, values)
    cursor.execute(INSERT_MOVES_SQL, values)
    cursor.execute(INSERT_LINES_SQL, values)
