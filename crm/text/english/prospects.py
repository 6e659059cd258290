"""Whether an email from an unknown sender reads like a prospect's, and what it says about the sender.

Each rule is a weight for or against, and a match adds it; the sum is kept between 0 and 1. The rules read English.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from crm.text.english.rules import text_rule
from crm.text.hidden_characters import strip_hidden_characters
from crm.text.numbers import extract_amounts
from crm.text.phones import PHONE_MAX_DIGITS, PHONE_PATTERN, find_phones, phone_digits
from crm.text.sentences import split_sentences

PROSPECT_THRESHOLD = 0.7
MAX_SCORED_LENGTH, MAX_QUOTED_SENTENCE_LENGTH = 4_000, 300
MAX_PROSPECT_QUOTES = 2
COVER_PATTERN = (
    r"(?:insurance|insured|insure|cover(?:age|ed)?|polic(?:y|ies)|quotes?|quotations?|premiums?|liability|bond|proposal"
    r"|estimate|workers'? comp\w*)"
)


ASKS_FOR_COVER = text_rule(
    rf"\b(?:can|could|would|will) you (?:\w+ ){{0,3}}(?:quote|insure|cover|price|offer us|offer me)\b"
    rf"|\b(?:can|could|would|will) you (?:\w+ ){{0,3}}(?:send|give|get|prepare|help)\b[^.?!]{{0,60}}\b{COVER_PATTERN}\b"
    rf"|\b(?:i|we)(?:'d| would| will|'ll)? (?:\w+ )?(?:like|need|want|require)\b[^.?!]{{0,60}}\b{COVER_PATTERN}\b"
    rf"|\b(?:i|we)(?:'m| am|'re| are)? (?:\w+ ){{0,2}}(?:looking|shopping|asking)\b[^.?!]{{0,60}}\b{COVER_PATTERN}\b"
    rf"|\b(?:i|we)(?:'m| am|'re| are) interested in\b[^.?!]{{0,60}}\b{COVER_PATTERN}\b"
    rf"|\b(?:get|getting|have) (?:a |some )?(?:quotes?|prices?|quotations?)\b[^.?!]{{0,40}}"
    rf"\b(?:for|on) (?:my|our|a|an|the)\b"
    rf"|\bhow much (?:\w+ ){{0,3}}(?:cost|for)\b|\bwhat (?:would|will|does|do) [^.?!]{{0,40}}\bcost\b"
    rf"|\bdo you (?:\w+ )?(?:insure|cover|write|offer|sell)\b[^.?!]{{3,60}}\?"
    rf"|\bplease (?:send|quote)\b[^.?!]{{0,40}}\b{COVER_PATTERN}\b"
    rf"|\bneeds? (?:\w+ ){{0,4}}{COVER_PATTERN}\b",
    reason="asks for a quote, a price or cover",
    weight=0.45,
    example="Could you send us a quote for our two vans?",
    counterexample="We can send you a quote for cheaper ink.",
)
MENTIONS_INSURANCE = text_rule(
    r"\b(?:insurance|insured?|insurer|coverage|liability|premium|deductible|underwrit\w+"
    r"|(?:a|an|my|our|new|present|current) polic(?:y|ies))\b",
    reason="is about insurance",
    weight=0.2,
    example="Our insurance ends in May.",
    counterexample="The meeting is moved to May.",
)
LINE_WEIGHT = 0.3
POSITIVE_RULES = (
    ASKS_FOR_COVER,
    MENTIONS_INSURANCE,
    text_rule(
        r"\b(?:renew(?:s|al|ed|ing)?|expir(?:es?|ing|y|ation)|runs? out|lapse[sd]?|ends)\b[^.?!]{0,40}"
        r"\b(?:on|in|at|by|next|this|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)",
        reason="says when the present policy ends",
        weight=0.15,
        example="Our renewal comes up in March.",
        counterexample="I renewed my subscription.",
    ),
    text_rule(
        r"\b(?:i|we) (?:own|run|operate|manage|rent|lease|(?:have|'ve|am|are)? ?(?:just )?(?:bought|buying|started"
        r"|starting|opened|opening|moving|moved)|have (?:a|an|two|three|four|five|six|\d+))\b|\bwe(?:'re| are) an? \w+"
        r"|\b(?:my|our) (?:\w+ )?(?:shop|bakery|restaurant|firm|company|business|practice|studio|clinic|house|home|flat"
        r"|apartment|cars?|vans?|trucks?|fleet|warehouse|employees|boat|motorcycle|workshop|garage|salon|store"
        r"|office)\b",
        reason="says who they are or what they have",
        weight=0.15,
        example="We run a bakery with six employees.",
        counterexample="The weather was fine.",
    ),
    text_rule(
        r"\b(?:budget|pay(?:ing)?|spend(?:ing)?|premium|afford|worth|value)\b[^.?!]{0,40}[$€£]\s?\d",
        reason="names a sum they pay or have",
        weight=0.1,
        example="We pay about $2,400 a year now.",
        counterexample="It is 2,400 miles away.",
    ),
    text_rule(
        r"\b(?:recommend(?:ed|s)|referred|refers) (?:you|us|me)\b|\bfound you\b|\b(?:saw|read|visited|via|through"
        r"|on) your"
        r" (?:website|site|page|window|ad|sign)\b|\bgave me your (?:name|number|address)\b|\btold (?:me"
        r"|us) about you\b",
        reason="says how they came to us",
        weight=0.15,
        example="A neighbour recommended you to us.",
        counterexample="I recommend the soup.",
    ),
    text_rule(
        r"\b(?:call|ring|phone|visit|meet|reach) (?:me|us)\b|\bsomebody call\b|\bcall back\b",
        reason="asks to be called or visited",
        weight=0.1,
        example="Please call me in the morning.",
        counterexample="The call took an hour.",
    ),
    text_rule(
        PHONE_PATTERN.pattern,
        reason="leaves a telephone number",
        weight=0.1,
        example="You reach me at (419) 555-0188.",
        counterexample="There are 12 of us.",
    ),
)
NEGATIVE_RULES = (
    text_rule(
        r"\b(?:we|our (?:company|team|agency|platform|software|service|solution)) (?:\w+ ){0,2}(?:offers?"
        r"|provides?|specialize|specialise|helps?|delivers?|guarantees?|supply|supplies)\b|\bour (?:services"
        r"|products|solutions"
        r"|platform|clients include)\b|\b(?:free|no[- ]obligation) (?:trial|demo|quote|consultation|report|sample)\b"
        r"|\b(?:book|schedule|watch) a (?:quick )?demo\b|\bspecial offer\b|\blimited time\b|\blowest (?:rates?"
        r"|prices?)\b"
        r"|\bclick (?:here|below)\b|\b(?:increase|boost|grow) your\b|\bsave (?:up to )?\d+ ?%|\bact now\b|\border now\b"
        r"|\b(?:seo|search engine|web design|exclusive leads|qualified leads|marketing services)\b|\bpartnership\b"
        r"|\bare you (?:still )?(?:paying|looking|tired|interested)\b|\bmoney[- ]back\b",
        reason="offers something to us",
        weight=-0.7,
        example="Our platform helps agencies to sell more.",
        counterexample="Our bakery needs cover.",
    ),
    text_rule(
        r"\bunsubscribe\b|\bopt[- ]?out\b|\bview (?:this )?(?:mail |email )?in (?:your )?browser\b|\bmailing list\b"
        r"|\b(?:removed?|be taken) (?:\w+ ){0,3}(?:from|off) (?:this|our|the|future)\b|\bthis (?:e-?mail"
        r"|message) was sent"
        r"|\bdear (?:members|subscribers?|customers|all|sir or madam|friends?|homeowner)\b|\bnewsletter\b",
        reason="goes to many",
        weight=-0.5,
        example="To unsubscribe reply with STOP.",
        counterexample="Dear Dana, thank you.",
    ),
    text_rule(
        r"\b(?:my|the|attached) (?:cv|resume|résumé|curriculum)\b|\bappl(?:y|ying|ication) (?:for|to) (?:the|a|an"
        r"|your|work)"
        r"|\b(?:position|job|internship|vacancy|role) (?:as|of|at|with|in|that you)\b|\bcover letter\b",
        reason="asks for a job",
        weight=-0.8,
        example="I apply for the position of an account manager, my resume is attached.",
        counterexample="I have a quick question.",
    ),
    text_rule(
        r"\b(?:candidates?|recruit(?:er|ers|ing|ment)?|staffing|headhunt\w*|talent pool|hiring needs)\b",
        reason="wants to place people with us",
        weight=-0.8,
        example="We have three candidates for your open desk.",
        counterexample="We have three vans.",
    ),
    text_rule(
        r"\b(?:lottery|inheritance|next of kin|beneficiary of|million (?:us )?(?:dollars|usd|euros)"
        r"|transfer of (?:the )?funds?|wire transfer|bitcoin|crypto|viagra|casino|urgent business"
        r"|strictly confidential|make money|work from home"
        r"|earn \$)",
        reason="reads like a swindle",
        weight=-0.9,
        example="I have an inheritance of ten million dollars for you.",
        counterexample="We need a bond of one million.",
    ),
    text_rule(
        r"\b(?:my|our) (?:policy|claim|account|invoice|certificate) (?:number|no|#|with you)|\bclaim (?:number|no|#)"
        r"|\bas your (?:client|customer)\b|\bmy agent\b|\bthe certificate you sent\b|\bour current policy with you\b",
        reason="is a client of ours already",
        weight=-0.35,
        example="My policy number is 4471.",
        counterexample="Our policy with another company ends.",
    ),
)
SPECIALTY_ITEMS = r"boat|motorcycle|motorbike|rv|wedding|event|jewel\w+|collection|classic car"
# By the code of a line; a line that staff added is found by its name.
LINE_PATTERN_SOURCES = {
    "commercial_auto": r"\b(?:fleet|commercial (?:auto|vehicles?)|(?:delivery |work |company )(?:vans?|trucks?"
    r"|cars?))\b",
    "workers_compensation": r"\bworkers'? comp(?:ensation)?\b",
    "general_liability": r"\b(?:general liability|public liability|liability)\b",
    "commercial_property": r"\b(?:commercial property|business property|contents of (?:the|our) (?:shop|store|office)"
    r"|warehouse|stock and equipment|business contents)\b",
    "umbrella": r"\bumbrella\b",
    "renters": r"\b(?:renters?'?s?|tenants?'?) (?:insurance|policy|cover(?:age)?)\b"
    r"|\brent(?:ing)? an? (?:flat|apartment)\b",
    "life": r"\blife (?:insurance|policy|cover(?:age)?)\b",
    "home": r"\b(?:home ?owners?|house|home|condo|building) (?:insurance|policy|cover(?:age)?)\b"
    r"|\b(?:bought|buying|closing on) (?:a|our|my) (?:first )?(?:new )?(?:house|home|condo|flat)\b",
    "specialty": rf"\b(?:{SPECIALTY_ITEMS})\b[^.?!]{{0,40}}\b(?:insur\w+|cover\w*|policy|quote)\b"
    rf"|\b(?:insur\w+|cover)\b[^.?!]{{0,30}}\b(?:{SPECIALTY_ITEMS})\b",
    "auto": r"\b(?:auto|car|vehicle|motor) (?:insurance|policy|cover(?:age)?|quote)\b|\binsur\w+ (?:my|our|a|the"
    r"|two|both)"
    r" (?:\w+ )?(?:cars?|vehicles?|trucks?)\b|\bnew (?:car|driver)\b",
}
LINE_PATTERNS = {code: re.compile(pattern, re.IGNORECASE) for code, pattern in LINE_PATTERN_SOURCES.items()}


@dataclass(frozen=True)
class ProspectScore:
    """How much an email reads like a prospect's (0 to 1), why, the sentences that show it, and the line it names."""

    score: float
    reasons: tuple[str, ...]
    quotes: tuple[str, ...] = ()
    line: str = ""

    @property
    def is_prospect(self) -> bool:
        return self.score >= PROSPECT_THRESHOLD


