"""How a text sounds: positive, neutral, negative or urgent, and which words decide it.

The lexicon and its rules (negation, "very", "but") are VADER's (Hutto and Gilbert, 2014), read sentence by sentence.
Words that a business writes without feeling are taken out of it, and words that mean something in this trade are
added. It reads English only: other languages and very short texts get no sentiment.
"""

import math
import re
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer, SentiText

from crm.text.email_bodies.quotes import own_text
from crm.text.sentences import split_sentences

POSITIVE, NEUTRAL, NEGATIVE, URGENT = "positive", "neutral", "negative", "urgent"
SENTIMENT_THRESHOLD = 0.05
# VADER's own constant, with which a sum of weights becomes a figure between -1 and 1.
ALPHA = 15
MAX_JUDGED_LENGTH, MAX_SENTENCE_LENGTH, MAX_SENTENCES = 2_500, 400, 40
MIN_WORDS, MIN_ENGLISH_SHARE = 3, 0.12
MAX_QUOTED_WORDS = 3

# Words of every letter, and of what an insurer insures: neither shows a feeling.
COURTESY_WORDS = """
    agree agreed agreement agreements alone assurance assure assured authority best care certain certainly chance
    clear clearly commitment confidence credit dear demand demands ease easily easy effective engage engaged
    faithfully fine free freely gain greet greetings help helped helping helps hope hopefully hoping important
    increase increased interest interests join kind kindly like limited low lower lowest matter matters no number
    opportunity party pay please pleased positive profit promote protect protected protection safe save share shared
    shares sharing sincerely support supported supporting supports sure thank trust trusted trusts urgent urgently
    value valued values warm warmest well yes yours
"""
INSURANCE_WORDS = """
    accident accidents benefit benefits bomb broken collision crash critical damage damaged damages dead death debt
    defect destroyed die died dies disability disabled disaster dying emergency exclude excluded exclusion fatal
    fire hazard hazards hospital hurt ill illness injured injuries injury kill liabilities liability loss losses
    lost mortality murder natural negligence poison rescue risk risks secure security severe sick steal stolen storm
    sue sued suffered terror terrorism theft vandalism violent war weapon
"""
# On VADER's scale, from -4 to 4.
TRADE_WEIGHTS = {
    "cancel": -2.0,
    "cancelled": -2.0,
    "canceled": -2.0,
    "cancelling": -2.0,
    "cancellation": -1.6,
    "refund": -1.8,
    "unfortunately": -1.6,
    "overcharged": -2.4,
    "overpriced": -2.2,
    "unacceptable": -2.8,
    "unresponsive": -2.0,
    "complaint": -2.2,
    "late": -1.2,
    "mistake": -1.8,
    "declined": -1.5,
    "expensive": -1.5,
    "pricey": -1.5,
    "cheaper": -1.2,
    "lawyer": -1.4,
    "switching": -1.2,
    "thanks": 1.0,
    "sorry": -0.6,
    "smooth": 1.6,
    "quick": 1.0,
    "helpful": 2.0,
    "recommend": 1.8,
    "proceed": 1.2,
}
# Phrases that weigh only as a whole.
PHRASE_WEIGHTS = {
    "another agency": -2.0,
    "another broker": -2.0,
    "another company": -2.0,
    "another insurer": -2.0,
    "another provider": -2.0,
    "another vendor": -2.0,
    "fed up": -2.4,
    "go ahead": 1.5,
    "let down": -2.0,
    "look elsewhere": -2.0,
    "looking forward": 1.0,
    "looks fine": 1.2,
    "looks good": 1.8,
    "no answer": -1.6,
    "no longer": -1.6,
    "no longer interested": -2.4,
    "no reply": -1.6,
    "no response": -1.6,
    "nobody answered": -2.2,
    "nobody called": -2.2,
    "nobody replied": -2.2,
    "not good enough": -2.4,
    "not interested": -2.4,
    "second time": -1.6,
    "sign up": 1.2,
    "sounds fine": 1.2,
    "sounds good": 1.8,
    "still no": -1.8,
    "still nothing": -1.8,
    "still waiting": -2.0,
    "thank you": 1.3,
    "third time": -2.0,
    "too high": -1.6,
    "too much": -1.6,
    "waste of time": -2.6,
    "went with": -1.4,
}
PHRASE_PATTERN = re.compile(
    rf"\b(?:{'|'.join(sorted(PHRASE_WEIGHTS, key=len, reverse=True))})\b".replace(" ", r"\s+"), re.IGNORECASE
)
# Words that nearly every English text contains, and hardly any text in another language.
ENGLISH_WORDS = """
    about and are because been but can could did does doesn't don't for from get had has have here how i'd i'll i'm
    i've if it's just know let looking many more my need not our out please should some thank thanks that the their
    them then there these they this to us want was we we're were what when where which who why will with would yes
    yet you you're your
"""
COMMON_ENGLISH = frozenset(ENGLISH_WORDS.split())
WORD_PATTERN = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")

