"""The outcome of an execution, written on the execution, on the suggestion and on the timeline."""

from dataclasses import dataclass
from typing import Any

from django.db.models import DateTimeField, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from crm.models import ActivityLog, NotificationKind
from crm.records.activity import SYSTEM_ACTOR, Actor, build_entry, record, save_entries
from crm.records.notifications.notify import notify
from crm.runtime.lazy_module import LazyObject
from suggestions.autonomy.rules import is_auto_approved
from suggestions.autonomy.transitions import adjust_autonomy
from suggestions.choices import LabelCache
from suggestions.models import ExecutionState, Suggestion, SuggestionExecution, SuggestionStatus
from suggestions.transitions.state import Decision, approved_status, is_approved, reopen_suggestion, timeline_owner

# The columns of a suggestion that an execution writes.
EXECUTED_FIELDS = ("status", "executed_at", "result", "error_message")
# A proposal can be executed at once, so this stands above this module.
propose_follow_ons = LazyObject("suggestions.transitions.follow_on.propose_follow_ons")


@dataclass(frozen=True)
class Completion:
    """An execution that is done and not recorded yet: its result, and its line on the timeline."""

    decision: Decision
    status: str
    result: dict[str, Any]
    log_entry: ActivityLog


def set_state(execution: SuggestionExecution, state: str, **changes: Any) -> None:
    """Set the state of `execution`, which the caller has locked."""
    changes["state"] = state
    SuggestionExecution.objects.filter(pk=execution.pk).update(**changes)
    for name, value in changes.items():
        setattr(execution, name, value)


def mark_succeeded(decision: Decision, result: dict[str, Any]) -> None:
    """Record that the execution is done, with its `result`."""
    decision = decision.with_payload(decision.parse_approved())
    save_completions([prepare_completion(decision, result, labels=LabelCache())])


def prepare_completion(decision: Decision, result: dict[str, Any], *, labels: LabelCache) -> Completion:
    """Return what is to be recorded for `result`, after proposing what follows from it."""
    result = propose_follow_ons(decision, result)
    suggestion, execution = decision.suggestion, decision.execution
    # An unconfirmed delivery that turns out well was recorded as failed before.
    status = suggestion.status if is_approved(suggestion) else approved_status(suggestion, suggestion.approved_content)
    verb = "approved" if status == SuggestionStatus.APPROVED else "approved with changes"
    sentence = decision.kind.sentence_for_log(decision.payload, suggestion, labels)
    summary = f"{verb.capitalize()}{' automatically' if execution.by_policy else ''}: {sentence}"
    entry = build_entry(suggestion, verb, timeline_owner=timeline_owner(suggestion), by=decision.actor, summary=summary)
    return Completion(decision, status, result, entry)


def save_completions(completions: list[Completion]) -> None:
    """Save all `completions` at once: on the executions, on the suggestions and on the timelines."""
    now = timezone.now()
    executions = SuggestionExecution.objects.filter(pk__in=[one.decision.execution.pk for one in completions])
    began = Coalesce("started_at", Value(now, DateTimeField()))
    executions.update(state=ExecutionState.SUCCEEDED, started_at=began, finished_at=now, error="")
    for one in completions:
        suggestion = one.decision.suggestion
        suggestion.status, suggestion.result = one.status, one.result
        suggestion.executed_at, suggestion.error_message = now, ""
    Suggestion.everything.bulk_update((one.decision.suggestion for one in completions), EXECUTED_FIELDS)
    save_entries(one.log_entry for one in completions)


def mark_failed(decision: Decision, reason: str) -> None:
    """Record that the execution failed because of `reason`: nothing happened."""
    now, execution = timezone.now(), decision.execution
    started_at = execution.started_at or now
    set_state(execution, ExecutionState.FAILED, error=reason or "Unknown.", started_at=started_at, finished_at=now)
    mark_suggestion_failed(decision.suggestion, reason, by=decision.actor)


def mark_unconfirmed(decision: Decision, reason: str) -> None:
    """Record that it is not known whether the execution happened, because of `reason`; a person settles it."""
    set_state(decision.execution, ExecutionState.UNKNOWN, error=reason, finished_at=timezone.now())
    mark_suggestion_failed(decision.suggestion, reason, by=decision.actor)


def mark_suggestion_failed(suggestion: Suggestion, reason: str, *, by: Actor) -> None:
    """Record the `reason` of a failure on `suggestion`, which can be tried again or rejected, and tell the approver.

    What the program approved by itself is told to the owner.
    """
    was_auto_approved = is_auto_approved(suggestion)
    reopen_suggestion(suggestion, status=SuggestionStatus.FAILED, error_message=reason or "Unknown.")
    summary = f"{suggestion.get_type_display()} failed: {suggestion.error_message}"
    record(suggestion, "failed", timeline_owner=timeline_owner(suggestion), by=by, summary=summary)
    notify(NotificationKind.FAILED, suggestion, [suggestion.reviewed_by or suggestion.owner], by=SYSTEM_ACTOR)
    adjust_autonomy(suggestion, f"it failed ({suggestion.error_message})", was_auto_approved=was_auto_approved)
