"""What came of a deed, written down: on the execution, on the suggestion and on the timeline."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import DateTimeField, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from crm.models import ActivityLog
from crm.records.activity import Actor, keep, line, record
from suggestions.autonomy.rules import by_policy
from suggestions.autonomy.transitions import learn
from suggestions.choices import Names
from suggestions.models import GO_AHEAD, ExecutionState, Suggestion, SuggestionExecution
from suggestions.models import SuggestionStatus as Status
from suggestions.transitions.state import about, differs, kind_of, open_again

# What is written on a suggestion once it is carried out.
CARRIED_OUT = ("status", "executed_at", "result", "error_message")
# What is called once a deed is done, with the payload, the suggestion and the result; returns the result completed.
# `following` is: it proposes, which may order a deed in its turn and so stands above this module.
Afterwards = Callable[[Any, Suggestion, dict[str, Any]], dict[str, Any]]
AFTERWARDS: list[Afterwards] = []


def afterwards(call: Afterwards) -> Afterwards:
    """Have `call` called in the transaction that writes down that a deed is done."""
    AFTERWARDS.append(call)
    return call


@dataclass(frozen=True)
class Done:
    """A deed that was done, yet to be written down: what came of it, and its line on the timeline."""

    execution: SuggestionExecution
    suggestion: Suggestion
    status: str
    result: dict[str, Any]
    line: ActivityLog


def moved(execution: SuggestionExecution, state: str, **changes: Any) -> None:
    """Set the state of `execution`, which the caller holds."""
    changes["state"] = state
    SuggestionExecution.objects.filter(pk=execution.pk).update(**changes)
    for name, value in changes.items():
        setattr(execution, name, value)


def succeeded(execution: SuggestionExecution, suggestion: Suggestion, result: dict[str, Any], *, by: Actor) -> None:
    """It is done: on the execution, on the suggestion and on the timeline."""
    payload = kind_of(suggestion).check(suggestion.approved_content)
    write_down([done(execution, suggestion, payload, result, by=by, names=Names())])


def done(
    execution: SuggestionExecution,
    suggestion: Suggestion,
    payload: Any,
    result: dict[str, Any],
    *,
    by: Actor,
    names: Names,
) -> Done:
    """What is to be written down now that `result` came of it, with what it leads to proposed."""
    for call in AFTERWARDS:
        result = call(payload, suggestion, result)
    status = suggestion.status
    if status not in GO_AHEAD:  # it had been taken for failed
        status = Status.MODIFIED if differs(suggestion, suggestion.approved_content) else Status.APPROVED
    verb = "approved" if status == Status.APPROVED else "approved with changes"
    said = kind_of(suggestion).sentence(payload, suggestion, names)
    summary = f"{verb.capitalize()}{' by policy' if execution.by_policy else ''}: {said}"
    told = line(suggestion, verb, about=about(suggestion), by=by, summary=summary)
    return Done(execution, suggestion, status, result, told)


def write_down(deeds: list[Done]) -> None:
    """Keep what was done, all of it at once: on the executions, on the suggestions and on the timelines."""
    now = timezone.now()
    executions = SuggestionExecution.objects.filter(pk__in=[one.execution.pk for one in deeds])
    began = Coalesce("started_at", Value(now, DateTimeField()))
    executions.update(state=ExecutionState.SUCCEEDED, started_at=began, finished_at=now, error="")
    for one in deeds:
        one.suggestion.status, one.suggestion.result = one.status, one.result
        one.suggestion.executed_at, one.suggestion.error_message = now, ""
    Suggestion.everything.bulk_update((one.suggestion for one in deeds), CARRIED_OUT)
    keep(one.line for one in deeds)


def failed(execution: SuggestionExecution, suggestion: Suggestion, why: str, *, by: Actor) -> None:
    """It was not done: proven, and said."""
    now = timezone.now()
    moved(
        execution,
        ExecutionState.FAILED,
        error=why or "Unknown.",
        started_at=execution.started_at or now,
        finished_at=now,
    )
    fail(suggestion, why, by=by)


def fail(suggestion: Suggestion, why: str, *, by: Actor) -> None:
    """Keep why the deed was not done; the suggestion can be tried again or rejected."""
    let = by_policy(suggestion)
    open_again(suggestion, status=Status.FAILED, error_message=why or "Unknown.")
    summary = f"{suggestion.get_type_display()} failed: {suggestion.error_message}"
    record(suggestion, "failed", about=about(suggestion), by=by, summary=summary)
    learn(suggestion, f"it failed ({suggestion.error_message})", let=let)
