"""Undo an import: delete the leads that it made, except those that people have since worked on, and restore others.

People have worked on a lead if they appear on its timeline after the import, if it was converted, or if a task, a
conversation, a ticket, a draft or a contact belongs to it. What the program did by itself (scores, snapshots,
suggestions) is no work, and a later import that changed the lead must be undone first. The leads are deleted for good,
because a deleted lead in the bin would still be in the way. Leads that the import changed get their earlier values back
(`leads.importing.updates.restoring`).
"""

from collections.abc import Iterator
from typing import Any

from django.db import connection, models, transaction
from django.db.backends.utils import CursorWrapper
from django.utils import timezone
from procrastinate.contrib.django import app

from crm.exceptions import IllegalTransition
from crm.models import ActivityLog, User
from crm.records.activity import DELETED_USER, Actor, record
from crm.runtime.job_queue import enqueue
from leads.importing.batches.transitions import move, queue_run
from leads.importing.updates.restoring import restore_leads
from leads.importing.values.labels import changed_column_labels
from leads.models import ImportBatch, ImportState, Lead
from leads.transitions import SCORE_ALL_TASK

UNDO_PERMISSION = "leads.undo_importbatch"
MAX_KEPT_EXAMPLES = 100
# Rows that the program makes for every lead, by the name of the relation.
MADE_BY_PROGRAM = frozenset({"stage_history", "snapshot", "tier_changes", "events", "suggestions", "ai_interactions"})
# The line of the import itself has the ID of the lead.
WORKED_ON_SQL = """
    leads.converted_at IS NOT NULL OR leads.deleted_at IS NOT NULL
    OR EXISTS (SELECT FROM activity_logs AS log WHERE log.about_type = 'leads.lead' AND log.about_id = leads.id
                  AND log.actor_type = 'user' AND log.id <> leads.id AND NOT log.metadata ? 'import')
"""
COLLECT_SQL = """
    CREATE TEMPORARY TABLE undone_leads ON COMMIT DROP AS
    SELECT id, updated_at FROM leads WHERE import_batch_id = %(batch)s AND NOT ({worked_on});
    ANALYZE undone_leads
"""
# A lead that somebody changes at the same moment has another `updated_at` by now, and stays.
DELETE_SQL = """
    DELETE FROM leads USING undone_leads AS undone
     WHERE leads.id = undone.id AND leads.updated_at = undone.updated_at
"""


@transaction.atomic
def queue_undo(batch: ImportBatch, *, by: User) -> None:
    """Let a job delete the leads of `batch` that nobody has worked on, and restore those that it changed.

    Raises:
        NotPermitted: `by` may not undo imports.
        IllegalTransition: the import is not finished, or nothing of it is left.
    """
    Actor.of(by).require_permission(UNDO_PERMISSION, "undo imports")
    if not batch.lead_count + batch.updated_count:
        raise IllegalTransition(f"No lead of the import of {batch.file_name} is left.")
    move(batch, ImportState.UNDOING, error_message="")
    record(batch, "undone", by=by, summary=f"Undid the import of {batch.file_name}")
    queue_run(batch)


@transaction.atomic
def undo_import(batch: ImportBatch) -> int:
    """Delete the leads of `batch` that nobody has worked on, and restore those that it changed. All of it, or nothing.

    Return the number of deleted leads.

    Raises:
        IllegalTransition: `batch` is not to be undone (any more).
    """
    now = timezone.now()
    with connection.cursor() as cursor:
        deleted = delete_unused_leads(cursor, batch)
        changes = restore_leads(cursor, batch, by=actor_of_undo(batch), at=now, max_examples=MAX_KEPT_EXAMPLES)
    kept = Lead.everything.filter(import_batch=batch)
    examples = kept.order_by("id").values_list("pk", flat=True)[:MAX_KEPT_EXAMPLES]
    outcome = {
        **batch.outcome,
        "kept": [str(pk) for pk in examples],
        "restored": changes.restored,
        "kept_changes": changes.kept_examples,
    }
    counts = {"lead_count": kept.count(), "updated_count": changes.kept}
    move(batch, ImportState.UNDONE, [ImportState.UNDOING], **counts, outcome=outcome)
    if changes.restored:
        enqueue(app.configure_task(SCORE_ALL_TASK, queueing_lock=SCORE_ALL_TASK), timestamp=0)
    return deleted


def actor_of_undo(batch: ImportBatch) -> Actor:
    """Return the user who asked to undo `batch`."""
    line = ActivityLog.objects.for_target(batch).filter(verb="undone").first()
    user = User.objects.filter(pk=line.actor_id).first() if line else None
    return Actor.of(user) if user else DELETED_USER


def delete_unused_leads(cursor: CursorWrapper, batch: ImportBatch) -> int:
    cursor.execute("DROP TABLE IF EXISTS pg_temp.undone_leads")
    worked_on = " OR ".join([WORKED_ON_SQL, *relation_conditions()])
    cursor.execute(COLLECT_SQL.format(worked_on=worked_on), {"batch": batch.pk})
    cursor.execute(DELETE_SQL)
    return cursor.rowcount


def relation_conditions() -> Iterator[str]:
    """Yield for each table that points to leads, of whatever app, the condition that a row points to the lead."""
    for relation in Lead._meta.related_objects:
        if relation.get_accessor_name() not in MADE_BY_PROGRAM and relation.field.concrete:
            table = connection.ops.quote_name(relation.related_model._meta.db_table)
            column = connection.ops.quote_name(relation.field.column)
            yield f"EXISTS (SELECT FROM {table} AS other WHERE other.{column} = leads.id)"


def kept_changes(batch: ImportBatch, user: Any) -> list[tuple[Lead, str]]:
    """Return the first leads that keep a change of an undone import, as far as `user` may see them, with the fields."""
    labels = changed_column_labels()
    columns = {key: [labels.get(name, name) for name in names] for key, names in batch.outcome.get("kept_changes", [])}
    visible = Lead.everything.visible_to(user) if user.has_perm("leads.view_lead") else Lead.everything.none()
    return [(lead, ", ".join(columns[str(lead.pk)])) for lead in visible.filter(pk__in=columns).order_by("id")]


def kept_leads(batch: ImportBatch, user: Any) -> models.QuerySet:
    """Return the first leads that an undoing left, as far as `user` may see them."""
    visible = Lead.everything.visible_to(user) if user.has_perm("leads.view_lead") else Lead.everything.none()
    return visible.filter(pk__in=batch.outcome.get("kept", [])).order_by("id")
