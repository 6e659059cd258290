"""The place of a suggestion in the queue: urgency × value."""

from decimal import Decimal
from typing import Any

from suggestions.kinds import Kind
from suggestions.models import Suggestion

# A lead of unknown value counts like one of some thousands.
UNKNOWN_VALUE_DIGITS = 4
MAX_VALUE_DIGITS = 9


def queue_priority(kind: type[Kind], payload: Any, suggestion: Suggestion) -> int:
    """Return urgency (1 to 3) × the number of digits of the lead's value."""
    value = suggestion.lead.estimated_value if suggestion.lead is not None else None
    return kind.urgency(payload) * value_digits(value)


def value_digits(value: Decimal | None) -> int:
    """Return the number of digits before the point, at least 1; an unknown value has `UNKNOWN_VALUE_DIGITS`."""
    return UNKNOWN_VALUE_DIGITS if value is None else min(len(str(int(value))), MAX_VALUE_DIGITS)
