"""Undo an import: delete the records that it made, except those that people have since worked on."""

from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import connection, models, transaction

from crm.exceptions import IllegalTransition
from crm.models import User
from crm.records.activity import Actor, record
from crm.records.transitions import permission_name
from leads.importing.batches.transitions import move, queue_run
from leads.importing.tables.registry import table_named
from leads.importing.tables.undo import find_obstacles
from leads.models import ImportBatch, ImportState

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
    """Let a job delete the records of `batch` that nobody has worked on.

    Raises:
        NotPermitted: `by` may not undo imports.
        IllegalTransition: the import is not finished, or no record of it is left.
    """
    Actor.of(by).require_permission(UNDO_PERMISSION, "undo imports")
    if not batch.record_count:
        raise IllegalTransition(f"No {batch.noun} of the import of {batch.file_name} is left.")
    move(batch, ImportState.UNDOING, error_message="")
    record(batch, "undone", by=by, summary=f"Undid the import of {batch.file_name}")
    queue_run(batch)


@transaction.atomic
def undo_import(batch: ImportBatch) -> int:
    """Delete the records of `batch` that nobody has worked on, and return their number. All of them, or none.

    Raises:
        IllegalTransition: `batch` is not to be undone (any more).
    """
    table = table_named(batch.table)
    with connection.cursor() as cursor:
        deleted = table.undo(cursor, batch)
    kept, count = {}, 0
    for rule in table.undo_rules:
        left = table.records_of(batch, rule.model)
        examples = list(left.order_by("id").values_list("pk", flat=True)[:MAX_KEPT_EXAMPLES])
        count += left.count()
        if examples:
            obstacles = find_obstacles(rule, examples)
            kept[rule.model._meta.label_lower] = {str(pk): obstacles[pk] for pk in examples}
    move(
        batch,
        ImportState.UNDONE,
        [ImportState.UNDOING],
        record_count=count,
        outcome={**batch.outcome, "kept": kept},
    )
    return deleted


def kept_records(batch: ImportBatch, user: Any) -> list[KeptRecord]:
    """Return the first records that an undoing left, as far as `user` may see them."""
    kept = []
    for label, obstacles in batch.outcome.get("kept", {}).items():
        model = apps.get_model(label)
        if user.has_perm(permission_name(model, "view")):
            visible = model.everything.visible_to(user).filter(pk__in=list(obstacles)).order_by("id")
            kept += [KeptRecord(row, ", ".join(obstacles[str(row.pk)])) for row in visible]
    return kept
