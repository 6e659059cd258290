"""Undo an import: delete the records that it made, except those that people have since worked on, and restore others.

Records that the import changed get their earlier values back (`leads.importing.updates.restoring`). A later import
that changed a record must be undone first.
"""

from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import connection, models, transaction
from django.utils import timezone

from crm.exceptions import IllegalTransition
from crm.models import ActivityLog, User
from crm.records.activity import DELETED_USER, Actor, record
from crm.records.transitions import permission_name
from crm.runtime.job_queue import configure_job, enqueue
from leads.importing.batches.transitions import move, queue_run
from leads.importing.tables.base import ImportTable
from leads.importing.tables.registry import table_named
from leads.importing.tables.undo import find_obstacles
from leads.importing.updates.restoring import RestoredChanges, restore_records
from leads.models import ImportBatch, ImportState

UNDO_PERMISSION = "leads.undo_importbatch"
MAX_KEPT_EXAMPLES = 100


@dataclass(frozen=True)
class KeptRecord:
    """A record that an undoing left, or of which it left a change: why, or which fields."""

    record: models.Model
    reason: str

    @property
    def page(self) -> str:
        """Return the name of the address of its page."""
        return f"admin:{self.record._meta.app_label}_{self.record._meta.model_name}_change"


@transaction.atomic
def queue_undo(batch: ImportBatch, *, by: User) -> None:
    """Let a job delete the records of `batch` without later work on them, and restore those that it changed.

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
    """Delete the records of `batch` without later work on them, and restore what it changed. All of it, or nothing.

    Return the number of deleted records.

    Raises:
        IllegalTransition: `batch` is not to be undone (any more).
    """
    table, now = table_named(batch.table), timezone.now()
    with connection.cursor() as cursor:
        deleted = table.undo(cursor, batch)
        changes = RestoredChanges()
        if table.updates:
            labels, actor = table.change_labels, actor_of_undo(batch)
            limits = {"at": now, "max_examples": MAX_KEPT_EXAMPLES}
            changes = restore_records(cursor, table.updates, batch, labels=labels, by=actor, **limits)
    kept, count = find_kept(table, batch)
    outcome = {**batch.outcome, "kept": kept, "restored": changes.restored, "kept_changes": changes.kept_examples}
    counts = {"record_count": count, "updated_count": changes.kept}
    move(batch, ImportState.UNDONE, [ImportState.UNDOING], **counts, outcome=outcome)
    for job in table.jobs if changes.restored else ():
        enqueue(configure_job(job, queueing_lock=job), timestamp=0)
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


def kept_changes(batch: ImportBatch, user: Any) -> list[KeptRecord]:
    """Return the first records that keep a change of an undone import, as far as `user` may see them, and fields."""
    table = table_named(batch.table)
    kept, labels = batch.outcome.get("kept_changes", []), table.change_labels
    fields = {key: ", ".join(labels.get(name, name) for name in names) for key, names in kept}
    return visible_records(table.model, fields, user)


def kept_records(batch: ImportBatch, user: Any) -> list[KeptRecord]:
    """Return the first records that an undoing left, as far as `user` may see them."""
    return [
        one
        for label, obstacles in batch.outcome.get("kept", {}).items()
        for one in visible_records(
            apps.get_model(label), {key: ", ".join(words) for key, words in obstacles.items()}, user
        )
    ]


def visible_records(model: type[models.Model], reasons: dict[str, str], user: Any) -> list[KeptRecord]:
    """Return the records of `model` among the keys of `reasons` that `user` may see, deleted ones too."""
    if not reasons or not user.has_perm(permission_name(model, "view")):
        return []
    rows = model.everything.visible_to(user).filter(pk__in=list(reasons)).order_by("id")
    return [KeptRecord(row, reasons[str(row.pk)]) for row in rows]