def score_prospect(subject: str, words: str, lines: Mapping[str, str]) -> ProspectScore:
    """Return the score of an email with `subject` and the sender's own `words`; `lines` are our lines, code to name."""
    text = f"{subject}.\n\n{words}"[:MAX_SCORED_LENGTH].replace("’", "'")
    found = [one for one in (*POSITIVE_RULES, *NEGATIVE_RULES) if one.pattern.search(text)]
    score, reasons = sum(one.weight for one in found), [one.reason for one in found]
    line = detect_insurance_line(text, lines)
    if line:
        score += LINE_WEIGHT
        reasons.insert(0, f"names a line of insurance ({lines[line]})")
    matched_patterns = [one.pattern for one in found if one.weight > 0] + (
        [insurance_line_pattern(line, lines[line])] if line else []
    )
    sentences = split_sentences(words[:MAX_SCORED_LENGTH], length=MAX_QUOTED_SENTENCE_LENGTH)
    ranked = sorted(sentences, key=lambda one: -sum(bool(pattern.search(one)) for pattern in matched_patterns))
    quotes = [one for one in ranked if any(pattern.search(one) for pattern in matched_patterns)][:MAX_PROSPECT_QUOTES]
    return ProspectScore(round(min(max(score, 0), 1), 2), tuple(reasons), tuple(quotes), line)


