"""Whether a mail from somebody unknown reads like that of a prospect, and what it says of them. Pure: no database.

The rules are weights on what stands in the mail, for and against, added up and kept between 0 and 1. Each has a
sentence that it finds and one that it must not; the tests hold it to both. They read English.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from crm.text import outgoing_checks
from crm.text.addresses import visible

ENOUGH = 0.7
LONGEST_READ, LONGEST_SENTENCE = 4_000, 300
MOST_QUOTED = 2
COVER = (
    r"(?:insurance|insured|insure|cover(?:age|ed)?|polic(?:y|ies)|quotes?|quotations?|premiums?|liability|bond|proposal"
    r"|estimate|workers'? comp\w*)"
)


@dataclass(frozen=True)
class Rule:
    """Something that a mail says, what that weighs, and a text that says it and one that does not."""

    reason: str
    weight: float
    pattern: re.Pattern[str]
    true: str
    false: str


def rule(reason: str, weight: float, pattern: str, *, true: str, false: str) -> Rule:
    return Rule(reason, weight, re.compile(pattern, re.IGNORECASE), true, false)


ASKS = rule(
    "asks for a quote, a price or cover",
    0.45,
    rf"\b(?:can|could|would|will) you (?:\w+ ){{0,3}}(?:quote|insure|cover|price|offer us|offer me)\b"
    rf"|\b(?:can|could|would|will) you (?:\w+ ){{0,3}}(?:send|give|get|prepare|help)\b[^.?!]{{0,60}}\b{COVER}\b"
    rf"|\b(?:i|we)(?:'d| would| will|'ll)? (?:\w+ )?(?:like|need|want|require)\b[^.?!]{{0,60}}\b{COVER}\b"
    rf"|\b(?:i|we)(?:'m| am|'re| are)? (?:\w+ ){{0,2}}(?:looking|shopping|asking)\b[^.?!]{{0,60}}\b{COVER}\b"
    rf"|\b(?:i|we)(?:'m| am|'re| are) interested in\b[^.?!]{{0,60}}\b{COVER}\b"
    rf"|\b(?:get|getting|have) (?:a |some )?(?:quotes?|prices?|quotations?)\b[^.?!]{{0,40}}"
    rf"\b(?:for|on) (?:my|our|a|an|the)\b"
    rf"|\bhow much (?:\w+ ){{0,3}}(?:cost|for)\b|\bwhat (?:would|will|does|do) [^.?!]{{0,40}}\bcost\b"
    rf"|\bdo you (?:\w+ )?(?:insure|cover|write|offer|sell)\b[^.?!]{{3,60}}\?"
    rf"|\bplease (?:send|quote)\b[^.?!]{{0,40}}\b{COVER}\b"
    rf"|\bneeds? (?:\w+ ){{0,4}}{COVER}\b",
    true="Could you send us a quote for our two vans?",
    false="We can send you a quote for cheaper ink.",
)
NAMED_COVER = rule(
    "is about insurance",
    0.2,
    r"\b(?:insurance|insured?|insurer|coverage|liability|premium|deductible|underwrit\w+"
    r"|(?:a|an|my|our|new|present|current) polic(?:y|ies))\b",
    true="Our insurance ends in May.",
    false="The meeting is moved to May.",
)
LINE = 0.3
FOR = (
    ASKS,
    NAMED_COVER,
    rule(
        "says when the present policy ends",
        0.15,
        r"\b(?:renew(?:s|al|ed|ing)?|expir(?:es?|ing|y|ation)|runs? out|lapse[sd]?|ends)\b[^.?!]{0,40}"
        r"\b(?:on|in|at|by|next|this|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)",
        true="Our renewal comes up in March.",
        false="I renewed my subscription.",
    ),
    rule(
        "says who they are or what they have",
        0.15,
        r"\b(?:i|we) (?:own|run|operate|manage|rent|lease|(?:have|'ve|am|are)? ?(?:just )?(?:bought|buying|started"
        r"|starting|opened|opening|moving|moved)|have (?:a|an|two|three|four|five|six|\d+))\b|\bwe(?:'re| are) an? \w+"
        r"|\b(?:my|our) (?:\w+ )?(?:shop|bakery|restaurant|firm|company|business|practice|studio|clinic|house|home|flat"
        r"|apartment|cars?|vans?|trucks?|fleet|warehouse|employees|boat|motorcycle|workshop|garage|salon|store"
        r"|office)\b",
        true="We run a bakery with six employees.",
        false="The weather was fine.",
    ),
    rule(
        "names a sum they pay or have",
        0.1,
        r"\b(?:budget|pay(?:ing)?|spend(?:ing)?|premium|afford|worth|value)\b[^.?!]{0,40}[$€£]\s?\d",
        true="We pay about $2,400 a year now.",
        false="It is 2,400 miles away.",
    ),
    rule(
        "says how they came to us",
        0.15,
        r"\b(?:recommend(?:ed|s)|referred|refers) (?:you|us|me)\b|\bfound you\b|\b(?:saw|read|visited|via|through"
        r"|on) your"
        r" (?:website|site|page|window|ad|sign)\b|\bgave me your (?:name|number|address)\b|\btold (?:me"
        r"|us) about you\b",
        true="A neighbour recommended you to us.",
        false="I recommend the soup.",
    ),
    rule(
        "asks to be called or visited",
        0.1,
        r"\b(?:call|ring|phone|visit|meet|reach) (?:me|us)\b|\bsomebody call\b|\bcall back\b",
        true="Please call me in the morning.",
        false="The call took an hour.",
    ),
    rule(
        "leaves a telephone number",
        0.1,
        outgoing_checks.PHONE.pattern,
        true="You reach me at (419) 555-0188.",
        false="There are 12 of us.",
    ),
)
AGAINST = (
    rule(
        "offers something to us",
        -0.7,
        r"\b(?:we|our (?:company|team|agency|platform|software|service|solution)) (?:\w+ ){0,2}(?:offers?"
        r"|provides?|specialize|specialise|helps?|delivers?|guarantees?|supply|supplies)\b|\bour (?:services"
        r"|products|solutions"
        r"|platform|clients include)\b|\b(?:free|no[- ]obligation) (?:trial|demo|quote|consultation|report|sample)\b"
        r"|\b(?:book|schedule|watch) a (?:quick )?demo\b|\bspecial offer\b|\blimited time\b|\blowest (?:rates?"
        r"|prices?)\b"
        r"|\bclick (?:here|below)\b|\b(?:increase|boost|grow) your\b|\bsave (?:up to )?\d+ ?%|\bact now\b|\border now\b"
        r"|\b(?:seo|search engine|web design|exclusive leads|qualified leads|marketing services)\b|\bpartnership\b"
        r"|\bare you (?:still )?(?:paying|looking|tired|interested)\b|\bmoney[- ]back\b",
        true="Our platform helps agencies to sell more.",
        false="Our bakery needs cover.",
    ),
    rule(
        "goes to many",
        -0.5,
        r"\bunsubscribe\b|\bopt[- ]?out\b|\bview (?:this )?(?:mail |email )?in (?:your )?browser\b|\bmailing list\b"
        r"|\b(?:removed?|be taken) (?:\w+ ){0,3}(?:from|off) (?:this|our|the|future)\b|\bthis (?:e-?mail"
        r"|message) was sent"
        r"|\bdear (?:members|subscribers?|customers|all|sir or madam|friends?|homeowner)\b|\bnewsletter\b",
        true="To unsubscribe reply with STOP.",
        false="Dear Dana, thank you.",
    ),
    rule(
        "asks for a job",
        -0.8,
        r"\b(?:my|the|attached) (?:cv|resume|résumé|curriculum)\b|\bappl(?:y|ying|ication) (?:for|to) (?:the|a|an"
        r"|your|work)"
        r"|\b(?:position|job|internship|vacancy|role) (?:as|of|at|with|in|that you)\b|\bcover letter\b",
        true="I apply for the position of an account manager, my resume is attached.",
        false="I have a quick question.",
    ),
    rule(
        "wants to place people with us",
        -0.8,
        r"\b(?:candidates?|recruit(?:er|ers|ing|ment)?|staffing|headhunt\w*|talent pool|hiring needs)\b",
        true="We have three candidates for your open desk.",
        false="We have three vans.",
    ),
    rule(
        "reads like a swindle",
        -0.9,
        r"\b(?:lottery|inheritance|next of kin|beneficiary of|million (?:us )?(?:dollars|usd|euros)"
        r"|transfer of (?:the )?funds?|wire transfer|bitcoin|crypto|viagra|casino|urgent business"
        r"|strictly confidential|make money|work from home"
        r"|earn \$)",
        true="I have an inheritance of ten million dollars for you.",
        false="We need a bond of one million.",
    ),
    rule(
        "is somebody we serve already",
        -0.35,
        r"\b(?:my|our) (?:policy|claim|account|invoice|certificate) (?:number|no|#|with you)|\bclaim (?:number|no|#)"
        r"|\bas your (?:client|customer)\b|\bmy agent\b|\bthe certificate you sent\b|\bour current policy with you\b",
        true="My policy number is 4471.",
        false="Our policy with another company ends.",
    ),
)
RARE = r"boat|motorcycle|motorbike|rv|wedding|event|jewel\w+|collection|classic car"
# By the code of a line; a line that staff have added is found by its name.
LINES = {
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
    "specialty": rf"\b(?:{RARE})\b[^.?!]{{0,40}}\b(?:insur\w+|cover\w*|policy|quote)\b"
    rf"|\b(?:insur\w+|cover)\b[^.?!]{{0,30}}\b(?:{RARE})\b",
    "auto": r"\b(?:auto|car|vehicle|motor) (?:insurance|policy|cover(?:age)?|quote)\b|\binsur\w+ (?:my|our|a|the"
    r"|two|both)"
    r" (?:\w+ )?(?:cars?|vehicles?|trucks?)\b|\bnew (?:car|driver)\b",
}
PATTERNS = {code: re.compile(pattern, re.IGNORECASE) for code, pattern in LINES.items()}
SENTENCE = re.compile(r"(?:[^.!?\n]|\.(?=\w)|\n(?!\s*\n))+[.!?]*")


@dataclass(frozen=True)
class Verdict:
    """How much a mail reads like a prospect's (0 to 1), why, the sentences it rests on, and the line it names."""

    score: float
    reasons: tuple[str, ...]
    quotes: tuple[str, ...] = ()
    line: str = ""

    @property
    def likely(self) -> bool:
        return self.score >= ENOUGH


