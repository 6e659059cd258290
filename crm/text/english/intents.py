"""What the words of a lead decide: that they accept, that they decline and why, or when they want a call. Pure.

Only the newest own words are read. Each rule has a sentence that it finds and one that it must not; the tests hold it
to both. They read English, and take nothing from a sentence that asks, doubts or sets a condition.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from crm.text.english.sentiment import is_english
from crm.text.english.signals import LONGEST, LONGEST_SENTENCE, MOST_SENTENCES, SENTENCE, quoted
from crm.text.quotes import own_words

ACCEPTED, DECLINED = "accepted", "declined"
US = r"(?:i|we)(?:'d| would| will|'ll| am|'m| are|'re| have|'ve)?"
# Nothing is decided in a sentence that holds one of these.
OPEN_STILL = re.compile(
    r"\?|\b(?:if|unless|until|before (?:i|we)|once|maybe|perhaps|might|would need|not sure|think(?:ing)? about|depends"
    r"|consider\w*|almost|when (?:i|we))\b",
    re.IGNORECASE,
)
DENIED = re.compile(r"\b(?:not|never|no|cannot|can't|won't|don't|didn't|isn't|aren't|haven't)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Verdict:
    """That they accept, or decline for `reason` (a loss reason), in the words of `quote`."""

    decided: str
    quote: str
    reason: str = ""


@dataclass(frozen=True)
class Rule:
    """Words that decide something, a sentence that says so and one that does not."""

    pattern: re.Pattern[str]
    true: str
    false: str
    reason: str = ""


def rule(pattern: str, *, true: str, false: str, reason: str = "") -> Rule:
    return Rule(re.compile(pattern, re.IGNORECASE), true, false, reason)


# The reason that is told decides before the mere no.
DECLINES = (
    rule(
        rf"\b{US} (?:\w+ )?(?:chosen|choose|picked|signed(?: up)?|gone|going|went|decided to go|bought|switched) "
        r"(?:with |for |to |from )?(?:another|a different|somebody else|someone else|the other|a competitor|elsewhere)",
        true="We have decided to go with another agency.",
        false="We are leaving another agency.",
        reason="COMPETITOR",
    ),
    rule(
        rf"\b{US} (?:can't|cannot|can not|could not|couldn't) afford (?:it|this|that|the|your)\b"
        r"|\bit(?:'s| is) (?:just |simply |really )?(?:too expensive|over (?:my|our) budget) for (?:me|us)\b"
        r"[^.!?]{0,40}\b(?:pass|decline|not go)",
        true="I am afraid we cannot afford it.",
        false="It is a lot of money.",
        reason="BUDGET",
    ),
    rule(
        r"\b(?:put|putting) (?:this|it|everything|the whole thing|the search) on hold\b"
        r"|\bnot (?:this|until next) year\b|\bthe timing (?:is not|isn't|is) (?:right|wrong|bad)\b",
        true="We are putting this on hold for now.",
        false="Please hold the line.",
        reason="TIMING",
    ),
    rule(
        r"\b(?:is not|isn't) (?:what (?:i|we) (?:need|want|were looking for)|a (?:good )?fit|right for (?:me|us))\b",
        true="I am sorry, but this is not what we were looking for.",
        false="This is what we were looking for.",
        reason="FIT",
    ),
    rule(
        r"\b(?:not|no longer|n't) (?:\w+ )?(?:interested|going ahead|moving forward|going to (?:go ahead|proceed|buy"
        r"|sign))\b|\b(?:will|must|have to|going to|'ll) (?:\w+ )?(?:pass on|decline) (?:it|this|that|your|the)\b"
        r"|\bdecided (?:against|not to (?:go|proceed|buy|sign|take|accept|switch))\b"
        r"|\b(?:please )?(?:close|cancel) (?:my|our) (?:request|enquiry|inquiry|file|application)\b",
        true="Thank you, but we are no longer interested.",
        false="We are interested in your offer.",
        reason="OTHER",
    ),
)
ACCEPTS = (
    rule(
        rf"\b{US} (?:\w+ )?accept(?:ed)? (?:your|the|this|it)\b",
        true="We accept your offer.",
        false="Do you accept cards?",
    ),
    rule(
        r"\b(?:let's|let us|please|happy to|want to|like to|ready to|decided to) (?:go ahead|proceed|move ahead"
        r"|move forward|sign)\b",
        true="We would like to go ahead.",
        false="The work on the house goes ahead.",
    ),
    rule(
        rf"\b(?:{US} (?:\w+ )?|let's )(?:go|going) (?:ahead )?with (?:you\b(?! to)|your (?:offer|proposal|quote)\b)"
        r"|\b(?:take|taking) (?:your|the) (?:offer|proposal|quote)\b",
        true="We will go with your proposal.",
        false="My brother will go with you to the site.",
    ),
    rule(
        r"\b(?:signed (?:it|the (?:proposal|offer|application|papers|contract))|(?:proposal|offer|application|contract)"
        r" is signed|sign(?:ed)? (?:copy|proposal|application) (?:is )?attached)\b",
        true="I have signed the proposal and attach it.",
        false="The lease was signed in May.",
    ),
)
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
ASKS_A_CALL = re.compile(
    r"\b(?:call|ring|phone) (?:me|us)\b|\b(?:have|arrange|schedule|set up) a (?:\w+ )?call\b"
    r"|\b(?:talk|speak) (?:on|by|over) the phone\b",
    re.IGNORECASE,
)
AT = re.compile(
    rf"\b(?P<day>{'|'.join(DAYS)}|tomorrow)\b[^.!?\n]{{0,20}}?\bat (?P<hour>\d{{1,2}})(?::(?P<minute>[0-5]\d))?"
    r"\s?(?P<half>am|pm|a\.m\.|p\.m\.)?(?!\w)",
    re.IGNORECASE,
)
SOONEST, FIRST_HOUR, LAST_HOUR, NOON = timedelta(hours=1), 7, 20, 12


def sentences(body: str) -> list[str]:
    """What was written for the mail `body` itself, sentence by sentence; nothing where it is not English."""
    said = own_words(body)[:LONGEST].replace("’", "'")
    if not is_english(said):
        return []
    return [" ".join(one.split())[:LONGEST_SENTENCE] for one in SENTENCE.findall(said)[:MOST_SENTENCES]]


def verdict(body: str) -> Verdict | None:
    """What the mail `body` decides; None where nothing, or the one and the other."""
    said = sentences(body)
    no, yes = next(declines(said), None), next(accepts(said), None)
    return None if no and yes else no or yes


def declines(said: list[str]) -> Iterator[Verdict]:
    for rule in DECLINES:
        for one in said:
            if rule.pattern.search(one) and not OPEN_STILL.search(one):
                yield Verdict(DECLINED, quoted(one), rule.reason)


def accepts(said: list[str]) -> Iterator[Verdict]:
    for one in said:
        if OPEN_STILL.search(one) or DENIED.search(one):
            continue
        if any(rule.pattern.search(one) for rule in ACCEPTS):
            yield Verdict(ACCEPTED, quoted(one))


def call_wanted(body: str, said_at: datetime) -> tuple[datetime, str] | None:
    """The one moment for which they ask to be called, in the time zone of `said_at`, and their words.

    None where no day and hour are told, or several, or none that is an hour of the day for calls.
    """
    said = [one for one in sentences(body) if ASKS_A_CALL.search(one)]
    named = [(found, one) for one in said for found in AT.finditer(one)]
    if len(named) != 1 or DENIED.search(named[0][1]):
        return None
    found, quote = named[0]
    moment = moment_of(found, said_at)
    return (moment, quoted(quote)) if moment else None


def moment_of(found: re.Match[str], said_at: datetime) -> datetime | None:
    hour, half = int(found["hour"]), (found["half"] or "").replace(".", "").lower()
    if half and not 1 <= hour <= NOON:
        return None
    if half:
        hour = hour % NOON + (NOON if half == "pm" else 0)
    if not FIRST_HOUR <= hour <= LAST_HOUR:
        return None
    day = found["day"].lower()
    ahead = 1 if day == "tomorrow" else (DAYS.index(day) - said_at.weekday()) % 7
    at = time(hour, int(found["minute"] or 0), tzinfo=said_at.tzinfo)
    moment = datetime.combine(said_at.date() + timedelta(days=ahead), at)
    return moment if moment > said_at else moment + timedelta(days=7)


def asked(body: str, most: int = 2) -> list[str]:
    """What the mail `body` asks, else what it begins with, in its own words and whatever its language."""
    said = own_words(body)[:LONGEST]
    whole = [" ".join(one.split()) for one in SENTENCE.findall(said)[:MOST_SENTENCES]]
    questions = [one for one in whole if one.endswith("?")] or [one for one in whole if len(one.split()) > 2][:1]
    return [quoted(one) for one in questions[:most]]
