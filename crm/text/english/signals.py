"""What the words of a lead tell about how likely it is to buy: signals, found by rules that a person can read.

Pure: no database. Each rule is a type of signal with patterns that tell it and patterns that speak against it in the
same sentence. The rules know English; of words in another language nothing is found.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from crm.text.english.sentiment import hurried, is_english
from crm.text.quotes import own_words

LONGEST, MOST_SENTENCES, LONGEST_SENTENCE, LONGEST_QUOTE = 6_000, 80, 500, 160
SENTENCE = re.compile(r"(?:[^.!?\n]|\.(?=\w)|\n(?!\s*[\n•*\-]))+[.!?]*")
AMOUNT = re.compile(r"(?:[$€£]|USD|EUR|GBP)\s?(\d{1,3}(?:,\d{3})+|\d{1,9})(?:\.\d{1,2})?\s?(k)?\b", re.IGNORECASE)
LARGEST_AMOUNT = Decimal(10_000_000)
WHEN = (
    r"(?:on |for |at |this |next )*(?:monday|tuesday|wednesday|thursday|friday|saturday|tomorrow|\d{1,2}(?::\d\d)?\s?"
    r"(?:am|pm|o'clock)|the \d{1,2}(?:st|nd|rd|th))"
)
MONTH = "(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
# Where anybody finds anybody.
PLACE = r"(?:[\w-]+ )*(?:adverts?|advertisements?|ads?|directory|exchange|google|internet|list|search|web|web ?site)\b"
CHEAPER = r"(?:cheaper|cheapest|(?:lower|lowest|best|better) (?:price|premium|rate)s?)"
NEGATED = re.compile(r"\b(?:not|n['’]t|never|no|cannot|without|unless)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Sign:
    """A signal found in a text: its type, the words that show it, and a value where one was named."""

    type: str
    quote: str
    value: float | None = None


@dataclass(frozen=True)
class Rule:
    """Patterns of which one must be found in a sentence, and of which none may be."""

    tells: re.Pattern[str]
    against: re.Pattern[str] | None = None
    # Whether "not" anywhere before the words turns them into something else.
    negatable: bool = True

    def found(self, sentence: str) -> bool:
        match = self.tells.search(sentence)
        if match is None or (self.against and self.against.search(sentence)):
            return False
        return not (self.negatable and NEGATED.search(sentence[: match.start()]))


def words(*patterns: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(patterns)})", re.IGNORECASE)


RULES = {
    "decision_maker": Rule(
        words(
            r"(?:i|we) (?:make|will make|'ll make|take) the (?:final )?decision",
            r"(?:it is|it's|that is|that's) my (?:call|decision) to make|it(?:'s| is) my (?:call|decision)\b",
            r"i(?: a|')m the (?:owner|sole owner|co-owner|ceo|cfo|president|managing (?:director|partner)|founder)\b",
            r"i (?:can|will|am ready to|'m ready to) sign (?:it|the|off|today|this|right)",
            r"i own (?:the|this|a) (?:company|business|shop|firm|restaurant|building|practice|fleet)",
            r"i am authori[sz]ed to (?:sign|decide|buy)",
        ),
    ),
    "follow_up_requested": Rule(
        words(
            r"(?:please,? |could you |can you |would you |you can |kindly )(?:please )?(?:call|ring|phone|text) me\b",
            r"^call me(?: (?:back|at|on|when|today|tomorrow|this|next|before|after)\b|[.!]?$)",
            r"(?:give|drop) me a (?:call|ring|line)\b",
            r"(?:get|come) back to me (?:on|by|in|when|next|after|with|as)\b",
            r"(?:check (?:back|in)|touch base|follow up|reach out|try me)(?: again| with me)* (?:in|next|after|on)\b",
            r"(?:remind|contact) me (?:in|next|after|on|again)\b",
            r"when can (?:we|you|i) (?:talk|speak|expect|hear)\b",
        ),
        against=words(
            r"do not call",
            r"don['’]t call",
            r"stop (?:calling|contacting)",
            r"take me off",
            # How half of all mails end, and how every offer does.
            r"(?:with|(?:if|should) you have)(?: any| other| further| more)* (?:questions?|thoughts|concerns|comments)",
        ),
    ),
    "meeting_scheduled": Rule(
        words(
            rf"(?:see|talk to|speak to|speak with|meet|meet with) you {WHEN}",
            rf"(?:talk|speak|meet|see you) (?:again )?{WHEN}",
            rf"{WHEN}[^.!?\n]{{0,30}} (?:works|is fine|is good|suits|is perfect)\b",
            rf"(?:works|suits) (?:well |fine |great )?for (?:me|us)\b[^.!?\n]{{0,40}}{WHEN}",
            r"(?:meeting|call|appointment|visit) is (?:set|confirmed|booked|scheduled)",
            rf"confirmed? (?:for|the (?:call|meeting|appointment)) {WHEN}",
            r"(?:i(?: ha|')ve |i )?(?:accepted|booked) (?:the|your) (?:invite|invitation|meeting|slot|appointment)",
        ),
        against=words(r"doesn['’]t work", r"can['’]?not make", r"can['’]t make", r"reschedule", r"cancel"),
    ),
    "referral": Rule(
        words(
            r"(?:recommended|referred) (?:you|your|me to|us to|by)\b",
            rf"(?:got|have|was given) your (?:name|number|card|address|details) (?:from|by|through)\b(?! {PLACE})",
            r"(?:told me|told us) (?:about you|to (?:call|contact|write|talk to) you)\b",
            r"(?:friend|neighbou?r|colleague|client) of (?:mine|ours) (?:is|uses|has|insures)\b[^.!?\n]{0,40}\byour?\b",
        ),
    ),
    "competitor_mentioned": Rule(
        words(
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
        against=words(r"leaving (?:my|our)", r"instead of (?:my|our)", r"referring", r"commissions?\b"),
        negatable=False,
    ),
    "price_sensitive": Rule(
        words(
            r"too (?:expensive|pricey|steep)\b",
            r"(?:price|premium|cost|quote|rate|pay|paying|charge|charging)s?\b[^.!?\n]{0,40}\btoo (?:high|much)\b",
            r"(?:any|a|some|more|bigger) discounts?\b",
            # Somebody wants it, has it, or asks for it: that a thing is cheaper is said of anything.
            rf"(?:want|need|find|found|get|got|was offered|looking for|give|do|is there|are there|anything|something)\b"
            rf"[^.!?\n]{{0,40}}\b{CHEAPER}\b",
            rf"{CHEAPER} (?:\w+ ){{0,2}}(?:quotes?|offers?|polic(?:y|ies)|insurance|elsewhere|somewhere|than yours)\b",
            r"(?:bring|get|drive|take) (?:the |that |this )?(?:price|premium|cost|rate) down\b",
            r"(?:can['’]t|cannot|can not) afford\b(?! to (?!pay|spend|buy|insure|keep|renew|take))",
            r"(?:over|out of|above|beyond) (?:my|our|the) budget\b",
            r"(?:reduce|lower|cut) (?:my|our|the) (?:premium|price|cost|rate)\b(?! of (?!the |my |our ))",
        ),
        # No complaint, or one who sells.
        against=words(
            r"(?:not|never|isn't|aren't|wasn't|n't be) too (?:expensive|pricey|steep|high|much)",
            r"at a discount",
            r"who wants? to",
            r"are you paying",
            r"on the (?:net|web|internet|market)",
            r"anywhere else",
            r"we (?:have|offer|guarantee|help you|will beat|can beat)",
        ),
        negatable=False,
    ),
    "just_exploring": Rule(
        words(
            r"(?:just|only|merely|simply) (?:looking|browsing|exploring|shopping) ?(?:around)?\b",
            r"(?:no|not in a|in no) (?:rush|hurry)\b",
            r"not (?:ready|planning|looking) to (?:buy|switch|change|decide|commit|move)\b",
            r"(?:in the|at an) early stages?\b",
            r"(?:just|only) (?:gathering|collecting) (?:some )?(?:information|info|ideas)\b",
            r"(?:maybe|perhaps|possibly) (?:next year|later|in the future|some day)\b",
        ),
        against=words(r"looking (?:at (?!the moment)|over|through|forward|into|for people)\b"),
        negatable=False,
    ),
}
MONEY_TALK = words(
    r"budget",
    r"afford",
    r"(?:can|could|want to|willing to|prepared to|hope to|plan to|like to) (?:spend|pay)",
    r"(?:pay|paying|spend|spending|premium)[^.!?\n]{0,40}(?:a|per|each|every) (?:month|year|quarter)",
    r"(?:keep|stay|come in|be|is) (?:it |this )?(?:under|below|within)",
    r"up to (?=[$€£\d]|USD|EUR|GBP|about|around|a maximum)",
)
OURS = words(r"(?:i|we|my|our|us|me|the budget)\b")
NOT_BUDGET = words(
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
# What every newsletter promises: to take people off its list at once.
NO_HURRY_OF_THEIRS = words(
    r"remov", r"unsubscribe", r"taken off", r"take you off", r"opt[ -]?out", r"click", r"honou?red"
)
# What an insurer has to know before it can quote. Several in one mail: they know what they want.
REQUIREMENTS = {
    "a number of things": words(
        r"\d{1,4} (?:vehicles?|trucks?|vans?|cars?|employees|drivers|units|rooms|locations|staff)"
    ),
    "a size": words(r"\d[\d,]{2,8} (?:sq\.? ?(?:ft|feet|m)|square (?:feet|foot|metres|meters))"),
    "a year and a thing": words(
        r"(?:19[5-9]\d|20[0-4]\d) (?:ford|toyota|honda|chevy|chevrolet|gmc|ram|jeep|nissan|subaru|tesla|bmw|audi|vw"
        r"|volkswagen|hyundai|kia|mazda|volvo|mercedes|dodge|freightliner|kenworth|peterbilt)",
        r"built in (?:18|19|20)\d\d",
    ),
    "a date": words(
        r"(?:renews?|renewal|expires?|effective|start(?:s|ing)?|begin(?:s|ning)?|clos(?:es|ing))\b[^.!?\n]{0,25}"
        rf"(?:\d{{1,2}}[/.]\d{{1,2}}|\d{{1,2}}(?:st|nd|rd|th)|{MONTH}[a-z]*\.? \d{{1,2}}|\d{{1,2}} {MONTH})"
    ),
    "a limit": words(
        r"(?:[$€£]\s?\d[\d,]*(?:\.\d+)?\s?(?:k|m|million|mio)?|\d+ million)[^.!?\n]{0,30}"
        r"(?:limit|liability|per occurrence|aggregate|deductible|of cover)",
        r"(?:limit|liability|deductible)s?[^.!?\n]{0,20}[$€£]\s?\d",
    ),
    "a wish": words(
        r"(?:i|we) (?:need|want|require|would like|'d like|are looking for|am looking for) "
        r"(?:[a-z\-]+ ){0,4}(?:cover|coverage|insurance|policy|policies|quote|certificate)"
    ),
}
ENOUGH_REQUIREMENTS = 2


def detect(body: str) -> list[Sign]:
    """The signals in what was written for the mail `body`, neither quotes nor signature; each type once."""
    said = own_words(body)[:LONGEST].replace("’", "'")
    if not is_english(said):
        return []
    sentences = [" ".join(one.split())[:LONGEST_SENTENCE] for one in SENTENCE.findall(said)[:MOST_SENTENCES]]
    found: dict[str, Sign] = {}
    for sign in signs_of(sentences, said):
        found.setdefault(sign.type, sign)
    return list(found.values())


def signs_of(sentences: list[str], said: str) -> Iterator[Sign]:
    for sentence in sentences:
        for name, rule in RULES.items():
            if rule.found(sentence):
                yield Sign(name, quoted(sentence))
        if (value := budget(sentence)) is not None:
            yield Sign("budget_mentioned", quoted(sentence), value)
        if hurried(sentence) and not NO_HURRY_OF_THEIRS.search(sentence):
            yield Sign("urgency_detected", quoted(sentence))
    yield from requirements(sentences)


def budget(sentence: str) -> float | None:
    """The most that a sentence says somebody wants to pay; None where it speaks of other money, or of none."""
    if not OURS.search(sentence) or not MONEY_TALK.search(sentence) or NOT_BUDGET.search(sentence):
        return None
    amounts = [amount for amount in map(value_of, AMOUNT.findall(sentence)) if 0 < amount <= LARGEST_AMOUNT]
    return float(max(amounts)) if amounts else None


def value_of(found: tuple[str, str]) -> Decimal:
    number, thousands = found
    try:
        return Decimal(number.replace(",", "")) * (1_000 if thousands else 1)
    except InvalidOperation:
        return Decimal(0)


def requirements(sentences: list[str]) -> Iterator[Sign]:
    """Whether several of what an insurer has to know are told."""
    told = {name: one for name, pattern in REQUIREMENTS.items() for one in sentences if pattern.search(one)}
    if len(told) >= ENOUGH_REQUIREMENTS:
        yield Sign("clear_requirements", quoted(f"{', '.join(told)}: {next(iter(told.values()))}"))


def quoted(text: str) -> str:
    return text if len(text) <= LONGEST_QUOTE else f"{text[: LONGEST_QUOTE - 1].rstrip()}…"