def judged(subject: str, words: str, lines: Mapping[str, str]) -> Verdict:
    """How a mail with `subject` and the own `words` of its writer reads; `lines` are the names of our lines by code."""
    text = f"{subject}.\n\n{words}"[:LONGEST_READ].replace("’", "'")
    found = [one for one in (*FOR, *AGAINST) if one.pattern.search(text)]
    score, reasons = sum(one.weight for one in found), [one.reason for one in found]
    line = line_of(text, lines)
    if line:
        score += LINE
        reasons.insert(0, f"names a line of insurance ({lines[line]})")
    telling = [one.pattern for one in found if one.weight > 0] + ([pattern_of(line, lines[line])] if line else [])
    sentences = [" ".join(sentence.split())[:LONGEST_SENTENCE] for sentence in SENTENCE.findall(words[:LONGEST_READ])]
    ranked = sorted(sentences, key=lambda one: -sum(bool(pattern.search(one)) for pattern in telling))
    quotes = [one for one in ranked if any(pattern.search(one) for pattern in telling)][:MOST_QUOTED]
    return Verdict(round(min(max(score, 0), 1), 2), tuple(reasons), tuple(quotes), line)


def line_of(text: str, lines: Mapping[str, str]) -> str:
    """The code of the first of `lines` that `text` names, the narrower before the wider; empty where it names none."""
    codes = [*(code for code in LINES if code in lines), *(code for code in lines if code not in LINES)]
    return next((code for code in codes if pattern_of(code, lines[code]).search(text)), "")


