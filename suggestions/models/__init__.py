"""Suggestions, their executions, and how far agents may go by themselves."""

from suggestions.models.autonomy import AutonomySetting
from suggestions.models.execution import LIVE_STATES, ExecutionPause, ExecutionState, SuggestionExecution
from suggestions.models.suggestion import (
    APPROVED_STATUSES,
    DECIDABLE_STATUSES,
    OPEN_STATUSES,
    SUGGESTION_TRANSITIONS,
    UNDECIDED_STATUSES,
    RejectCode,
    Suggestion,
    SuggestionQuerySet,
    SuggestionStatus,
)
from suggestions.models.types import LEVELS_ASCENDING, Level, SuggestionType

__all__ = [
    "APPROVED_STATUSES",
    "DECIDABLE_STATUSES",
    "LEVELS_ASCENDING",
    "LIVE_STATES",
    "OPEN_STATUSES",
    "SUGGESTION_TRANSITIONS",
    "UNDECIDED_STATUSES",
    "AutonomySetting",
    "ExecutionPause",
    "ExecutionState",
    "Level",
    "RejectCode",
    "Suggestion",
    "SuggestionExecution",
    "SuggestionQuerySet",
    "SuggestionStatus",
    "SuggestionType",
]
