"""Time between an approval and its execution, in which the world may change."""

from crm.records.activity import SYSTEM
from suggestions.autonomy.kill_switch import pause, resume
from suggestions.models import Suggestion, SuggestionExecution
from suggestions.transitions import approve, carry_out


def approved_and_held(suggestion: Suggestion, by) -> SuggestionExecution:
    """The order to carry out `suggestion`, approved while everything was stopped."""
    pause(by=SYSTEM)
    approve(suggestion, by=by)
    execution = suggestion.executions.get()
    assert execution.state == "QUEUED"
    return execution


def carried_out(suggestion: Suggestion, execution: SuggestionExecution) -> SuggestionExecution:
    """`execution` once what was stopped goes on, and `suggestion` as it then stands."""
    resume(by=SYSTEM)
    carry_out(execution.pk)
    execution.refresh_from_db()
    suggestion.refresh_from_db()
    return execution
