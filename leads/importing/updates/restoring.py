"""Undo the changes that an import made of records, except where a field has been changed again since."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.backends.utils import CursorWrapper
from psycopg.types.json import Jsonb

from crm.records.activity import Actor
from leads.importing.updates.rules import UpdateRules
from leads.models import ImportBatch

LOCK_RECORDS_SQL = """
    SELECT count(*) FROM (
        SELECT FROM {table} AS existing JOIN import_changes AS change ON change.{link} = existing.id
         WHERE change.batch_id = %(batch)s AND change.{link} IS NOT NULL
         ORDER BY existing.id FOR NO KEY UPDATE OF existing) AS locked
"""
# `fields` are the earlier values to restore, `kept` the changes that stay.
FIELDS_SQL = """
    SELECT coalesce(jsonb_object_agg(key, value -> 0) FILTER (WHERE is_same), '{{}}') AS fields,
           coalesce(jsonb_object_agg(key, value) FILTER (WHERE NOT is_same), '{{}}') AS kept
      FROM (SELECT key, value, current -> key IS NOT DISTINCT FROM value -> 1 AND key <> ALL (blocked) AS is_same
              FROM jsonb_each(changes) WHERE key <> ALL ('{{tags,{apart}}}')) AS entry
"""
OBJECT_SQL = """
    SELECT coalesce(jsonb_object_agg(key, value) FILTER (WHERE NOT is_same), '{{}}') AS kept,
           existing.{column} - coalesce(array_agg(key) FILTER (WHERE is_same AND value -> 0 = 'null'), '{{}}')
           || coalesce(jsonb_object_agg(key, value -> 0) FILTER (WHERE is_same AND value -> 0 <> 'null'), '{{}}')
           AS value
      FROM (SELECT key, value, existing.{column} -> key IS NOT DISTINCT FROM value -> 1 AS is_same
              FROM jsonb_each(changes -> '{column}')) AS entry
"""
TAGS_SQL = """
    CASE WHEN existing.tags && ARRAY(SELECT jsonb_array_elements_text(changes -> 'tags'))::varchar[]
         THEN jsonb_build_object('tags', ARRAY(
             SELECT tag FROM unnest(existing.tags) WITH ORDINALITY AS own (tag, place)
              WHERE NOT changes -> 'tags' ? tag ORDER BY place))
         ELSE '{}' END
"""
COLLECT_SQL = """
    DROP TABLE IF EXISTS pg_temp.undone_changes;
    CREATE TEMPORARY TABLE undone_changes ON COMMIT DROP AS
    SELECT change.id, existing.id AS record_id, {about} AS about_id, change.line, change.changes,
           CASE WHEN existing.deleted_at IS NULL THEN entry.fields || {tags} || {object_fields}
                ELSE '{{}}' END AS fields,
           CASE WHEN existing.deleted_at IS NULL THEN entry.kept || {object_kept} ELSE change.changes END AS kept
      FROM import_changes AS change JOIN {table} AS existing ON existing.id = change.{link}
     CROSS JOIN LATERAL (
         SELECT to_jsonb(existing) - 'search_text' - 'signals' AS current, {blocked} AS blocked) AS now
     CROSS JOIN LATERAL ({fields}) AS entry
     {joins}
     WHERE change.batch_id = %(batch)s AND change.{link} IS NOT NULL;
    ANALYZE undone_changes
"""
RESTORED_COLUMNS_SQL = "SELECT DISTINCT jsonb_object_keys(fields) FROM undone_changes"
UPDATE_RECORDS_SQL = """
    UPDATE {table} AS existing SET {assignments}
      FROM (SELECT undone.record_id, undone.fields, earlier.*
              FROM undone_changes AS undone
             CROSS JOIN LATERAL jsonb_populate_record(NULL::{table}, undone.fields) AS earlier
             WHERE undone.fields <> '{{}}') AS undone
     WHERE existing.id = undone.record_id
"""
INSERT_LINES_SQL = """
    INSERT INTO activity_logs (actor_type, actor_id, verb, summary, target_type, target_id,
                               about_type, about_id, metadata, occurred_at, created_at)
    SELECT %(actor_type)s, %(user)s, 'changed',
           format('Undid the import of %%s: %%s', %(file)s::text,
                  (SELECT string_agg(%(labels)s::jsonb ->> key, ', ' ORDER BY %(labels)s::jsonb ->> key)
                     FROM jsonb_object_keys(fields) AS key WHERE %(labels)s::jsonb ? key)),
           '{label}', record_id, '{about_label}', about_id,
           %(metadata)s::jsonb
           || jsonb_build_object('fields', (SELECT jsonb_agg(key) FROM jsonb_object_keys(fields) AS key)),
           %(at)s, %(at)s
      FROM undone_changes WHERE fields <> '{{}}'
