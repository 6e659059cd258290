"""Delete the records that an import made, except those that people have since worked on.

People have worked on a record if they appear on its timeline after the import, if it is in the bin, if a task, a
conversation, a policy or the like belongs to it, or if a custom field refers to it. What the program made by itself
(scores, snapshots, suggestions) is no work. The records are deleted for good, because a deleted record in the bin would
still be in the way.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.apps import apps
from django.db import connection, models
from django.db.backends.utils import CursorWrapper
from psycopg import sql

from crm.models import ActivityLog
from crm.records.custom_fields.reference_moves import fields_referring_to
from crm.records.references import allow_changes
from leads.models import ImportBatch

# The line of the import itself has the ID of the record. What other imports did shows in their own records and changes,
# except notes, which are lines.
WORKED_ON_SQL = """
    {table}.deleted_at IS NOT NULL
    OR EXISTS (SELECT FROM activity_logs AS log WHERE log.{side}_type = '{label}' AND log.{side}_id = {table}.id
                  AND log.actor_type = 'user' AND log.id <> {table}.id
                  AND (log.verb = 'noted' OR NOT log.metadata ? 'import'))
"""
COLLECT_SQL = """
    CREATE TEMPORARY TABLE undone_records ON COMMIT DROP AS
    SELECT id, updated_at FROM {table} WHERE {made} AND NOT ({worked_on});
    ANALYZE undone_records
"""
# A record that a colleague changes at the same moment has another `updated_at` by now, and stays.
DELETE_SQL = """
    DELETE FROM {table} USING undone_records AS undone
     WHERE {table}.id = undone.id AND {table}.updated_at = undone.updated_at
"""
KEEP_REFERENCED_SQL = """
    DELETE FROM undone_records AS undone WHERE EXISTS (
        SELECT FROM {table} AS other WHERE other.{column} = undone.id
           AND NOT EXISTS (SELECT FROM undone_records AS deleted WHERE deleted.id = other.id))
"""
MADE_BY_IMPORT_SQL = """
    {table}.id IN (SELECT record_id FROM imported_records WHERE batch_id = %(batch)s AND record_type = '{label}')
"""
FORGET_SQL = """
    DELETE FROM imported_records USING undone_records AS undone
     WHERE record_id = undone.id AND NOT EXISTS (SELECT FROM {table} WHERE {table}.id = undone.id)
"""
# On the timeline of another record, the line of a record that is gone would stay.
FORGET_LINES_SQL = """
    DELETE FROM activity_logs USING undone_records AS undone
     WHERE activity_logs.id = undone.id AND NOT EXISTS (SELECT FROM {table} WHERE {table}.id = undone.id)
"""
# Whether a custom field of any record, also a deleted one, refers to the record.
REFERRED_TO_SQL = """{table}.id IN (
    SELECT json_uuid(other.custom_fields, {key}) FROM {other} AS other
     WHERE other.custom_fields ? {key} AND json_uuid(other.custom_fields, {key}) IS NOT NULL)"""
OBSTACLE_SQL = "SELECT id FROM {table} WHERE id = ANY(%(records)s) AND ({condition})"


@dataclass(frozen=True)
class UndoRule:
    """Which records of `model` an import made, and what shows that people have worked on them.

    Rows of the relations `made_by_program` are no work; the relations `own_rows` have one row of the import, with the
    key of the record. `side` says on which side of the activity log the record stands: about its own timeline, or as
    the target on that of another record.
    """

    model: type[models.Model]
    made: str = MADE_BY_IMPORT_SQL
    made_by_program: frozenset[str] = frozenset({"events"})
    own_rows: frozenset[str] = frozenset()
    side: str = "about"

    @property
    def names(self) -> dict[str, str]:
        return {"table": self.model._meta.db_table, "label": self.model._meta.label_lower, "side": self.side}

    def relations(self, *, to_self: bool) -> Iterator[models.ForeignObjectRel]:
        """Yield the relations with rows that are work, within the table or from other tables."""
        for relation in self.model._meta.related_objects:
            is_work = relation.get_accessor_name() not in self.made_by_program and relation.field.concrete
            if is_work and (relation.related_model is self.model) == to_self:
                yield relation

    def obstacles(self) -> Iterator[tuple[str, str]]:
        """Yield what shows that a record was worked on: words and condition."""
        table = self.names["table"]
        yield "later work on it", WORKED_ON_SQL.format(**self.names)
        for relation in self.relations(to_self=False):
            other = connection.ops.quote_name(relation.related_model._meta.db_table)
            column = connection.ops.quote_name(relation.field.column)
            noun = str(relation.related_model._meta.verbose_name)
            own = f"AND other.id <> {table}.id" if relation.get_accessor_name() in self.own_rows else ""
            yield noun, f"EXISTS (SELECT FROM {other} AS other WHERE other.{column} = {table}.id {own})"
        for field in fields_referring_to(self.model):
            other = connection.ops.quote_name(apps.get_model(field.table)._meta.db_table)
            key = sql.Literal(field.key).as_string(None).replace("%", "%%")
            yield f"custom field “{field}”", REFERRED_TO_SQL.format(table=table, other=other, key=key)


def delete_unused(cursor: CursorWrapper, rule: UndoRule, batch: ImportBatch) -> int:
    """Delete the records of `batch` without later work on them, and return their number."""
    cursor.execute("DROP TABLE IF EXISTS pg_temp.undone_records")
    worked_on = " OR ".join(condition for _, condition in rule.obstacles())
    made = rule.made.format(**rule.names)
    statement = COLLECT_SQL.format(made=made, worked_on=worked_on, **rule.names)
    cursor.execute(statement, {"batch": batch.pk})
    keep_referenced(cursor, rule)
    cursor.execute(DELETE_SQL.format(**rule.names))
    deleted = cursor.rowcount
    if rule.side == "target":
        with allow_changes({ActivityLog}):
            cursor.execute(FORGET_LINES_SQL.format(**rule.names))
    if rule.made == MADE_BY_IMPORT_SQL:
        cursor.execute(FORGET_SQL.format(**rule.names))
    return deleted


def keep_referenced(cursor: CursorWrapper, rule: UndoRule) -> None:
    """Keep the records to which another record of the table refers that stays: the policy before a kept renewal."""
    for relation in rule.relations(to_self=True):
        column = connection.ops.quote_name(relation.field.column)
        statement = KEEP_REFERENCED_SQL.format(column=column, **rule.names)
        cursor.execute(statement)
        while cursor.rowcount:
            cursor.execute(statement)


def find_obstacles(rule: UndoRule, records: list[UUID]) -> dict[UUID, list[str]]:
    """Return for each of `records` what shows that people have worked on it."""
    found: dict[UUID, list[str]] = {pk: [] for pk in records}
    parameters: dict[str, Any] = {"records": records}
    with connection.cursor() as cursor:
        for words, condition in rule.obstacles():
            cursor.execute(OBSTACLE_SQL.format(condition=condition, **rule.names), parameters)
            for (pk,) in cursor.fetchall():
                if words not in found[pk]:
                    found[pk].append(words)
    return {pk: obstacles or [f"{rule.model._meta.verbose_name} that stays"] for pk, obstacles in found.items()}
