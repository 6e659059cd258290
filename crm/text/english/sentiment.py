"""How what somebody wrote sounds: positive, neutral, negative or urgent, and because of which words. Pure: no database.

The lexicon and its rules (negation, "very", "but") are VADER's (Hutto and Gilbert, 2014), read sentence by sentence.
Words that a business writes without any feeling are taken out of it, and those that its trade means something by
are put in. It knows English alone: of another language, and of too few words, nothing is said.
"""

import math
import re
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer, SentiText

from crm.text.quotes import own_words

POSITIVE, NEUTRAL, NEGATIVE, URGENT = "positive", "neutral", "negative", "urgent"
THRESHOLD = 0.05
# VADER's own constant, with which a sum of weights becomes a figure between -1 and 1.
ALPHA = 15
LONGEST, LONGEST_SENTENCE, MOST_SENTENCES = 2_500, 400, 40
FEWEST_WORDS, SHARE_OF_ENGLISH = 3, 0.12
MOST_TOLD = 3

# What is said in every letter, and what an insurer insures: neither tells how anybody feels.
COURTESY = """
    agree agreed agreement agreements alone assurance assure assured authority best care certain certainly chance
    clear clearly commitment confidence credit dear demand demands ease easily easy effective engage engaged
    faithfully fine free freely gain greet greetings help helped helping helps hope hopefully hoping important
    increase increased interest interests join kind kindly like limited low lower lowest matter matters no number
    opportunity party pay please pleased positive profit promote protect protected protection safe save share shared
    shares sharing sincerely support supported supporting supports sure thank trust trusted trusts urgent urgently
    value valued values warm warmest well yes yours
"""
INSURED = """
    accident accidents benefit benefits bomb broken collision crash critical damage damaged damages dead death debt
    defect destroyed die died dies disability disabled disaster dying emergency exclude excluded exclusion fatal
    fire hazard hazards hospital hurt ill illness injured injuries injury kill liabilities liability loss losses
    lost mortality murder natural negligence poison rescue risk risks secure security severe sick steal stolen storm
    sue sued suffered terror terrorism theft vandalism violent war weapon
"""
# On VADER's scale, from -4 to 4.
TRADE = {
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
# What weighs only as a whole.
PHRASES = {
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
PHRASE = re.compile(rf"\b(?:{'|'.join(sorted(PHRASES, key=len, reverse=True))})\b".replace(" ", r"\s+"), re.IGNORECASE)
# Words that hardly any text in English does without, and that hardly any other language has.
ENGLISH_WORDS = """
    about and are because been but can could did does doesn't don't for from get had has have here how i'd i'll i'm
    i've if it's just know let looking many more my need not our out please should some thank thanks that the their
    them then there these they this to us want was we we're were what when where which who why will with would yes
    yet you you're your
"""
ENGLISH = frozenset(ENGLISH_WORDS.split())
WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
# Up to a full stop or a blank line: a line alone is where the mail program broke it.
SENTENCE = re.compile(r"(?:[^.!?\n]|\.(?=\w)|\n(?!\s*\n))+[.!?]*")

URGENT = re.compile(
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
# Who takes their time, and who promises to be quick, is in no hurry.
UNHURRIED = re.compile(
    r"\b(?:not|isn['’]t|nothing|no|never|n['’]t|hardly|less|non)\b[^.!?\n]{0,20}$"
    r"|\b(?:i|we|they|he|she)(?:['’]ll| will| shall| am| are| can| would)\b[^.!?\n]{0,60}$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Judgement:
    """How a text sounds, and why, as the rest of a sentence about it."""

    sentiment: str
    reason: str


class Lexicon(SentimentIntensityAnalyzer):
    """VADER with the words of the trade, and with the weight of each word told."""

    def __init__(self) -> None:
        super().__init__()
        for word in (*COURTESY.split(), *INSURED.split()):
            self.lexicon.pop(word, None)
        self.lexicon.update(TRADE)
        self.lexicon.update({as_one_word(phrase): weight for phrase, weight in PHRASES.items()})

    def score_valence(self, sentiments: list[float], text: str) -> list[tuple[str, float]]:
        """Every word of `text` with its weight, in place of the sums."""
        return list(zip(SentiText(text).words_and_emoticons, sentiments, strict=False))


@cache
def lexicon() -> Lexicon:
    return Lexicon()


def judge(text: str) -> Judgement | None:
    """How the body `text` of a mail sounds in what was written for it; None where that cannot be told.

    Only the first 2,500 characters count, and neither quotes nor the signature.
    """
    said = own_words(text)[:LONGEST].replace("’", "'")
    if not is_english(said):
        return None
    hurry = hurried(said)
    if hurry:
        return Judgement(URGENT, f"says “{hurry}”")
    sentences = weighed(said)
    compound = sum(map(normalised, sentences)) / max(len(sentences), 1)
    if compound >= THRESHOLD:
        return Judgement(POSITIVE, telling(sentences, 1))
    if compound <= -THRESHOLD:
        return Judgement(NEGATIVE, telling(sentences, -1))
    return Judgement(NEUTRAL, "its words balance out" if any(sentences) else "no word weighs either way")


def normalised(sentence: list[tuple[str, float]]) -> float:
    """The weights of a sentence as a figure between -1 and 1."""
    total = sum(weight for _, weight in sentence)
    return total / math.sqrt(total * total + ALPHA)


def is_english(text: str) -> bool:
    """Whether enough of the words of `text` are such as only English has; of very few words nobody can tell."""
    words = [word.lower() for word in WORD.findall(text)]
    if len(words) < FEWEST_WORDS:
        return False
    known = sum(word in ENGLISH for word in words)
    return known / len(words) >= SHARE_OF_ENGLISH


def hurried(text: str) -> str:
    """The words of `text` that ask for haste; empty where none do."""
    for match in URGENT.finditer(text):
        if not UNHURRIED.search(text[max(0, match.start() - 80) : match.start()]):
            return " ".join(match[0].split())
    return ""


def weighed(text: str) -> list[list[tuple[str, float]]]:
    """For each sentence of `text` the words that weigh anything, with their weight as they are used there."""
    marked = PHRASE.sub(lambda match: as_one_word(match[0]), text)
    found = []
    for sentence in SENTENCE.findall(marked)[:MOST_SENTENCES]:
        words = lexicon().polarity_scores(sentence[:LONGEST_SENTENCE].strip())
        if words:
            found.append([(negated(before, *one), one[1]) for before, one in told(words) if one[1]])
    return found


def told(words: list[tuple[str, float]]) -> list[tuple[str, tuple[str, float]]]:
    """Each of `words` with the word before it."""
    return [(before[0], one) for before, one in pairwise([("", 0.0), *words])]


def negated(before: str, word: str, weight: float) -> str:
    """`word` as it is quoted: with the "not" before it that turns its weight around."""
    turned = weight * lexicon().lexicon.get(word.lower(), weight) < 0
    negation = before if turned and before.lower() not in lexicon().lexicon else ""
    return f"{negation} {word}".strip().replace("_", " ")


def as_one_word(phrase: str) -> str:
    """How the lexicon knows a phrase."""
    return "_".join(phrase.lower().split())


def telling(sentences: list[list[tuple[str, float]]], sign: int) -> str:
    """The words that weigh the most towards `sign`, quoted."""
    towards = sorted((one for said in sentences for one in said if one[1] * sign > 0), key=lambda one: -abs(one[1]))
    words = list(dict.fromkeys(word.lower() for word, _ in towards))[:MOST_TOLD]
    return f"says {', '.join(f'“{word[:40]}”' for word in words)}"