"""
FORGET_RESTORED_SQL = """
    DELETE FROM import_changes USING undone_changes AS undone
     WHERE import_changes.id = undone.id AND undone.kept = '{}';
    UPDATE import_changes SET changes = undone.kept FROM undone_changes AS undone
     WHERE import_changes.id = undone.id
"""
SELECT_KEPT_SQL = """
    SELECT record_id::text, ARRAY(SELECT key FROM jsonb_object_keys(kept) AS key ORDER BY key) FROM undone_changes
     WHERE kept <> '{}' ORDER BY line LIMIT %s
"""
COUNTS_SQL = "SELECT count(*) FILTER (WHERE fields <> '{}'), count(*) FILTER (WHERE kept <> '{}') FROM undone_changes"


@dataclass(frozen=True)
class RestoredChanges:
    """How many records an undoing restored, how many keep a change, and the first of these with the kept columns."""

    restored: int = 0
    kept: int = 0
    kept_examples: tuple[tuple[str, list[str]], ...] = ()


def collect_sql(rules: UpdateRules) -> str:
    """Return the statement that decides for each change what is restored and what is kept."""
    restored = [
        f"CASE WHEN {column}_entry.value <> existing.{column} "
        f"THEN jsonb_build_object('{column}', {column}_entry.value) ELSE '{{}}' END"
        for column in rules.objects
    ]
    kept = [
        f"CASE WHEN {column}_entry.kept <> '{{}}' "
        f"THEN jsonb_build_object('{column}', {column}_entry.kept) ELSE '{{}}' END"
        for column in rules.objects
    ]
    restored += [non_empty(link.name, f"{link.name}_remaining.own") for link in rules.links]
    kept += [non_empty(link.name, f"{link.name}_remaining.changed") for link in rules.links]
    joins = [f"CROSS JOIN LATERAL ({OBJECT_SQL.format(column=one)}) AS {one}_entry" for one in rules.objects]
    joins += [f"CROSS JOIN LATERAL ({link.remaining}) AS {link.name}_remaining" for link in rules.links]
    return COLLECT_SQL.format(
        tags=TAGS_SQL if "tags" in rules.update else "'{}'",
        object_fields=" || ".join(restored),
        object_kept=" || ".join(kept),
        blocked=rules.blocked_columns(),
        fields=FIELDS_SQL.format(apart=",".join([*rules.objects, *(link.name for link in rules.links)])),
        joins=" ".join(joins),
        **rules.names,
    )


def non_empty(name: str, items: str) -> str:
    """Return SQL for an object with `items`, a JSON array, under `name`; an empty object if there are none."""
    return f"CASE WHEN {items} <> '[]' THEN jsonb_build_object('{name}', {items}) ELSE '{{}}' END"


def restore_records(
    cursor: CursorWrapper,
    rules: UpdateRules,
    batch: ImportBatch,
    *,
    labels: Mapping[str, str],
    by: Actor,
    at: datetime,
    max_examples: int,
) -> RestoredChanges:
    """Give the records that `batch` changed their earlier values, where they still have those of the import."""
    values = {
        "batch": batch.pk,
        "imported_at": batch.imported_at,
        "at": at,
        "user": by.user.pk if by.user else None,
        "actor_type": by.type.value,
        "file": batch.file_name,
        "labels": Jsonb(dict(labels)),
        "metadata": Jsonb({"file": batch.file_name, "import": str(batch.pk)}),
    }
    cursor.execute(LOCK_RECORDS_SQL.format(**rules.names), values)
    cursor.execute(collect_sql(rules), values)
    cursor.execute(RESTORED_COLUMNS_SQL)
    columns = sorted(name for (name,) in cursor.fetchall())
    if columns:
        restore_columns(cursor, rules, columns, values)
    cursor.execute(SELECT_KEPT_SQL, [max_examples])
    examples = tuple(cursor.fetchall())
    cursor.execute(COUNTS_SQL)
    counts = cursor.fetchone()
    cursor.execute(FORGET_RESTORED_SQL)
    return RestoredChanges(*counts, examples)


def restore_columns(cursor: CursorWrapper, rules: UpdateRules, columns: list[str], values: dict[str, Any]) -> None:
    """Write the earlier values of `columns`, with a line on the timeline of each record."""
    links = {link.name: link.delete for link in rules.links}
    assignments = [
        f"{name} = CASE WHEN undone.fields ? '{name}' THEN undone.{name} ELSE existing.{name} END"
        for name in columns
        if name not in links
    ]
    assignments += [sql for name, sql in rules.restored_assignments.items() if not name or name in columns]
    assignments.append("updated_at = %(at)s")
    cursor.execute(UPDATE_RECORDS_SQL.format(assignments=", ".join(assignments), **rules.names), values)
    for statement in (*links.values(), *rules.restored_statements, INSERT_LINES_SQL.format(**rules.names)):
        cursor.execute(statement, values)
