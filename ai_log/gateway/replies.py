"""What comes of asking a provider: a reply, or why there is none."""

from dataclasses import dataclass
from decimal import Decimal

from django.conf import settings

from ai_log.gateway.prompts import storable_text

# The longest answer that is asked for.
MAX_ANSWER_TOKENS = 2_000


class ProviderError(Exception):
    """No answer came; `str(error)` says why, `kind` in a word."""

    def __init__(self, sentence: str, kind: str) -> None:
        super().__init__(sentence)
        self.kind = kind


@dataclass(frozen=True)
class Reply:
    """What came back; `finish_reason` is "stop" where the answer is whole. Tokens and dollars are None where unknown."""

    text: str
    refusal: str
    model: str
    id: str
    finish_reason: str
    tokens_in: int | None
    tokens_out: int | None
    cost_usd: Decimal | None


def redact_key(text: str) -> str:
    """`text` as it can be kept, without our key, should anybody have repeated it."""
    clean = storable_text(text)
    return clean.replace(settings.AI_KEY, "[key]") if settings.AI_KEY else clean
