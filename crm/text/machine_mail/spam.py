"""Unwanted offers and swindles that no filter has marked, by their words. English only.

The rules look for what is offered and how, never for what an agency and its prospects write about: insurance, quotes,
rates and homes are no signs. One sign is never enough.
"""

import re
from dataclasses import dataclass

MAX_JUDGED_LENGTH, SPAM_THRESHOLD = 8_000, 1.0


@dataclass(frozen=True)
class SpamRule:
    """Words to look for in lower case, and how much they count."""

    pattern: re.Pattern[str]
    weight: float


def spam_rule(weight: float, pattern: str) -> SpamRule:
    return SpamRule(re.compile(pattern), weight)


# What only spam offers.
OFFER_RULES = (
    spam_rule(
        0.8,
        r"\bv[i1!|*][a@*]gra\b|\b(?:cialis|phentermine|xanax|erectile|sildenafil|penis)\b"
        r"|\bhuman growth hormone\b",
    ),
    spam_rule(
        0.8,
        r"\blottery (?:winner|winning|ticket|program)|\b(?:late|deposed) (?:president|general|dictator)\b"
        r"|\bsenior advocate\b|\b(?:absolute|utmost|strict) (?:confiden\w+|secrecy)\b",
    ),
    spam_rule(
        0.6,
        r"\btransfer (?:of )?(?:the |this |these )?(?:fund|money|sum)s?\b|\bforeign (?:partner|account|bank)"
        r"|\bnext of kin\b[^.!?]{0,200}\b(?:fund|deposit|million|account)",
    ),
    spam_rule(
        0.8,
        r"\b(?:xxx|porn\w*|hardcore|nude|horny|sluts?|naked|adult (?:site|entertainment|dating|only))\b"
        r"|\bsex(?:y|ual)? (?:girls|pics|sites?|enhancement|acts)\b",
    ),
    spam_rule(0.6, r"\b(?:online|internet) (?:casino|gambling|poker)|\bcasino\b[^.!?]{0,60}\bbonus|\bfree spins\b"),
    spam_rule(
        0.7,
        r"\b(?:earn|make|making|earning)\b[^.!?]{0,40}\$ ?\d[\d,]*[^.!?]{0,30}\b(?:week|month|day|hour)\b"
        r"|\bmulti[- ]?level\b|\bmlm\b",
    ),
    spam_rule(
        0.6,
        r"\bmake (?:big |fast |extra |easy |serious )?(?:money|cash|income)\b|\bextra (?:income|cash)\b"
        r"|\bfinancial (?:freedom|independence)\b|\bget rich\b|\bbe your own boss\b",
    ),
    spam_rule(0.6, r"\blose (?:weight|[\d-]+ (?:pounds|lbs))\b|\bdiet pills?\b|\bburn fat\b|\bwrinkles?\b"),
    spam_rule(
        0.7, r"\b(?:bulk|mass|targeted) e-?mail(?:s|er|ing|ings)?\b|\bmillions? (?:of )?(?:e-?mail )?addresses\b"
    ),
    spam_rule(
        0.6,
        r"\bget out of debt\b|\bdebt consolidation\b|\bcredit repair\b|\bbad credit\b[^.!?]{0,40}\bok"
        r"|\b(?:eliminate|consolidate)\b[^.!?]{0,30}\b(?:debts?|bills)\b",
    ),
    spam_rule(0.8, r"\buniversity diplomas?\b|\bnon-?accredited universit"),
    spam_rule(0.7, r"\b(?:hot|penny) stocks?\b|\bstock (?:alert|pick)s?\b|\bstrong buy\b|\b(?:otc ?bb|pink sheets)\b"),
    spam_rule(
        0.7,
        r"\b(?:cheap(?:est)?|discount(?:ed)?|replica|oem|generic) "
        r"(?:meds|software|watches|rolex|prescriptions?|cigarettes|toner|cartridges)\b|\bcable descrambler",
    ),
    spam_rule(
        0.7,
        r"\bsearch engine (?:submission|ranking|placement)s?\b|\bseo (?:services?|packages?)\b"
        r"|\b(?:guest posts?|backlinks?)\b|\bfirst page of google\b",
    ),
    spam_rule(
        0.7,
        r"\bverify your (?:account|password|identity)\b"
        r"|\byour (?:account|mailbox) (?:has been|will be|is) (?:suspended|limited|locked|deactivated)\b",
    ),
    spam_rule(0.7, r"\bbitcoin\b[^.!?]{0,80}\b(?:wallet|profit|double)|\bcrypto\w* (?:investment|trading)"),
)
# How it is offered. A prospect may write some of it, too: "a free quote, no obligation".
MANNER_RULES = (
    spam_rule(
        0.4,
        r"\b(?:act|order|buy|apply|join|sign up|subscribe) (?:now|today|immediately)\b"
        r"|\bdon['’]t (?:delay|miss (?:out|this))\b|\bhurry\b",
    ),
    spam_rule(
        0.4,
        r"\b(?:limited[- ]time|special|exclusive|incredible|amazing|one[- ]time) "
        r"(?:offer|opportunity|deal|promotion|price)\b",
    ),
    spam_rule(0.4, r"\b(?:100 ?%|absolutely|totally|completely) (?:free|guaranteed|legal|natural)\b|\brisk[- ]free\b"),
    spam_rule(0.4, r"\bmoney[- ]?back\b|\bsatisfaction guaranteed\b|\bguaranteed (?:results|income|approval)\b"),
    spam_rule(0.4, r"\bfree (?:trial|gift|sample|membership|access|video|vacation|bonus|pics|cd|tape)\b"),
    spam_rule(0.3, r"\bclick (?:here|below|on the link|the link)\b"),
    spam_rule(0.3, r"\bas seen on\b|\byou (?:have|['’]ve) (?:been selected|won)\b|\bdear (?:friend|winner|beloved)\b"),
    spam_rule(
        0.3, r"\bopt(?:ed)?[- ]?(?:in|out)\b|\b(?:removed?|taken) (?:\w+ ){0,3}(?:from|off) (?:this|our|future)\b"
    ),
    spam_rule(0.3, r"[!$*]{3,}|!\s*!|\$\$"),
    spam_rule(0.4, r"\b(?:is not|isn['’]t|never) (?:a )?spam\b|\bone[- ]time (?:mailing|e-?mail|message)\b"),
    spam_rule(0.3, r"\btoll[- ]free\b"),
    spam_rule(0.3, r"\bsave (?:up to |over )?\d+ ?%|\b\d\d ?% (?:off|discount)\b|\blowest (?:rates?|prices?)\b"),
    # A random word that makes each copy of a subject unique.
    spam_rule(0.5, r"\A[^\n]*\S {5,}\S+\n"),
)
MANY_CAPITALS = 0.3
# Who writes about spam names what it offers, without its manner.
MAX_TALK_ABOUT_SPAM = 0.9
SHOUTED_SUBJECT = re.compile(r"(?=(?:[^A-Z]*[A-Z]){8})[^a-z]+")


def spam_score(subject: str, text: str) -> float:
    """Return how much an email reads like spam; from 1.0 on it does. Nothing that spam offers is 0."""
    words = f"{subject}\n{text[:MAX_JUDGED_LENGTH]}".lower()
    offers = sum(rule.weight for rule in OFFER_RULES if rule.pattern.search(words))
    if not offers:
        return 0.0
    manner = sum(rule.weight for rule in MANNER_RULES if rule.pattern.search(words))
    manner += MANY_CAPITALS * bool(SHOUTED_SUBJECT.fullmatch(subject))
    return round(offers + manner, 2) if manner else min(offers, MAX_TALK_ABOUT_SPAM)


def reads_like_spam(subject: str, text: str) -> bool:
    """Return whether an email offers what only spam offers, and in its manner."""
    return spam_score(subject, text) >= SPAM_THRESHOLD
