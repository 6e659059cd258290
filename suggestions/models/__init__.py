"""What is proposed, decided and carried out, and the words it is written with."""

from suggestions.models.autonomy import AutonomySetting
from suggestions.models.execution import LIVE_STATES, ExecutionPause, ExecutionState, SuggestionExecution
from suggestions.models.suggestion import (
    GO_AHEAD,
    REVIEWABLE,
    TRANSITIONS,
    RejectCode,
    Suggestion,
    SuggestionQuerySet,
    SuggestionStatus,
)
from suggestions.models.types import LADDER, Level, SuggestionType

__all__ = [
    "GO_AHEAD",
    "LADDER",
    "LIVE_STATES",
    "REVIEWABLE",
    "TRANSITIONS",
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