URGENT_PHRASE = re.compile(
    r"\b(?:urgent(?:ly)?|a\.?s\.?a\.?p\b\.?|as soon as (?:possible|you can|humanly possible)"
    r"|(?:need|please|must|have to|call|reply|respond|answer|send|fix|help)\b(?:(?!notify|delete)[^.!?\n]){0,60}"
    r"\b(?:immediately|right away|straight away|at once)"
    r"|immediate (?:attention|action|response|reply|help)|without (?:further )?delay|(?:is|it's) an emergency"
    r"|time[- ](?:critical|sensitive)|running out of time"
    r"|(?:need|needs|needed|have|must|send|get|reply|answer|call|due|decide|sign|closes?|expires?)\b[^.!?\n]{0,60}"
    r"\b(?:by|before|until|end of) (?:today|tonight|tomorrow|noon|close of business|cob|eod|the end of (?:the )?day"
    r"|end of (?:the )?day)"
    r"|deadline is (?:today|tomorrow)|expires (?:today|tonight|tomorrow))(?!\w)",
    re.IGNORECASE,
)
# A writer who takes their time, or promises to be quick, is not in a hurry.
NOT_URGENT_CONTEXT = re.compile(
    r"\b(?:not|isn['’]t|nothing|no|never|n['’]t|hardly|less|non)\b[^.!?\n]{0,20}$"
    r"|\b(?:i|we|they|he|she)(?:['’]ll| will| shall| am| are| can| would)\b[^.!?\n]{0,60}$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class SentimentResult:
    """How a text sounds; `reason` completes a sentence such as "It says “urgent”"."""

    sentiment: str
    reason: str


class Lexicon(SentimentIntensityAnalyzer):
    """VADER with the words of the trade; it returns the weight of each word."""

    def __init__(self) -> None:
        super().__init__()
        for word in (*COURTESY_WORDS.split(), *INSURANCE_WORDS.split()):
            self.lexicon.pop(word, None)
        self.lexicon.update(TRADE_WEIGHTS)
        self.lexicon.update({phrase_key(phrase): weight for phrase, weight in PHRASE_WEIGHTS.items()})

    def score_valence(self, sentiments: list[float], text: str) -> list[tuple[str, float]]:
        """Return every word of `text` with its weight, in place of the sums."""
        return list(zip(SentiText(text).words_and_emoticons, sentiments, strict=False))


@cache
def get_lexicon() -> Lexicon:
    return Lexicon()


def detect_sentiment(text: str) -> SentimentResult | None:
    """Return how the body `text` of an email sounds; None where it is too short or not English.

    Only the first 2,500 characters count, without quotes and signature.
    """
    written = own_text(text)[:MAX_JUDGED_LENGTH].replace("’", "'")
    if not is_english(written):
        return None
    urgent_words = find_urgency(written)
    if urgent_words:
        return SentimentResult(URGENT, f"says “{urgent_words}”")
    sentences = weigh_sentences(written)
    compound = sum(map(normalize_score, sentences)) / max(len(sentences), 1)
    if compound >= SENTIMENT_THRESHOLD:
        return SentimentResult(POSITIVE, explain_sentiment(sentences, 1))
    if compound <= -SENTIMENT_THRESHOLD:
        return SentimentResult(NEGATIVE, explain_sentiment(sentences, -1))
    return SentimentResult(
        NEUTRAL, "positive and negative words cancel out" if any(sentences) else "no positive or negative words"
    )


def normalize_score(sentence: list[tuple[str, float]]) -> float:
    """Return the weights of a sentence as one figure between -1 and 1."""
    total = sum(weight for _, weight in sentence)
    return total / math.sqrt(total * total + ALPHA)


def is_english(text: str) -> bool:
    """Return whether enough words of `text` are English ones; never for fewer than three words."""
    words = [word.lower() for word in WORD_PATTERN.findall(text)]
    if len(words) < MIN_WORDS:
        return False
    known = sum(word in COMMON_ENGLISH for word in words)
    return known / len(words) >= MIN_ENGLISH_SHARE


def find_urgency(text: str) -> str:
    """Return the words of `text` that ask for haste; empty where none do."""
    for match in URGENT_PHRASE.finditer(text):
        if not NOT_URGENT_CONTEXT.search(text[max(0, match.start() - 80) : match.start()]):
            return " ".join(match[0].split())
    return ""


def weigh_sentences(text: str) -> list[list[tuple[str, float]]]:
    """Return for each sentence of `text` the words that carry a weight, with their weight in that sentence."""
    marked = PHRASE_PATTERN.sub(lambda match: phrase_key(match[0]), text)
    found = []
    for sentence in split_sentences(marked, most=MAX_SENTENCES, length=MAX_SENTENCE_LENGTH):
        words = get_lexicon().polarity_scores(sentence)
        if words:
            found.append(
                [(quote_with_negation(before, *one), one[1]) for before, one in with_previous_word(words) if one[1]]
            )
    return found


def with_previous_word(words: list[tuple[str, float]]) -> list[tuple[str, tuple[str, float]]]:
    """Return each of `words` with the word before it."""
    return [(before[0], one) for before, one in pairwise([("", 0.0), *words])]


def quote_with_negation(before: str, word: str, weight: float) -> str:
    """Return `word` for a quote, together with a "not" before it that reverses its weight."""
    is_inverted = weight * get_lexicon().lexicon.get(word.lower(), weight) < 0
    negation = before if is_inverted and before.lower() not in get_lexicon().lexicon else ""
    return f"{negation} {word}".strip().replace("_", " ")


def phrase_key(phrase: str) -> str:
    """Return the key of a phrase in the lexicon."""
    return "_".join(phrase.lower().split())


def explain_sentiment(sentences: list[list[tuple[str, float]]], sign: int) -> str:
    """Return the words with the most weight towards `sign`, quoted."""
    matching = sorted(
        (one for sentence in sentences for one in sentence if one[1] * sign > 0), key=lambda one: -abs(one[1])
    )
    words = list(dict.fromkeys(word.lower() for word, _ in matching))[:MAX_QUOTED_WORDS]
    return f"says {', '.join(f'“{word[:40]}”' for word in words)}"