def asks_for_cover(words: str) -> bool:
    """Return whether the sender asks for a quote, a price or cover, whatever else the email says."""
    return bool(ASKS_FOR_COVER.pattern.search(words[:MAX_SCORED_LENGTH].replace("’", "'")))


def detect_insurance_line(text: str, lines: Mapping[str, str]) -> str:
    """Return the code of the first of `lines` that `text` names, the narrower first; empty where it names none."""
    codes = [
        *(code for code in LINE_PATTERN_SOURCES if code in lines),
        *(code for code in lines if code not in LINE_PATTERN_SOURCES),
    ]
    return next((code for code in codes if insurance_line_pattern(code, lines[code]).search(text)), "")


def insurance_line_pattern(code: str, name: str) -> re.Pattern[str]:
    """Return the pattern that finds the line `code`, called `name`."""
    return LINE_PATTERNS.get(code) or re.compile(rf"\b{re.escape(name)}\b", re.IGNORECASE)


# What it says about the sender

JOB_TITLES = re.compile(
    r"\b(?:director|manager|owner|president|officer|assistant|ceo|cfo|founder|partner|engineer|consultant|accountant"
    r"|secretary|head|dr|sales|office|administrator|attorney|controller)\b",
    re.IGNORECASE,
)
PERSON_NAME = re.compile(r"[^\W\d_][\w.'’-]*(?: [^\W\d_][\w.'’-]*){1,3}")
COMPANY_NAME = re.compile(
    r"\b((?:[A-Z][\w&'’-]*\.? ){1,4}(?:Ltd|Limited|LLC|L\.L\.C|Inc|Corp|Corporation|GmbH|PLC|Company|& Co|& Sons"
    r"|Partners|Group|Holdings|Associates)\b)"
)
COMPANY_LINE = re.compile(r"[A-Z][\w&'’.-]*(?: (?:[A-Z&][\w&'’.-]*|of|and|the)){0,5}")
PHONE_LABEL = re.compile(r"(?:phone|tel|telephone|call|cell|mobile|reach|number|ring)\b[^\d\n]{0,30}$", re.IGNORECASE)
YEARLY_AMOUNT = re.compile(
    r"\b(?:budget|pay|paying|spend|premium)\b[^.?!]{0,40}?(?P<sum>[$€£]\s?\d[\d,. ]{0,12}k?)\b[^.?!\d]{0,12}"
    r"(?:a|per|each|every|\/) ?(?:year|annum|yr)|\bbudget\b[^.?!]{0,30}?(?P<budget>[$€£]\s?\d[\d,. ]{0,12}k?)",
    re.IGNORECASE,
)
MAX_YEARLY_VALUE, MIN_PHONE_DIGITS = Decimal(10_000_000), 9


