"""Decide about pairs of possible duplicates, and search for them on demand."""

from django.apps import apps
from django.db import transaction
from django.utils import timezone

from crm.exceptions import IllegalTransition
from crm.models import DuplicatePair, User
from crm.records.activity import Actor
from crm.records.duplicates.pairs import current_pairs
from crm.records.transitions import permission_name
from crm.runtime.job_queue import configure_job, enqueue

FIND_PAIRS_TASK = "crm.find_duplicate_pairs"


@transaction.atomic
def dismiss(pair: DuplicatePair, *, by: User) -> None:
    """Say that the records of `pair` are two. The pair comes back only if what they share changes.

    Raises:
        NotPermitted: `by` may not merge such records.
        IllegalTransition: it is dismissed already, or one of the records is gone or has changed.
    """
    require_merge_permission(pair, by)
    now = timezone.now()
    rows = current_pairs(by).undecided().filter(pk=pair.pk)
    if rows.update(dismissed_at=now, dismissed_by=by) != 1:
        raise IllegalTransition("This pair was decided already, or one of the two records has changed.")
    pair.dismissed_at, pair.dismissed_by = now, by


@transaction.atomic
def restore(pair: DuplicatePair, *, by: User) -> None:
    """Put a dismissed pair back on the list.

    Raises:
        NotPermitted: `by` may not merge such records.
        IllegalTransition: it is not dismissed, or one of the records is gone or has changed.
    """
    require_merge_permission(pair, by)
    rows = current_pairs(by).dismissed().filter(pk=pair.pk)
    if rows.update(dismissed_at=None, dismissed_by=None) != 1:
        raise IllegalTransition("This pair is on the list already, or one of the two records has changed.")
    pair.dismissed_at = pair.dismissed_by = None


def require_merge_permission(pair: DuplicatePair, by: User) -> None:
    for table in sorted({pair.first_table, pair.second_table}):
        model = apps.get_model(table)
        action = f"decide about duplicate {model._meta.verbose_name_plural}"
        Actor.of(by).require_permission(permission_name(model, "merge"), action)


def queue_search() -> None:
    """Search for pairs in the background, unless a search is waiting already."""
    enqueue(configure_job(FIND_PAIRS_TASK, queueing_lock=FIND_PAIRS_TASK, lock=FIND_PAIRS_TASK), timestamp=0)
