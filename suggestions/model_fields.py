"""What of a suggestion a model may better, and with what it is told to do so. Everything else comes from the rules."""

from typing import Any

from suggestions.models import Suggestion, SuggestionType

# The field that holds the words, for each type that the rules write words for.
PROSE_FIELDS = {
    SuggestionType.REPLY: "body",
    SuggestionType.FOLLOW_UP: "message",
    SuggestionType.SCHEDULE_CALL: "message",
    SuggestionType.SEND_PROPOSAL: "body",
}
# Of a new lead, what is read in the conversation; the address never is.
EXTRACTED_LEAD_FIELDS = ("contactName", "companyName", "contactPhone", "insuranceType", "notes")
MODEL_WRITTEN_FIELDS = {
    **{type: (field,) for type, field in PROSE_FIELDS.items()},
    SuggestionType.CREATE_LEAD: EXTRACTED_LEAD_FIELDS,
}


def content_without_prose(suggestion: Suggestion) -> dict[str, Any]:
    """The content of `suggestion` without what a model may have bettered."""
    model_fields = MODEL_WRITTEN_FIELDS.get(suggestion.type, ())
    return {name: value for name, value in suggestion.suggested_content.items() if name not in model_fields}
