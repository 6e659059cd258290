"""What can be found in a text that is about to leave the house: links, addresses, numbers, names, what is hidden.

Everything here is computed from the text alone. It finds too much rather than too little; what of it is known, and
so no news, is for `suggestions.policy.findings` to say.
"""

import re
import unicodedata
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation

# More than these are not looked up one by one: a text that is full of them is pointed out as a whole.
MOST_NAMES = 40
SHORTEST_PHONE, LONGEST_PHONE = 7, 15
LONGEST_NAME = 4
BLANK_LINES, BLANK_RUN = 15, 80

ADDRESS = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+")
# Each pattern begins only where what it looks for can begin: tried at every character of a long run, the time would
# grow with the square of its length.
# What mail programs make a link of, with or without its scheme.
TLDS = (
    "com|net|org|info|biz|io|co|app|dev|ai|me|tv|cc|ws|ly|gl|gd|to|sh|link|click|xyz|top|site|online|shop|store|club"
    "|live|icu|buzz|zip|mov|ru|cn|uk|de|fr|nl|es|it|pl|eu|us|ca|au|in|br|jp|kr|ch|at|be|se|no|dk|fi|ie|nz|za|mx|su|tk"
)
LINK = re.compile(
    r"(?:[a-z][a-z0-9+.-]{1,15}://|www\.|(?:javascript|data|file|vbscript):)[^\s<>\"“”]+"
    rf"|(?<![\w@.-])(?:[\w-]+\.)+(?:{TLDS})\b(?:[/?#:][^\s<>\"“”]*)?"
    r"|(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}[:/][^\s<>\"“”]+",
    re.IGNORECASE,
)
PHONE = re.compile(r"(?<![\w.,$€£])\+?\(?\d[\d\s().\-/]{5,22}\d(?!\w)")
NUMBER = r"\d{1,3}(?:[ ,.'’]\d{3})+(?:[.,]\d{1,2})?|\d+(?:[.,]\d{1,2})?"
SYMBOL = r"[$€£¥]|\b(?:USD|EUR|GBP|CHF|CAD|AUD)\b"
WORDS = r"(?:US )?(?:dollars?|euros?|pounds?|francs?|bucks)\b"
TIMES = r"k\b|m\b|mio\b|bn\b|thousand\b|million\b|billion\b"
MONEY = re.compile(
    rf"(?:{SYMBOL})\s?(?P<before>{NUMBER})(?:\s?(?P<times>{TIMES}))?"
    rf"|(?<!\d)(?P<after>{NUMBER})(?:\s?(?P<times_after>{TIMES}))?\s?(?:{SYMBOL}|{WORDS})",
    re.IGNORECASE,
)
ANY_NUMBER = re.compile(rf"(?P<number>{NUMBER})(?:\s?(?P<times>{TIMES}))?", re.IGNORECASE)
FACTORS = {"k": 1_000, "thousand": 1_000, "m": 10**6, "mio": 10**6, "million": 10**6, "bn": 10**9, "billion": 10**9}
WORD = re.compile(r"[^\W\d_][\w'’\-]*")
DAY = re.compile(r"(?<!\d)(?:\d{4}-\d{1,2}-\d{1,2}|\d{1,2}[./]\d{1,2}[./](?:19|20)\d\d)(?!\d)")
LINKING = frozenset({"&", "and", "of", "the", "de", "da", "del", "der", "di", "du", "la", "le", "van", "von", "y"})
# Words that mails are made of: none begins or ends the name of anybody whom we know.
COMMON = """
    a about after all also am an and any are as ask at auto bcc be best but by call can cc cheers could day dear did
    do does each email even every february first fwd for forward friday from give good great greetings had has have
    he hello her here hi his how i if in insurance is it its january july june just kind kindly last let march may me
    meanwhile meeting monday more my new next no not november now october of offer ok on once one or our out per
    please policy proposal quote re regarding regards reply saturday second see send september she should sincerely
    so some sorry subject sunday sure team tell than thank thanks that the their them then there these they this
    those thursday till to today tomorrow tuesday until up us wednesday we week welcome were what when where which
    while who why will wishes with would yes yesterday you your yours april august december
"""
EVERYDAY = frozenset(COMMON.split())
ENCODED = re.compile(r"(?<![\w+/\-])(?=[A-Za-z0-9+/_\-]*\d)(?=[A-Za-z0-9+/_\-]*[A-Za-z])[A-Za-z0-9+/_\-]{48,}={0,2}")
MARKUP = re.compile(r"<!--|<\s*(?:script|style|iframe|object|embed|form|meta|img)\b|display\s*:\s*none", re.IGNORECASE)
BLANKS = re.compile(rf"(?:[^\S\n]*\n){{{BLANK_LINES},}}|[^\S\n]{{{BLANK_RUN},}}")
DIRECTION = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Letters and signs that are drawn as nothing though they are no format characters.
FILLERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
JOINER, SELECTOR = "\u200d", "\ufe0f"


def plain(text: str) -> str:
    """`text` as it reads: what is drawn as nothing left out, look-alike forms of a letter made that letter."""
    seen = "".join(character for character in text if not unseen(character))
    return unicodedata.normalize("NFKC", seen)


def unseen(character: str) -> bool:
    """Whether `character` is drawn as nothing (a line break and a tab are not meant)."""
    if character in "\n\r\t":
        return False
    return character in FILLERS or unicodedata.category(character) in {"Cf", "Cc", "Co", "Cn", "Cs"}


