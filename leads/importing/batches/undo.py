"""Undo an import: delete the records that it made, except those that people have since worked on, and restore others.

Leads that the import changed get their earlier values back (`leads.importing.updates.restoring`). A later import that
changed a lead must be undone first.
"""

from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import connection, models, transaction
from django.utils import timezone
from procrastinate.contrib.django import app

from crm.exceptions import IllegalTransition
from crm.models import ActivityLog, User
from crm.records.activity import DELETED_USER, Actor, record
from crm.records.transitions import permission_name
from crm.runtime.job_queue import enqueue
from leads.importing.batches.transitions import move, queue_run
from leads.importing.tables.base import ImportTable
from leads.importing.tables.registry import table_named
from leads.importing.tables.undo import find_obstacles
from leads.importing.updates.restoring import restore_leads
from leads.importing.values.labels import changed_column_labels
from leads.models import ImportBatch, ImportState, Lead
from leads.transitions import SCORE_ALL_TASK

UNDO_PERMISSION = "leads.undo_importbatch"
MAX_KEPT_EXAMPLES = 100


@dataclass(frozen=True)
class KeptRecord:
    """A record that an undoing left, and why."""

    record: models.Model
    obstacles: str

    @property
    def page(self) -> str:
        """Return the name of the address of its page."""
        return f"admin:{self.record._meta.app_label}_{self.record._meta.model_name}_change"


@transaction.atomic
def queue_undo(batch: ImportBatch, *, by: User) -> None:
    """Let a job delete the records of `batch` that nobody has worked on, and restore the leads that it changed.

    Raises:
        NotPermitted: `by` may not undo imports.
        IllegalTransition: the import is not finished, or nothing of it is left.
    """
    Actor.of(by).require_permission(UNDO_PERMISSION, "undo imports")
    if not batch.record_count + batch.updated_count:
        raise IllegalTransition(f"No {batch.noun} of the import of {batch.file_name} is left.")
    move(batch, ImportState.UNDOING, error_message="")
    record(batch, "undone", by=by, summary=f"Undid the import of {batch.file_name}")
    queue_run(batch)


@transaction.atomic
def undo_import(batch: ImportBatch) -> int:
    """Delete the records of `batch` that nobody has worked on, and restore what it changed. All of it, or nothing.

    Return the number of deleted records.

    Raises:
        IllegalTransition: `batch` is not to be undone (any more).
    """
    table, now = table_named(batch.table), timezone.now()
    with connection.cursor() as cursor:
        deleted = table.undo(cursor, batch)
        changes = restore_leads(cursor, batch, by=actor_of_undo(batch), at=now, max_examples=MAX_KEPT_EXAMPLES)
    kept, count = find_kept(table, batch)
    outcome = {**batch.outcome, "kept": kept, "restored": changes.restored, "kept_changes": changes.kept_examples}
    counts = {"record_count": count, "updated_count": changes.kept}
    move(batch, ImportState.UNDONE, [ImportState.UNDOING], **counts, outcome=outcome)
    if changes.restored:
        enqueue(app.configure_task(SCORE_ALL_TASK, queueing_lock=SCORE_ALL_TASK), timestamp=0)
    return deleted


def find_kept(table: ImportTable, batch: ImportBatch) -> tuple[dict[str, dict[str, list[str]]], int]:
    """Return what keeps the first records of each kind that are left, and the number of records that are left."""
    kept, count = {}, 0
    for rule in table.undo_rules:
        left = table.records_of(batch, rule.model)
        examples = list(left.order_by("id").values_list("pk", flat=True)[:MAX_KEPT_EXAMPLES])
        count += left.count()
        if examples:
            obstacles = find_obstacles(rule, examples)
            kept[rule.model._meta.label_lower] = {str(pk): obstacles[pk] for pk in examples}
    return kept, count


def actor_of_undo(batch: ImportBatch) -> Actor:
    """Return the user who asked to undo `batch`."""
    line = ActivityLog.objects.for_target(batch).filter(verb="undone").first()
    user = User.objects.filter(pk=line.actor_id).first() if line else None
    return Actor.of(user) if user else DELETED_USER


def kept_changes(batch: ImportBatch, user: Any) -> list[tuple[Lead, str]]:
    """Return the first leads that keep a change of an undone import, as far as `user` may see them, with the fields."""
    labels = changed_column_labels()
    columns = {key: [labels.get(name, name) for name in names] for key, names in batch.outcome.get("kept_changes", [])}
    visible = Lead.everything.visible_to(user) if user.has_perm("leads.view_lead") else Lead.everything.none()
    return [(lead, ", ".join(columns[str(lead.pk)])) for lead in visible.filter(pk__in=columns).order_by("id")]


def kept_records(batch: ImportBatch, user: Any) -> list[KeptRecord]:
    """Return the first records that an undoing left, as far as `user` may see them."""
    kept = []
    for label, obstacles in batch.outcome.get("kept", {}).items():
        model = apps.get_model(label)
        if user.has_perm(permission_name(model, "view")):
            visible = model.everything.visible_to(user).filter(pk__in=list(obstacles)).order_by("id")
            kept += [KeptRecord(row, ", ".join(obstacles[str(row.pk)])) for row in visible]
    return kept
