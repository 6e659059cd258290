"""Time between an approval and its execution, in which the world may change."""

from crm.records.activity import SYSTEM_ACTOR
from suggestions.autonomy.kill_switch import pause_execution, resume_execution
from suggestions.models import Suggestion, SuggestionExecution
from suggestions.transitions import approve, run_execution


def approve_while_paused(suggestion: Suggestion, by) -> SuggestionExecution:
    """The order to carry out `suggestion`, approved while everything was stopped."""
    pause_execution(by=SYSTEM_ACTOR)
    approve(suggestion, by=by)
    execution = suggestion.executions.get()
    assert execution.state == "QUEUED"
    return execution


def resume_and_run(suggestion: Suggestion, execution: SuggestionExecution) -> SuggestionExecution:
    """`execution` once what was stopped goes on, and `suggestion` as it then stands."""
    resume_execution(by=SYSTEM_ACTOR)
    run_execution(execution.pk)
    execution.refresh_from_db()
    suggestion.refresh_from_db()
    return execution
