"""Signals in the words of a lead: what they say about how likely it is to buy.

Each rule is a type of signal, with patterns that show it and patterns that speak against it in the same sentence. The
rules read English only.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from crm.text.cleaning import shorten
from crm.text.email_bodies.quotes import own_text
from crm.text.english.rules import Rule, phrase_pattern
from crm.text.english.sentiment import find_urgency, is_english
from crm.text.numbers import parse_number
from crm.text.sentences import split_sentences

MAX_ANALYZED_LENGTH, MAX_SENTENCES, MAX_SENTENCE_LENGTH, MAX_QUOTE_LENGTH = 6_000, 80, 500, 160
BUDGET_AMOUNT_PATTERN = re.compile(
    r"(?:[$€£]|USD|EUR|GBP)\s?(\d{1,3}(?:,\d{3})+|\d{1,9})(?:\.\d{1,2})?\s?(k)?\b", re.IGNORECASE
)
MAX_AMOUNT = Decimal(10_000_000)
DAY_OR_TIME = (
    r"(?:on |for |at |this |next )*(?:monday|tuesday|wednesday|thursday|friday|saturday|tomorrow|\d{1,2}(?::\d\d)?\s?"
    r"(?:am|pm|o'clock)|the \d{1,2}(?:st|nd|rd|th))"
)
MONTH = "(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
# Public places to find an agency: to find us there is not a referral.
PUBLIC_SOURCE = (
    r"(?:[\w-]+ )*(?:adverts?|advertisements?|ads?|directory|exchange|google|internet|list|search|web|web ?site)\b"
)
CHEAPER = r"(?:cheaper|cheapest|(?:lower|lowest|best|better) (?:price|premium|rate)s?)"


@dataclass(frozen=True)
class DetectedSignal:
    """A signal found in a text: its type, the words that show it, and a value where one was named."""

    type: str
    quote: str
    value: float | None = None


SIGNAL_RULES = {
    "decision_maker": Rule(
        phrase_pattern(
            r"(?:i|we) (?:make|will make|'ll make|take) the (?:final )?decision",
            r"(?:it is|it's|that is|that's) my (?:call|decision) to make|it(?:'s| is) my (?:call|decision)\b",
            r"i(?: a|')m the (?:owner|sole owner|co-owner|ceo|cfo|president|managing (?:director|partner)|founder)\b",
            r"i (?:can|will|am ready to|'m ready to) sign (?:it|the|off|today|this|right)",
            r"i own (?:the|this|a) (?:company|business|shop|firm|restaurant|building|practice|fleet)",
            r"i am authori[sz]ed to (?:sign|decide|buy)",
        ),
        is_negatable=True,
    ),
    "follow_up_requested": Rule(
        phrase_pattern(
            r"(?:please,? |could you |can you |would you |you can |kindly )(?:please )?(?:call|ring|phone|text) me\b",
            r"^call me(?: (?:back|at|on|when|today|tomorrow|this|next|before|after)\b|[.!]?$)",
            r"(?:give|drop) me a (?:call|ring|line)\b",
            r"(?:get|come) back to me (?:on|by|in|when|next|after|with|as)\b",
            r"(?:check (?:back|in)|touch base|follow up|reach out|try me)(?: again| with me)* (?:in|next|after|on)\b",
            r"(?:remind|contact) me (?:in|next|after|on|again)\b",
            r"when can (?:we|you|i) (?:talk|speak|expect|hear)\b",
        ),
        exclusions=phrase_pattern(
            r"do not call",
            r"don['’]t call",
            r"stop (?:calling|contacting)",
            r"take me off",
            # How many emails end, and every offer does.
            r"(?:with|(?:if|should) you have)(?: any| other| further| more)* (?:questions?|thoughts|concerns|comments)",
        ),
        is_negatable=True,
    ),
    "meeting_scheduled": Rule(
        phrase_pattern(
            rf"(?:see|talk to|speak to|speak with|meet|meet with) you {DAY_OR_TIME}",
            rf"(?:talk|speak|meet|see you) (?:again )?{DAY_OR_TIME}",
            rf"{DAY_OR_TIME}[^.!?\n]{{0,30}} (?:works|is fine|is good|suits|is perfect)\b",
            rf"(?:works|suits) (?:well |fine |great )?for (?:me|us)\b[^.!?\n]{{0,40}}{DAY_OR_TIME}",
            r"(?:meeting|call|appointment|visit) is (?:set|confirmed|booked|scheduled)",
            rf"confirmed? (?:for|the (?:call|meeting|appointment)) {DAY_OR_TIME}",
            r"(?:i(?: ha|')ve |i )?(?:accepted|booked) (?:the|your) (?:invite|invitation|meeting|slot|appointment)",
        ),
        exclusions=phrase_pattern(r"doesn['’]t work", r"can['’]?not make", r"can['’]t make", r"reschedule", r"cancel"),
        is_negatable=True,
    ),
    "referral": Rule(
        phrase_pattern(
            r"(?:recommended|referred) (?:you|your|me to|us to|by)\b",
            rf"(?:got|have|was given) your (?:name|number|card|address|details) (?:from|by|through)\b"
            rf"(?! {PUBLIC_SOURCE})",
            r"(?:told me|told us) (?:about you|to (?:call|contact|write|talk to) you)\b",
            r"(?:friend|neighbou?r|colleague|client) of (?:mine|ours) (?:is|uses|has|insures)\b[^.!?\n]{0,40}\byour?\b",
        ),
        is_negatable=True,
    ),
    "competitor_mentioned": Rule(
        phrase_pattern(
            r"(?:another|a different) (?:agency|agent|broker|insurer|carrier|company's quote)\b",
            r"competing (?:agency|agent|broker|insurer|carrier|quotes?|offers?)\b",
            r"other (?:agencies|agents|brokers|insurers|carriers|quotes|offers)\b",
            r"(?:quotes?|offers?) from (?:another|other|two|three|several|a few)\b",
            r"(?:comparing|collecting|shopping for) (?:quotes|offers|prices)\b",
            r"(?:currently|already|now) (?:insured|covered) with (?-i:[A-Z][a-z]+)",
            r"(?:am|are|is|'m|'re) (?:currently |already |now )?(?:insured |covered )?with (?-i:[A-Z][a-z]+)"
            r"(?=[,.;!?]| (?:and|but|at|for|since|now|right|until|on)\b|$)",
            r"(?:my|our) (?:current|present|existing) (?:agent|broker|carrier|insurer|provider)\b",
        ),
        exclusions=phrase_pattern(r"leaving (?:my|our)", r"instead of (?:my|our)", r"referring", r"commissions?\b"),
    ),
    "price_sensitive": Rule(
        phrase_pattern(
            r"too (?:expensive|pricey|steep)\b",
            r"(?:price|premium|cost|quote|rate|pay|paying|charge|charging)s?\b[^.!?\n]{0,40}\btoo (?:high|much)\b",
            r"(?:any|a|some|more|bigger) discounts?\b",
            # They want it, have it or ask for it: "cheaper" alone is said of anything.
            rf"(?:want|need|find|found|get|got|was offered|looking for|give|do|is there|are there|anything|something)\b"
            rf"[^.!?\n]{{0,40}}\b{CHEAPER}\b",
            rf"{CHEAPER} (?:\w+ ){{0,2}}(?:quotes?|offers?|polic(?:y|ies)|insurance|elsewhere|somewhere|than yours)\b",
            r"(?:bring|get|drive|take) (?:the |that |this )?(?:price|premium|cost|rate) down\b",
            r"(?:can['’]t|cannot|can not) afford\b(?! to (?!pay|spend|buy|insure|keep|renew|take))",
            r"(?:over|out of|above|beyond) (?:my|our|the) budget\b",
            r"(?:reduce|lower|cut) (?:my|our|the) (?:premium|price|cost|rate)\b(?! of (?!the |my |our ))",
        ),
        # Not a complaint, or the words of a seller.
        exclusions=phrase_pattern(
            r"(?:not|never|isn't|aren't|wasn't|n't be) too (?:expensive|pricey|steep|high|much)",
            r"at a discount",
            r"who wants? to",
            r"are you paying",
            r"on the (?:net|web|internet|market)",
            r"anywhere else",
            r"we (?:have|offer|guarantee|help you|will beat|can beat)",
        ),
    ),
    "just_exploring": Rule(
        phrase_pattern(
            r"(?:just|only|merely|simply) (?:looking|browsing|exploring|shopping) ?(?:around)?\b",
            r"(?:no|not in a|in no) (?:rush|hurry)\b",
            r"not (?:ready|planning|looking) to (?:buy|switch|change|decide|commit|move)\b",
            r"(?:in the|at an) early stages?\b",
            r"(?:just|only) (?:gathering|collecting) (?:some )?(?:information|info|ideas)\b",
            r"(?:maybe|perhaps|possibly) (?:next year|later|in the future|some day)\b",
        ),
        exclusions=phrase_pattern(r"looking (?:at (?!the moment)|over|through|forward|into|for people)\b"),
    ),
}
BUDGET_PHRASES = phrase_pattern(
    r"budget",
    r"afford",
    r"(?:can|could|want to|willing to|prepared to|hope to|plan to|like to) (?:spend|pay)",
    r"(?:pay|paying|spend|spending|premium)[^.!?\n]{0,40}(?:a|per|each|every) (?:month|year|quarter)",
    r"(?:keep|stay|come in|be|is) (?:it |this )?(?:under|below|within)",
    r"up to (?=[$€£\d]|USD|EUR|GBP|about|around|a maximum)",
)
FIRST_PERSON = phrase_pattern(r"(?:i|we|my|our|us|me|the budget)\b")
NON_BUDGET_PHRASES = phrase_pattern(
    r"deductible",
    r"claim",
    r"damage",
    r"limit",
    r"coverage of",
    r"cover(?:age)? for",
    r"liability",
    r"worth",
    r"invoice",
    r"revenue",
    r"turnover",
    r"payroll",
    r"salary",
    r"refund",
    r"rebuild",
    r"mortgage",
    r"win\b",
    r"won\b",
    r"earn",
    r"sav(?:e|ing)",
    r"made\b",
    r"offering",
)
# Every newsletter promises to take readers off its list at once.
NEWSLETTER_PHRASES = phrase_pattern(
    r"remov", r"unsubscribe", r"taken off", r"take you off", r"opt[ -]?out", r"click", r"honou?red"
)
# What an insurer has to know before it can quote. Several in one email: they know what they want.
REQUIREMENT_PATTERNS = {
    "a number of things": phrase_pattern(
        r"\d{1,4} (?:vehicles?|trucks?|vans?|cars?|employees|drivers|units|rooms|locations|staff)"
    ),
    "a size": phrase_pattern(r"\d[\d,]{2,8} (?:sq\.? ?(?:ft|feet|m)|square (?:feet|foot|metres|meters))"),
    "a year and a thing": phrase_pattern(
        r"(?:19[5-9]\d|20[0-4]\d) (?:ford|toyota|honda|chevy|chevrolet|gmc|ram|jeep|nissan|subaru|tesla|bmw|audi|vw"
        r"|volkswagen|hyundai|kia|mazda|volvo|mercedes|dodge|freightliner|kenworth|peterbilt)",
        r"built in (?:18|19|20)\d\d",
    ),
    "a date": phrase_pattern(
        r"(?:renews?|renewal|expires?|effective|start(?:s|ing)?|begin(?:s|ning)?|clos(?:es|ing))\b[^.!?\n]{0,25}"
        rf"(?:\d{{1,2}}[/.]\d{{1,2}}|\d{{1,2}}(?:st|nd|rd|th)|{MONTH}[a-z]*\.? \d{{1,2}}|\d{{1,2}} {MONTH})"
    ),
    "a limit": phrase_pattern(
        r"(?:[$€£]\s?\d[\d,]*(?:\.\d+)?\s?(?:k|m|million|mio)?|\d+ million)[^.!?\n]{0,30}"
        r"(?:limit|liability|per occurrence|aggregate|deductible|of cover)",
        r"(?:limit|liability|deductible)s?[^.!?\n]{0,20}[$€£]\s?\d",
    ),
    "a wish": phrase_pattern(
        r"(?:i|we) (?:need|want|require|would like|'d like|are looking for|am looking for) "
        r"(?:[a-z\-]+ ){0,4}(?:cover|coverage|insurance|policy|policies|quote|certificate)"
    ),
}
MIN_REQUIREMENTS = 2


def detect_signals(body: str) -> list[DetectedSignal]:
    """Return the signals in what was written for the email `body`, without quotes and signature; each type once."""
    body_text = own_text(body)[:MAX_ANALYZED_LENGTH].replace("’", "'")
    if not is_english(body_text):
        return []
    found: dict[str, DetectedSignal] = {}
    for signal in find_signals(signal_sentences(body_text)):
        found.setdefault(signal.type, signal)
    return list(found.values())


def signal_sentences(text: str) -> list[str]:
    """Return the sentences that the rules of signals and intents read, in which each item of a list is one."""
    return split_sentences(text, most=MAX_SENTENCES, length=MAX_SENTENCE_LENGTH, split_list_items=True)


def find_signals(sentences: list[str]) -> Iterator[DetectedSignal]:
    """Yield the signals in `sentences`; a type may come more than once."""
    for sentence in sentences:
        for name, rule in SIGNAL_RULES.items():
            if rule.matches(sentence):
                yield DetectedSignal(name, shorten_quote(sentence))
        if (value := extract_budget(sentence)) is not None:
            yield DetectedSignal("budget_mentioned", shorten_quote(sentence), value)
        if find_urgency(sentence) and not NEWSLETTER_PHRASES.search(sentence):
            yield DetectedSignal("urgency_detected", shorten_quote(sentence))
    yield from find_requirements(sentences)


def extract_budget(sentence: str) -> float | None:
    """Return the most that the writer of `sentence` wants to pay; None where it speaks of other money, or of none."""
    if not FIRST_PERSON.search(sentence) or not BUDGET_PHRASES.search(sentence) or NON_BUDGET_PHRASES.search(sentence):
        return None
    found = (parse_number(*parts) or Decimal(0) for parts in BUDGET_AMOUNT_PATTERN.findall(sentence))
    amounts = [amount for amount in found if 0 < amount <= MAX_AMOUNT]
    return float(max(amounts)) if amounts else None


def find_requirements(sentences: list[str]) -> Iterator[DetectedSignal]:
    """Yield a signal where `sentences` state several of the facts that an insurer has to know."""
    facts = {name: one for name, pattern in REQUIREMENT_PATTERNS.items() for one in sentences if pattern.search(one)}
    if len(facts) >= MIN_REQUIREMENTS:
        yield DetectedSignal("clear_requirements", shorten_quote(f"{', '.join(facts)}: {next(iter(facts.values()))}"))


def shorten_quote(text: str) -> str:
    """Return `text` no longer than a quote may be."""
    return shorten(text, MAX_QUOTE_LENGTH)
