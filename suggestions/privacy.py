"""What suggestions say about people: those about their records, conversations and tickets, by foreign keys."""

from collections.abc import Iterable

from crm.records.privacy.erasure_rules import OBSTACLES
from crm.records.privacy.footprint import Footprint
from crm.records.privacy.tables import SECRET_COLUMNS, UNFOLLOWED_KEYS, WITHOUT_PERSONS
from suggestions.models import SuggestionExecution
from suggestions.models.execution import IN_PROGRESS_STATES


def register_tables() -> None:
    """Register the tables; called once at start."""
    WITHOUT_PERSONS.update(
        {
            "suggestions.autonomysetting": "Settings of staff.",
            "suggestions.executionpause": "Switches of staff.",
        }
    )
    OBSTACLES.append(executions_in_progress)
    # What replaced a suggestion may be about another person.
    UNFOLLOWED_KEYS.add("suggestions.suggestion.superseded_by")
    SECRET_COLUMNS.add("suggestions.suggestionexecution.idempotency_key")


def executions_in_progress(footprint: Footprint) -> Iterable[str]:
    """Yield a sentence if an approved suggestion is being carried out."""
    running = SuggestionExecution.objects.filter(
        pk__in=footprint.get(SuggestionExecution, ()), state__in=IN_PROGRESS_STATES
    )
    if running.exists():
        yield "An approved suggestion about this person is being executed. Undo it, or wait until it is done."