def hidden(text: str) -> list[tuple[str, str]]:
    """What of `text` its reader does not see: a code and a sentence for each sort."""
    found = {}
    for before, character, after in zip(" " + text, text, text[1:] + " ", strict=False):
        if not unseen(character) or (character == JOINER and pictures(before, after)):
            continue
        found[sort_of(character)] = True
    if BLANKS.search(text):
        found["blank"] = True
    if MARKUP.search(text):
        found["markup"] = True
    sentences = {
        "tags": "There is text in it that is written in invisible characters.",
        "direction": "It holds characters that turn the direction of writing around, so that it reads otherwise.",
        "invisible": "It holds invisible characters.",
        "blank": "A long empty stretch keeps the end of it out of sight.",
        "markup": "It holds markup that a mail program may not show.",
    }
    return [(code, sentence) for code, sentence in sentences.items() if code in found]


def sort_of(character: str) -> str:
    if 0xE0000 <= ord(character) <= 0xE007F:
        return "tags"
    return "direction" if character in DIRECTION else "invisible"


def pictures(before: str, after: str) -> bool:
    """Whether a joiner between the two makes one picture of them."""
    return (before == SELECTOR or unicodedata.category(before) in {"So", "Sk"}) and unicodedata.category(after) == "So"


def links(text: str) -> list[str]:
    """The links in `text` as they stand there, each once; an address of mail is none."""
    without = ADDRESS.sub(" ", text) if "://" not in text else text
    found = (match[0].rstrip(".,;:!?)]}>'’*_") for match in LINK.finditer(without))
    return list(dict.fromkeys(link for link in found if "." in link or ":" in link))


def addresses(text: str) -> list[str]:
    """The mail addresses in `text` in lower case, each once."""
    return list(dict.fromkeys(match[0].strip(".'`").lower() for match in ADDRESS.finditer(text)))


def phones(text: str) -> list[str]:
    """The digits of what may be telephone numbers in `text`, each once."""
    without = DAY.sub(" · ", text)
    found = (re.sub(r"\D", "", match[0]) for match in PHONE.finditer(without))
    return list(dict.fromkeys(one for one in found if SHORTEST_PHONE <= len(one) <= LONGEST_PHONE))


def amounts(text: str) -> dict[Decimal, str]:
    """The sums of money in `text`, and how each is written there."""
    found = {}
    for match in MONEY.finditer(text):
        value = worth(match["before"] or match["after"], match["times"] or match["times_after"])
        if value is not None:
            found.setdefault(value, match[0].strip())
    return found


def numbers(text: str) -> set[Decimal]:
    """Every number in `text`."""
    found = (worth(match["number"], match["times"]) for match in ANY_NUMBER.finditer(text))
    return {value for value in found if value is not None}


def worth(digits: str, times: str | None) -> Decimal | None:
    """`1,200.50`, `1.200,50` and `1.2 m` as numbers."""
    grouped = re.sub(r"[ '’]", "", digits)
    head, mark, tail = max((grouped.rpartition(","), grouped.rpartition(".")), key=lambda part: len(part[0]))
    # After the last mark come cents, or else three digits of a group.
    whole, cents = (head, tail) if mark and len(tail) <= 2 else (grouped, "")
    try:
        value = Decimal(re.sub(r"[.,]", "", whole) + (f".{cents}" if cents else ""))
    except InvalidOperation:
        return None
    return (value * FACTORS.get((times or "").lower(), 1)).normalize()


def names(text: str) -> list[str]:
    """What may be names of people and companies in `text`, in lower case: two to four capitalised words in a row.

    One more than `MOST_NAMES` where there are more.
    """
    found: dict[str, None] = {}
    for run in capitalised(text):
        for start, length in spans(len(run)):
            part = run[start : start + length]
            if part[0].lower() not in LINKING and part[-1].lower() not in LINKING:
                found.setdefault(" ".join(part).lower())
                if len(found) > MOST_NAMES:
                    return list(found)
    return list(found)


def spans(length: int) -> Iterator[tuple[int, int]]:
    """Start and length of every part of two words and more, the longest first."""
    for size in range(min(length, LONGEST_NAME), 1, -1):
        yield from ((start, size) for start in range(length - size + 1))


def single_names(text: str) -> list[str]:
    """Capitalised words, as they are written, that may be the whole name of a company."""
    words = (word for run in capitalised(text) for word in run if len(word) > 3)
    return list(dict.fromkeys(words))[:MOST_NAMES]


def capitalised(text: str) -> Iterator[list[str]]:
    """Runs of capitalised words with nothing but blanks and linking words between, everyday words left out."""
    run: list[str] = []
    end = 0
    for match in WORD.finditer(text):
        word = match[0].rstrip("-'’")
        word = re.sub(r"['’]s$", "", word)
        between = text[end : match.start()]
        initial = run and len(run[-1]) == 1 and between == ". "
        if run and not initial and not re.fullmatch(r"[ \t\xa0]{1,3}|[ \t]?\r?\n[ \t]?| ?& ?", between):
            yield run
            run = []
        end = match.end()
        if word.lower() in EVERYDAY and not (run and word.lower() in LINKING):
            if run:
                yield run
            run = []
        elif word[:1].isupper() or (run and word.lower() in LINKING):
            run = [*run, *(["&"] if "&" in between else []), word]
        elif run:
            yield run
            run = []
    if run:
        yield run


def encoded(text: str) -> bool:
    """Whether there is something in `text` that only a program reads."""
    return any(ENCODED.search(part) for part in text.split())
