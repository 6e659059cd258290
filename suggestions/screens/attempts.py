"""What a screen shows of the carrying out of a suggestion: its attempts, and what can still be done about it."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Prefetch
from django.utils import timezone

from suggestions.kinds import KINDS
from suggestions.models import GO_AHEAD, ExecutionState, Suggestion, SuggestionExecution, SuggestionStatus
from suggestions.models.execution import COLOURS
from suggestions.transitions.state import GONE

ATTEMPTS = Prefetch("executions", SuggestionExecution.objects.select_related("ordered_by"))
UNDECIDED = (SuggestionStatus.DRAFT, SuggestionStatus.PENDING)
# More attempts than this are of no use to anybody who reads.
MOST_SHOWN = 20


@dataclass(frozen=True)
class Attempt:
    """One attempt, for reading."""

    execution: SuggestionExecution
    colour: str
    # Who let it happen; nobody is the policy.
    by: str

    @property
    def is_due_later(self) -> bool:
        return self.execution.state == ExecutionState.QUEUED and self.execution.run_after > timezone.now()


def executions(row: Suggestion) -> list[SuggestionExecution]:
    """The attempts at `row`, the latest first; read once for each version of it that is looked at."""
    if row.version == 1 and row.status in UNDECIDED:  # nothing was ever ordered
        return []
    known = row.__dict__.get("_attempts")
    if known is None or known[0] != (row.version, row.status):
        fetched = "executions" in getattr(row, "_prefetched_objects_cache", {})
        rows = row.executions.all() if fetched else row.executions.select_related("ordered_by")
        known = ((row.version, row.status), sorted(rows, key=lambda execution: -execution.attempt))
        row.__dict__["_attempts"] = known
    return known[1]


def attempts(row: Suggestion) -> list[Attempt]:
    return [
        Attempt(
            execution,
            COLOURS[execution.state],
            "by policy" if execution.by_policy else str(execution.ordered_by or GONE),
        )
        for execution in executions(row)[:MOST_SHOWN]
    ]


def is_unknown(row: Suggestion) -> bool:
    """Whether nobody can tell what became of the latest attempt."""
    return any(execution.state == ExecutionState.UNKNOWN for execution in executions(row))


def undoable(row: Suggestion) -> bool:
    """Whether an approval can be taken back: it has not begun, or what was done can be undone."""
    if row.status not in GO_AHEAD or row.type not in KINDS:
        return False
    states = {execution.state for execution in executions(row)}
    if ExecutionState.QUEUED in states:
        return True
    return ExecutionState.SUCCEEDED in states and not KINDS[row.type].cannot_be_undone


def goes_out_at(row: Suggestion) -> datetime | None:
    """When what waits will be carried out, if that is still to come."""
    now = timezone.now()
    due = [e.run_after for e in executions(row) if e.state == ExecutionState.QUEUED and e.run_after > now]
    return due[0] if due else None
