"""The outcome of a request to the provider: a reply or an error."""

from dataclasses import dataclass
from decimal import Decimal

from django.conf import settings

from crm.text.cleaning import storable_text

# The maximum length of an answer that is requested.
MAX_ANSWER_TOKENS = 2_000


class ProviderError(Exception):
    """There was no valid response; `kind` is a short code for the reason."""

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True)
class Reply:
    """A response. `finish_reason` is "stop" if the answer is complete; unknown tokens and costs are None."""

    text: str
    refusal: str
    model: str
    id: str
    finish_reason: str
    tokens_in: int | None
    tokens_out: int | None
    cost_usd: Decimal | None


def redact_key(text: str) -> str:
    """Return `text` in storable form, with our API key removed in case the provider repeated it."""
    clean = storable_text(text)
    return clean.replace(settings.AI_KEY, "[key]") if settings.AI_KEY else clean
