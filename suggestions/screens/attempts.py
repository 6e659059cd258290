"""The execution of a suggestion on screen: its attempts, and what can still be done about it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Prefetch, prefetch_related_objects
from django.utils import timezone

from crm.records.activity import DELETED_USER
from suggestions.kinds import KINDS
from suggestions.models import APPROVED_STATUSES, UNDECIDED_STATUSES, ExecutionState, Suggestion, SuggestionExecution
from suggestions.models.execution import EXECUTION_STATE_COLOURS

EXECUTIONS_PREFETCH = Prefetch("executions", SuggestionExecution.objects.select_related("ordered_by"))
# More attempts than this do not help a reader.
MAX_ATTEMPTS_SHOWN = 20


@dataclass(frozen=True)
class Attempt:
    """One attempt, as shown."""

    execution: SuggestionExecution
    colour: str
    # The approver, or "automatic".
    by: str


def may_have_executions(row: Suggestion) -> bool:
    """Return whether an execution of `row` may ever have been ordered."""
    return row.version != 1 or row.status not in UNDECIDED_STATUSES


def prefetch_executions(rows: Iterable[Suggestion]) -> None:
    """Read the attempts at all of `rows` at once, without a statement if there can be none."""
    if attempted := [row for row in rows if may_have_executions(row)]:
        prefetch_related_objects(attempted, EXECUTIONS_PREFETCH)


def load_executions(row: Suggestion) -> list[SuggestionExecution]:
    """Return the attempts at `row`, the latest first; they are loaded once for each version of it."""
    if not may_have_executions(row):
        return []
    cached = row.__dict__.get("_attempts")
    if cached is None or cached[0] != (row.version, row.status):
        is_prefetched = "executions" in getattr(row, "_prefetched_objects_cache", {})
        rows = row.executions.all() if is_prefetched else row.executions.select_related("ordered_by")
        cached = ((row.version, row.status), sorted(rows, key=lambda execution: -execution.attempt))
        row.__dict__["_attempts"] = cached
    return cached[1]


def build_attempts(row: Suggestion) -> list[Attempt]:
    return [
        Attempt(
            execution,
            EXECUTION_STATE_COLOURS[execution.state],
            "automatic" if execution.by_policy else str(execution.ordered_by or DELETED_USER),
        )
        for execution in load_executions(row)[:MAX_ATTEMPTS_SHOWN]
    ]


def is_delivery_unconfirmed(row: Suggestion) -> bool:
    """Whether the delivery of the latest attempt is unconfirmed."""
    return any(execution.state == ExecutionState.UNKNOWN for execution in load_executions(row))


def can_undo(row: Suggestion) -> bool:
    """Whether an approval can be taken back: the execution has not begun, or can be undone."""
    if row.status not in APPROVED_STATUSES or row.type not in KINDS:
        return False
    states = {execution.state for execution in load_executions(row)}
    if ExecutionState.QUEUED in states:
        return True
    return ExecutionState.SUCCEEDED in states and not KINDS[row.type].irreversible_reason


def scheduled_at(row: Suggestion) -> datetime | None:
    """Return the future time of the queued execution, if there is one."""
    now = timezone.now()
    due = [e.run_after for e in load_executions(row) if e.state == ExecutionState.QUEUED and e.run_after > now]
    return due[0] if due else None
