"""What came of a deed, written down: on the execution, on the suggestion and on the timeline."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import DateTimeField, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from crm.models import ActivityLog
from crm.records.activity import Actor, build_entry, record, save_entries
from suggestions.autonomy.rules import is_auto_approved
from suggestions.autonomy.transitions import adjust_autonomy
from suggestions.choices import LabelCache
from suggestions.models import APPROVED_STATUSES, ExecutionState, Suggestion, SuggestionExecution
from suggestions.models import SuggestionStatus as Status
from suggestions.transitions.state import get_kind, reopen_suggestion, timeline_owner, was_modified

# What is written on a suggestion once it is carried out.
EXECUTED_FIELDS = ("status", "executed_at", "result", "error_message")
# What is called once a deed is done, with the payload, the suggestion and the result; returns the result completed.
# `following` is: it proposes, which may order a deed in its turn and so stands above this module.
OutcomeHook = Callable[[Any, Suggestion, dict[str, Any]], dict[str, Any]]
OUTCOME_HOOKS: list[OutcomeHook] = []


def register_outcome_hook(call: OutcomeHook) -> OutcomeHook:
    """Have `call` called in the transaction that writes down that a deed is done."""
    OUTCOME_HOOKS.append(call)
    return call


@dataclass(frozen=True)
class Completion:
    """A deed that was done, yet to be written down: what came of it, and its line on the timeline."""

    execution: SuggestionExecution
    suggestion: Suggestion
    status: str
    result: dict[str, Any]
    log_entry: ActivityLog


def set_state(execution: SuggestionExecution, state: str, **changes: Any) -> None:
    """Set the state of `execution`, which the caller holds."""
    changes["state"] = state
    SuggestionExecution.objects.filter(pk=execution.pk).update(**changes)
    for name, value in changes.items():
        setattr(execution, name, value)


def mark_succeeded(
    execution: SuggestionExecution, suggestion: Suggestion, result: dict[str, Any], *, by: Actor
) -> None:
    """It is done: on the execution, on the suggestion and on the timeline."""
    payload = get_kind(suggestion).parse_content(suggestion.approved_content)
    save_completions([prepare_completion(execution, suggestion, payload, result, by=by, labels=LabelCache())])


def prepare_completion(
    execution: SuggestionExecution,
    suggestion: Suggestion,
    payload: Any,
    result: dict[str, Any],
    *,
    by: Actor,
    labels: LabelCache,
) -> Completion:
    """What is to be written down now that `result` came of it, with what it leads to proposed."""
    for call in OUTCOME_HOOKS:
        result = call(payload, suggestion, result)
    status = suggestion.status
    if status not in APPROVED_STATUSES:  # it had been taken for failed
        status = Status.MODIFIED if was_modified(suggestion, suggestion.approved_content) else Status.APPROVED
    verb = "approved" if status == Status.APPROVED else "approved with changes"
    sentence = get_kind(suggestion).sentence(payload, suggestion, labels)
    summary = f"{verb.capitalize()}{' by policy' if execution.by_policy else ''}: {sentence}"
    entry = build_entry(suggestion, verb, timeline_owner=timeline_owner(suggestion), by=by, summary=summary)
    return Completion(execution, suggestion, status, result, entry)


def save_completions(completions: list[Completion]) -> None:
    """Keep what was done, all of it at once: on the executions, on the suggestions and on the timelines."""
    now = timezone.now()
    executions = SuggestionExecution.objects.filter(pk__in=[one.execution.pk for one in completions])
    began = Coalesce("started_at", Value(now, DateTimeField()))
    executions.update(state=ExecutionState.SUCCEEDED, started_at=began, finished_at=now, error="")
    for one in completions:
        one.suggestion.status, one.suggestion.result = one.status, one.result
        one.suggestion.executed_at, one.suggestion.error_message = now, ""
    Suggestion.everything.bulk_update((one.suggestion for one in completions), EXECUTED_FIELDS)
    save_entries(one.log_entry for one in completions)


def mark_failed(execution: SuggestionExecution, suggestion: Suggestion, why: str, *, by: Actor) -> None:
    """It was not done: proven, and said."""
    now = timezone.now()
    set_state(
        execution,
        ExecutionState.FAILED,
        error=why or "Unknown.",
        started_at=execution.started_at or now,
        finished_at=now,
    )
    mark_suggestion_failed(suggestion, why, by=by)


def mark_suggestion_failed(suggestion: Suggestion, why: str, *, by: Actor) -> None:
    """Keep why the deed was not done; the suggestion can be tried again or rejected."""
    was_auto_approved = is_auto_approved(suggestion)
    reopen_suggestion(suggestion, status=Status.FAILED, error_message=why or "Unknown.")
    summary = f"{suggestion.get_type_display()} failed: {suggestion.error_message}"
    record(suggestion, "failed", timeline_owner=timeline_owner(suggestion), by=by, summary=summary)
    adjust_autonomy(suggestion, f"it failed ({suggestion.error_message})", was_auto_approved=was_auto_approved)
