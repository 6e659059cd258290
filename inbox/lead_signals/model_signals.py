"""The question to a model about a lead's messages, and which of its answers count. Pure: no database.

A model may find what the rules of `crm.text.english.signals` miss, in other languages too. It can neither weigh nor
remove anything: a signal counts if its type is known and the message contains its quote word for word.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from pydantic import BaseModel

from ai_log.gateway.prompts import Prompt
from crm.text.email_bodies.quotes import own_text
from crm.text.english.signals import MAX_AMOUNT, MAX_ANALYZED_LENGTH, DetectedSignal, shorten_quote
from crm.text.numbers import parse_number

MAX_SIGNALS = 60
# A model that finds more than this in one message finds everything in everything.
MAX_SIGNALS_PER_MESSAGE = 4
MIN_QUOTE_LENGTH = 8
AMOUNT_PATTERN = re.compile(
    r"(?<![\w.,])(\d{1,3}(?:[,' ]\d{3})+|\d{1,9})(?:\.(\d{1,2}))?\s?(k|thousand|m|million)?(?![\w%]|[.,]\d)",
    re.IGNORECASE,
)
# The types that text can show, and their meaning: only these are asked for. Opened, bounced or answered quickly follow
# from events, not from text.
SIGNAL_MEANINGS = {
    "budget_mentioned": "says how much they want to pay, or can; its value is that amount, as a number",
    "decision_maker": "the writer decides or signs, or owns the business",
    "clear_requirements": "tells several facts that a quote needs: what is to be insured, how many, from when",
    "urgency_detected": "needs it soon, by a day that is near",
    "follow_up_requested": "asks to be called or written to",
    "meeting_scheduled": "agrees to a meeting or a call at a time",
    "referral": "was sent by somebody who knows us",
    "competitor_mentioned": "has, or is asking for, an offer of another agency or insurer",
    "price_sensitive": "finds it too expensive, or asks for less",
    "just_exploring": "is only looking, in no hurry, or does not want to change",
}
VALUED_SIGNAL = "budget_mentioned"
SIGNALS_SYSTEM_PROMPT = (
    "You read what a prospect of an insurance agency has written and say which of the signals asked for it shows. "
    'Answer with JSON: {"signals": [{"message": 1, "type": "…", "quote": "…", "value": null}]}. The quote is copied '
    "from that message letter by letter, one sentence or a part of it. Leave out what the words do not plainly show; "
    "an empty list is a good answer."
)


class ModelSignal(BaseModel):
    """One signal that a model claims to have found."""

    message: int
    type: str
    quote: str
    value: float | None = None


class SignalsAnswer(BaseModel):
    """The answer."""

    signals: list[ModelSignal]

    @property
    def log_summary(self) -> str:
        shown_types = sorted({one.type.replace("_", " ") for one in self.signals if one.type in SIGNAL_MEANINGS})
        return f"Shows: {', '.join(shown_types)}" if shown_types else "Shows nothing"


def text_for_model(body: str) -> str:
    """Return the part of `body` that a model is shown: the new text, without quotes and signature."""
    return own_text(body)[:MAX_ANALYZED_LENGTH].strip()


def build_signals_prompt(texts: Sequence[str], types: Mapping[str, str]) -> Prompt:
    """Build the question which of `types` (with their meanings) the messages `texts` show; they are numbered from 1."""
    meanings = "\n".join(f"- {name}: {meaning}" for name, meaning in types.items())
    prompt = Prompt().add_trusted(f"The signals:\n{meanings}").add_trusted("The messages, the oldest first:")
    for number, text in enumerate(texts, start=1):
        prompt.add_untrusted(text, what=f"message {number}")
    return prompt


def accept_signals(
    found: Sequence[ModelSignal], texts: Sequence[str], types: Mapping[str, str]
) -> list[list[DetectedSignal]]:
    """Return the valid signals of `found` for each of `texts`, each type once per text; drop the others."""
    accepted_signals: list[dict[str, DetectedSignal]] = [{} for _ in texts]
    for index, signal in valid_signals(found[:MAX_SIGNALS], [flatten_text(text) for text in texts], types):
        if len(accepted_signals[index]) < MAX_SIGNALS_PER_MESSAGE:
            accepted_signals[index].setdefault(signal.type, signal)
    return [list(one.values()) for one in accepted_signals]


def valid_signals(
    found: Sequence[ModelSignal], texts: Sequence[str], types: Mapping[str, str]
) -> Iterator[tuple[int, DetectedSignal]]:
    for one in found:
        quote = flatten_text(one.quote).strip('"“” ')
        if one.type not in types or not 1 <= one.message <= len(texts):
            continue
        if len(quote) < MIN_QUOTE_LENGTH or quote not in texts[one.message - 1]:
            continue
        if one.type != VALUED_SIGNAL:
            yield one.message - 1, DetectedSignal(one.type, shorten_quote(quote))
        elif one.value in parse_amounts(quote):
            yield one.message - 1, DetectedSignal(one.type, shorten_quote(quote), one.value)


def flatten_text(text: str) -> str:
    """Return `text` on one line, with one kind of apostrophe."""
    return " ".join(text.replace("’", "'").split())


def parse_amounts(quote: str) -> set[float]:
    """Return every amount in `quote` as a number; "2,400" and "2.4k" are the same."""
    found = set()
    for whole, part, times in AMOUNT_PATTERN.findall(quote[: 2 * MAX_ANALYZED_LENGTH]):
        number = parse_number(f"{whole}.{part}" if part else whole, times)
        if number is not None and 0 < number <= MAX_AMOUNT:
            found.add(float(number))
    return found