def extract_name(display_name: str, address: str, signature: list[str]) -> str:
    """Return the sender's name: the one beside the address, else from the signature, else from the address itself."""
    for text in (display_name, *signature[:3]):
        plain = strip_hidden_characters(text).strip(" ,.\"'")
        if PERSON_NAME.fullmatch(plain) and len(plain) <= 60 and not JOB_TITLES.search(plain):
            return plain
    single = strip_hidden_characters(display_name).strip(" ,.\"'")
    if 1 < len(single) <= 60 and single.replace("-", "").replace("'", "").isalpha():
        return single
    words = re.split(r"[._+-]+", address.partition("@")[0])
    return " ".join(word.capitalize() for word in words if word.isalpha())[:60] or address


def extract_phone(text: str) -> str:
    """Return the first telephone number in `text` that is introduced or written as one; empty where there is none."""
    for match in find_phones(text):
        digits = phone_digits(match[0])
        shaped = match[0].startswith(("+", "(")) or len(re.findall(r"[\s().-]+", match[0].strip())) >= 2
        if MIN_PHONE_DIGITS <= len(digits) <= PHONE_MAX_DIGITS and (
            shaped or PHONE_LABEL.search(text[: match.start()])
        ):
            return " ".join(match[0].split())[:40]
    return ""


def extract_company(text: str, signature: list[str], name: str) -> str:
    """Return the company from below the name in the signature, else from `text`; empty where there is none."""
    lines = [strip_hidden_characters(line).strip(" ,.|") for line in signature]
    for above, line in zip(lines, lines[1:], strict=False):
        if above == name and COMPANY_LINE.fullmatch(line) and not JOB_TITLES.search(line) and len(line) <= 80:
            return line
    found = COMPANY_NAME.search(strip_hidden_characters(text))
    return found[1].strip()[:80] if found else ""


def extract_yearly_value(text: str) -> Decimal | None:
    """Return what the sender pays or wants to pay a year; None where the text does not say."""
    match = YEARLY_AMOUNT.search(text)
    sums = extract_amounts((match["sum"] or match["budget"]).strip()) if match else {}
    value = next(iter(sums), None)
    return value.quantize(Decimal("0.01")) if value is not None and 0 < value <= MAX_YEARLY_VALUE else None