def pattern_of(code: str, name: str) -> re.Pattern[str]:
    return PATTERNS.get(code) or re.compile(rf"\b{re.escape(name)}\b", re.IGNORECASE)


# What it says of whoever wrote it

TITLES = re.compile(
    r"\b(?:director|manager|owner|president|officer|assistant|ceo|cfo|founder|partner|engineer|consultant|accountant"
    r"|secretary|head|dr|sales|office|administrator|attorney|controller)\b",
    re.IGNORECASE,
)
NAME = re.compile(r"[^\W\d_][\w.'’-]*(?: [^\W\d_][\w.'’-]*){1,3}")
COMPANY = re.compile(
    r"\b((?:[A-Z][\w&'’-]*\.? ){1,4}(?:Ltd|Limited|LLC|L\.L\.C|Inc|Corp|Corporation|GmbH|PLC|Company|& Co|& Sons"
    r"|Partners|Group|Holdings|Associates)\b)"
)
ORGANISED = re.compile(r"[A-Z][\w&'’.-]*(?: (?:[A-Z&][\w&'’.-]*|of|and|the)){0,5}")
CALLED = re.compile(r"(?:phone|tel|telephone|call|cell|mobile|reach|number|ring)\b[^\d\n]{0,30}$", re.IGNORECASE)
YEARLY = re.compile(
    r"\b(?:budget|pay|paying|spend|premium)\b[^.?!]{0,40}?(?P<sum>[$€£]\s?\d[\d,. ]{0,12}k?)\b[^.?!\d]{0,12}"
    r"(?:a|per|each|every|\/) ?(?:year|annum|yr)|\bbudget\b[^.?!]{0,30}?(?P<budget>[$€£]\s?\d[\d,. ]{0,12}k?)",
    re.IGNORECASE,
)
LARGEST_VALUE = Decimal(10_000_000)


