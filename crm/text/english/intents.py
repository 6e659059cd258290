"""Decisions and wishes in the words of a lead: that they accept, that they decline and why, when they want a call.

Only what was written for the email itself is read. The rules read English, and find nothing in a sentence that asks,
doubts or sets a condition.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from functools import lru_cache

from crm.text.email_bodies.quotes import own_text
from crm.text.english.rules import text_rule
from crm.text.english.sentiment import is_english
from crm.text.english.signals import MAX_ANALYZED_LENGTH, MAX_SENTENCES, shorten_quote, signal_sentences
from crm.text.sentences import split_sentences

ACCEPTED, DECLINED = "accepted", "declined"
SUBJECT_PATTERN = r"(?:i|we)(?:'d| would| will|'ll| am|'m| are|'re| have|'ve)?"
# A sentence with one of these decides nothing.
UNDECIDED_PATTERN = re.compile(
    r"\?|\b(?:if|unless|until|before (?:i|we)|once|maybe|perhaps|might|would need|not sure|think(?:ing)? about|depends"
    r"|consider\w*|almost|when (?:i|we))\b",
    re.IGNORECASE,
)
NEGATION_PATTERN = re.compile(
    r"\b(?:not|never|no|cannot|can't|won't|don't|didn't|isn't|aren't|haven't)\b", re.IGNORECASE
)


@dataclass(frozen=True)
class StatedDecision:
    """The lead accepts, or declines for `reason` (a loss reason); `quote` says so."""

    outcome: str
    quote: str
    reason: str = ""


# The rules that know a reason come before the plain no.
DECLINE_RULES = (
    text_rule(
        rf"\b{SUBJECT_PATTERN} (?:\w+ )?(?:chosen|choose|picked|signed(?: up)?|gone|going|went|decided to go|bought"
        r"|switched) (?:with |for |to |from )?"
        r"(?:another|a different|somebody else|someone else|the other|a competitor|elsewhere)",
        example="We have decided to go with another agency.",
        counterexample="We are leaving another agency.",
        reason="COMPETITOR",
    ),
    text_rule(
        rf"\b{SUBJECT_PATTERN} (?:can't|cannot|can not|could not|couldn't) afford (?:it|this|that|the|your)\b"
        r"|\bit(?:'s| is) (?:just |simply |really )?(?:too expensive|over (?:my|our) budget) for (?:me|us)\b"
        r"[^.!?]{0,40}\b(?:pass|decline|not go)",
        example="I am afraid we cannot afford it.",
        counterexample="It is a lot of money.",
        reason="BUDGET",
    ),
    text_rule(
        r"\b(?:put|putting) (?:this|it|everything|the whole thing|the search) on hold\b"
        r"|\bnot (?:this|until next) year\b|\bthe timing (?:is not|isn't|is) (?:right|wrong|bad)\b",
        example="We are putting this on hold for now.",
        counterexample="Please hold the line.",
        reason="TIMING",
    ),
    text_rule(
        r"\b(?:is not|isn't) (?:what (?:i|we) (?:need|want|were looking for)|a (?:good )?fit|right for (?:me|us))\b",
        example="I am sorry, but this is not what we were looking for.",
        counterexample="This is what we were looking for.",
        reason="FIT",
    ),
    text_rule(
        r"\b(?:not|no longer|n't) (?:\w+ )?(?:interested|going ahead|moving forward|going to (?:go ahead|proceed|buy"
        r"|sign))\b|\b(?:will|must|have to|going to|'ll) (?:\w+ )?(?:pass on|decline) (?:it|this|that|your|the)\b"
        r"|\bdecided (?:against|not to (?:go|proceed|buy|sign|take|accept|switch))\b"
        r"|\b(?:please )?(?:close|cancel) (?:my|our) (?:request|enquiry|inquiry|file|application)\b",
        example="Thank you, but we are no longer interested.",
        counterexample="We are interested in your offer.",
        reason="OTHER",
    ),
)
ACCEPT_RULES = (
    text_rule(
        rf"\b{SUBJECT_PATTERN} (?:\w+ )?accept(?:ed)? (?:your|the|this|it)\b",
        example="We accept your offer.",
        counterexample="Do you accept cards?",
    ),
    text_rule(
        r"\b(?:let's|let us|please|happy to|want to|like to|ready to|decided to) (?:go ahead|proceed|move ahead"
        r"|move forward|sign)\b",
        example="We would like to go ahead.",
        counterexample="The work on the house goes ahead.",
    ),
    text_rule(
        rf"\b(?:{SUBJECT_PATTERN} (?:\w+ )?|let's )(?:go|going) (?:ahead )?with "
        r"(?:you\b(?! to)|your (?:offer|proposal|quote)\b)"
        r"|\b(?:take|taking) (?:your|the) (?:offer|proposal|quote)\b",
        example="We will go with your proposal.",
        counterexample="My brother will go with you to the site.",
    ),
    text_rule(
        r"\b(?:signed (?:it|the (?:proposal|offer|application|papers|contract))|(?:proposal|offer|application|contract)"
        r" is signed|sign(?:ed)? (?:copy|proposal|application) (?:is )?attached)\b",
        example="I have signed the proposal and attach it.",
        counterexample="The lease was signed in May.",
    ),
)
DOCUMENT_RULES = (
    text_rule(
        r"\b(?:send|email|forward|provide|share|get|give|need|have|issue|resend)\b[^.!?]{0,40}\b(?:certificates?"
        r"|declarations? pages?|dec pages?|proof of (?:insurance|coverage)|(?:id|insurance) cards?|loss runs?|binders?"
        r"|invoices?|receipts?|policy (?:documents?|papers|number)|cop(?:y|ies) of (?:my|our|the))\b",
        example="Could you send me the certificate for the landlord?",
        counterexample="I attach the certificate.",
    ),
)
OBJECTION_RULES = (
    text_rule(
        r"\b(?:too (?:expensive|high|much|pricey)|(?:more|higher) than (?:i|we) (?:expected|pay|thought|hoped|planned)"
        r"|over (?:my|our|the) budget|(?:cheaper|lower|better) (?:offer|quote|price|rate)|not convinced|concerned about"
        r"|worried about|hesitat\w+)\b",
        example="Your quote is higher than we expected.",
        counterexample="The price is fine.",
    ),
)
CALL_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
CALL_REQUEST = re.compile(
    r"\b(?:call|ring|phone) (?:me|us)\b|\b(?:have|arrange|schedule|set up) a (?:\w+ )?call\b"
    r"|\b(?:talk|speak) (?:on|by|over) the phone\b",
    re.IGNORECASE,
)
CALL_TIME = re.compile(
    rf"\b(?P<day>{'|'.join(CALL_DAYS)}|tomorrow)\b[^.!?\n]{{0,20}}?\bat (?P<hour>\d{{1,2}})(?::(?P<minute>[0-5]\d))?"
    r"\s?(?P<half>am|pm|a\.m\.|p\.m\.)?(?!\w)",
    re.IGNORECASE,
)
MIN_CALL_NOTICE, FIRST_CALL_HOUR, LAST_CALL_HOUR, NOON = timedelta(hours=1), 7, 20, 12


# Several rules read the same email, one after the other.
@lru_cache(maxsize=4)
def english_sentences(body: str) -> tuple[str, ...]:
    """Return the sentences that were written for the email `body` itself; none where they are not English."""
    body_text = own_text(body)[:MAX_ANALYZED_LENGTH].replace("’", "'")
    return tuple(signal_sentences(body_text)) if is_english(body_text) else ()


def find_decision(body: str) -> StatedDecision | None:
    """Return what the email `body` decides; None where it decides nothing, or accepts and declines."""
    statements = english_sentences(body)
    no, yes = next(find_declines(statements), None), next(find_accepts(statements), None)
    return None if no and yes else no or yes


def find_declines(statements: Sequence[str]) -> Iterator[StatedDecision]:
    """Yield the sentences that decline, those with a reason first."""
    for rule in DECLINE_RULES:
        for one in statements:
            if rule.pattern.search(one) and not UNDECIDED_PATTERN.search(one):
                yield StatedDecision(DECLINED, shorten_quote(one), rule.reason)


def find_accepts(statements: Sequence[str]) -> Iterator[StatedDecision]:
    """Yield the sentences that accept."""
    for one in statements:
        if UNDECIDED_PATTERN.search(one) or NEGATION_PATTERN.search(one):
            continue
        if any(rule.pattern.search(one) for rule in ACCEPT_RULES):
            yield StatedDecision(ACCEPTED, shorten_quote(one))


@dataclass(frozen=True)
class Intent:
    """What an email wants of us: its name, and the sentences that show it."""

    name: str
    quotes: tuple[str, ...] = ()


ACCEPTANCE, DECLINE, APPOINTMENT = "acceptance", "decline", "appointment"
DOCUMENT, OBJECTION, QUESTION = "document", "objection", "question"


def recognize_intent(body: str) -> Intent | None:
    """Return what the email `body` wants; None where it is not English or nothing is recognized."""
    statements = english_sentences(body)
    if not statements:
        return None
    decision = find_decision(body)
    if decision is not None:
        return Intent(ACCEPTANCE if decision.outcome == ACCEPTED else DECLINE, asked_questions(body))
    for name, patterns in (
        (APPOINTMENT, [CALL_REQUEST]),
        (DOCUMENT, [rule.pattern for rule in DOCUMENT_RULES]),
        (OBJECTION, [rule.pattern for rule in OBJECTION_RULES]),
    ):
        said = [one for one in statements if any(pattern.search(one) for pattern in patterns)]
        said = [one for one in said if not NEGATION_PATTERN.search(one) or name == OBJECTION]
        if said:
            return Intent(name, tuple(dict.fromkeys([shorten_quote(said[0]), *asked_questions(body)])))
    questions = asked_questions(body)
    return Intent(QUESTION, questions) if questions else None


def asked_questions(body: str, most: int = 3) -> tuple[str, ...]:
    """Return the questions of the email `body`, in any language."""
    return tuple(one for one in quote_questions(body, most) if one.endswith("?"))


def requested_call(body: str, said_at: datetime) -> tuple[datetime, str] | None:
    """Return the time at which they ask to be called, in the time zone of `said_at`, and their words.

    None where they name no day and hour, or several, or an hour at which the agency makes no calls.
    """
    statements = [one for one in english_sentences(body) if CALL_REQUEST.search(one)]
    named = [(found, one) for one in statements for found in CALL_TIME.finditer(one)]
    if len(named) != 1 or NEGATION_PATTERN.search(named[0][1]):
        return None
    found, quote = named[0]
    moment = call_datetime(found, said_at)
    return (moment, shorten_quote(quote)) if moment else None


def call_datetime(found: re.Match[str], said_at: datetime) -> datetime | None:
    """Return the first time after `said_at` that a match of `CALL_TIME` names; None at an hour without calls."""
    hour, half = int(found["hour"]), (found["half"] or "").replace(".", "").lower()
    if half and not 1 <= hour <= NOON:
        return None
    if half:
        hour = hour % NOON + (NOON if half == "pm" else 0)
    if not FIRST_CALL_HOUR <= hour <= LAST_CALL_HOUR:
        return None
    day = found["day"].lower()
    ahead = 1 if day == "tomorrow" else (CALL_DAYS.index(day) - said_at.weekday()) % 7
    at = time(hour, int(found["minute"] or 0), tzinfo=said_at.tzinfo)
    moment = datetime.combine(said_at.date() + timedelta(days=ahead), at)
    return moment if moment > said_at else moment + timedelta(days=7)


def quote_questions(body: str, most: int = 2) -> list[str]:
    """Return the questions of the email `body`, or its first sentence if it asks none; in any language."""
    body_text = own_text(body)[:MAX_ANALYZED_LENGTH]
    all_sentences = split_sentences(body_text, most=MAX_SENTENCES, split_list_items=True)
    questions = [one for one in all_sentences if one.endswith("?")] or [
        one for one in all_sentences if len(one.split()) > 2
    ][:1]
    return [shorten_quote(one) for one in questions[:most]]