def name_of(shown: str, address: str, closing: list[str]) -> str:
    """What to call whoever wrote: the name beside the address, that under the mail, or what the address says."""
    for text in (shown, *closing[:3]):
        plain = visible(text).strip(" ,.\"'")
        if NAME.fullmatch(plain) and len(plain) <= 60 and not TITLES.search(plain):
            return plain
    single = visible(shown).strip(" ,.\"'")
    if 1 < len(single) <= 60 and single.replace("-", "").replace("'", "").isalpha():
        return single
    words = re.split(r"[._+-]+", address.partition("@")[0])
    return " ".join(word.capitalize() for word in words if word.isalpha())[:60] or address


def phone_of(text: str) -> str:
    """The first telephone number in `text` that is called one, or is written like one; empty where there is none."""
    for match in outgoing_checks.PHONE.finditer(outgoing_checks.DAY.sub(" · ", text)):
        digits = re.sub(r"\D", "", match[0])
        shaped = match[0].startswith(("+", "(")) or len(re.findall(r"[\s().-]+", match[0].strip())) >= 2
        if 9 <= len(digits) <= outgoing_checks.LONGEST_PHONE and (shaped or CALLED.search(text[: match.start()])):
            return " ".join(match[0].split())[:40]
    return ""


def company_of(text: str, closing: list[str], name: str) -> str:
    """The company that stands under the name, or is written as one; empty where none is."""
    lines = [visible(line).strip(" ,.|") for line in closing]
    for above, line in zip(lines, lines[1:], strict=False):
        if above == name and ORGANISED.fullmatch(line) and not TITLES.search(line) and len(line) <= 80:
            return line
    found = COMPANY.search(visible(text))
    return found[1].strip()[:80] if found else ""


def value_of(text: str) -> Decimal | None:
    """What they pay or mean to pay a year, where they say so."""
    match = YEARLY.search(text)
    sums = outgoing_checks.amounts((match["sum"] or match["budget"]).strip()) if match else {}
    value = next(iter(sums), None)
    return value.quantize(Decimal("0.01")) if value is not None and 0 < value <= LARGEST_VALUE else None
