"""What can be found in a text that is about to leave the house: links, addresses, numbers, names, what is hidden.

Everything here is computed from the text alone. It finds too much rather than too little; what of it is known, and
so no news, is for `suggestions.policy.findings` to say.
"""

import re
import unicodedata
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation

# More than these are not looked up one by one: a text that is full of them is pointed out as a whole.
MAX_NAMES = 40
PHONE_MIN_DIGITS, PHONE_MAX_DIGITS = 7, 15
MAX_NAME_WORDS = 4
BLANK_LINES, BLANK_RUN = 15, 80

EMAIL_ADDRESS_PATTERN = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+")
# Each pattern begins only where what it looks for can begin: tried at every character of a long run, the time would
# grow with the square of its length.
# What mail programs make a link of, with or without its scheme.
TLDS = (
    "com|net|org|info|biz|io|co|app|dev|ai|me|tv|cc|ws|ly|gl|gd|to|sh|link|click|xyz|top|site|online|shop|store|club"
    "|live|icu|buzz|zip|mov|ru|cn|uk|de|fr|nl|es|it|pl|eu|us|ca|au|in|br|jp|kr|ch|at|be|se|no|dk|fi|ie|nz|za|mx|su|tk"
)
LINK_PATTERN = re.compile(
    r"(?:[a-z][a-z0-9+.-]{1,15}://|www\.|(?:javascript|data|file|vbscript):)[^\s<>\"“”]+"
    rf"|(?<![\w@.-])(?:[\w-]+\.)+(?:{TLDS})\b(?:[/?#:][^\s<>\"“”]*)?"
    r"|(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}[:/][^\s<>\"“”]+",
    re.IGNORECASE,
)
PHONE_PATTERN = re.compile(r"(?<![\w.,$€£])\+?\(?\d[\d\s().\-/]{5,22}\d(?!\w)")
NUMBER_REGEX = r"\d{1,3}(?:[ ,.'’]\d{3})+(?:[.,]\d{1,2})?|\d+(?:[.,]\d{1,2})?"
CURRENCY_SYMBOL_REGEX = r"[$€£¥]|\b(?:USD|EUR|GBP|CHF|CAD|AUD)\b"
CURRENCY_WORD_REGEX = r"(?:US )?(?:dollars?|euros?|pounds?|francs?|bucks)\b"
MULTIPLIER_REGEX = r"k\b|m\b|mio\b|bn\b|thousand\b|million\b|billion\b"
MONEY_AMOUNT_PATTERN = re.compile(
    rf"(?:{CURRENCY_SYMBOL_REGEX})\s?(?P<before>{NUMBER_REGEX})(?:\s?(?P<times>{MULTIPLIER_REGEX}))?"
    rf"|(?<!\d)(?P<after>{NUMBER_REGEX})(?:\s?(?P<times_after>{MULTIPLIER_REGEX}))?\s?(?:{CURRENCY_SYMBOL_REGEX}|{CURRENCY_WORD_REGEX})",
    re.IGNORECASE,
)
ANY_NUMBER_PATTERN = re.compile(rf"(?P<number>{NUMBER_REGEX})(?:\s?(?P<times>{MULTIPLIER_REGEX}))?", re.IGNORECASE)
MULTIPLIER_FACTORS = {
    "k": 1_000,
    "thousand": 1_000,
    "m": 10**6,
    "mio": 10**6,
    "million": 10**6,
    "bn": 10**9,
    "billion": 10**9,
}
NAME_WORD_PATTERN = re.compile(r"[^\W\d_][\w'’\-]*")
CALENDAR_DATE_PATTERN = re.compile(r"(?<!\d)(?:\d{4}-\d{1,2}-\d{1,2}|\d{1,2}[./]\d{1,2}[./](?:19|20)\d\d)(?!\d)")
LINKING_WORDS = frozenset(
    {"&", "and", "of", "the", "de", "da", "del", "der", "di", "du", "la", "le", "van", "von", "y"}
)
# Words that mails are made of: none begins or ends the name of anybody whom we know.
COMMON_WORDS = """
    a about after all also am an and any are as ask at auto bcc be best but by call can cc cheers could day dear did
    do does each email even every february first fwd for forward friday from give good great greetings had has have
    he hello her here hi his how i if in insurance is it its january july june just kind kindly last let march may me
    meanwhile meeting monday more my new next no not november now october of offer ok on once one or our out per
    please policy proposal quote re regarding regards reply saturday second see send september she should sincerely
    so some sorry subject sunday sure team tell than thank thanks that the their them then there these they this
    those thursday till to today tomorrow tuesday until up us wednesday we week welcome were what when where which
    while who why will wishes with would yes yesterday you your yours april august december
"""
EVERYDAY_WORDS = frozenset(COMMON_WORDS.split())
ENCODED_PATTERN = re.compile(
    r"(?<![\w+/\-])(?=[A-Za-z0-9+/_\-]*\d)(?=[A-Za-z0-9+/_\-]*[A-Za-z])[A-Za-z0-9+/_\-]{48,}={0,2}"
)
MARKUP_PATTERN = re.compile(
    r"<!--|<\s*(?:script|style|iframe|object|embed|form|meta|img)\b|display\s*:\s*none", re.IGNORECASE
)
BLANK_STRETCH_PATTERN = re.compile(rf"(?:[^\S\n]*\n){{{BLANK_LINES},}}|[^\S\n]{{{BLANK_RUN},}}")
DIRECTION_CHARACTERS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Letters and signs that are drawn as nothing though they are no format characters.
INVISIBLE_LETTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
ZERO_WIDTH_JOINER, EMOJI_SELECTOR = "\u200d", "\ufe0f"


def visible_text(text: str) -> str:
    """`text` as it reads: what is drawn as nothing left out, look-alike forms of a letter made that letter."""
    seen = "".join(character for character in text if not is_invisible(character))
    return unicodedata.normalize("NFKC", seen)


def is_invisible(character: str) -> bool:
    """Whether `character` is drawn as nothing (a line break and a tab are not meant)."""
    if character in "\n\r\t":
        return False
    return character in INVISIBLE_LETTERS or unicodedata.category(character) in {"Cf", "Cc", "Co", "Cn", "Cs"}


def find_hidden_content(text: str) -> list[tuple[str, str]]:
    """What of `text` its reader does not see: a code and a sentence for each sort."""
    found = {}
    for before, character, after in zip(" " + text, text, text[1:] + " ", strict=False):
        if not is_invisible(character) or (character == ZERO_WIDTH_JOINER and joins_pictures(before, after)):
            continue
        found[classify_invisible(character)] = True
    if BLANK_STRETCH_PATTERN.search(text):
        found["blank"] = True
    if MARKUP_PATTERN.search(text):
        found["markup"] = True
    sentences = {
        "tags": "There is text in it that is written in invisible characters.",
        "direction": "It holds characters that turn the direction of writing around, so that it reads otherwise.",
        "invisible": "It holds invisible characters.",
        "blank": "A long empty stretch keeps the end of it out of sight.",
        "markup": "It holds markup that a mail program may not show.",
    }
    return [(code, sentence) for code, sentence in sentences.items() if code in found]


def classify_invisible(character: str) -> str:
    if 0xE0000 <= ord(character) <= 0xE007F:
        return "tags"
    return "direction" if character in DIRECTION_CHARACTERS else "invisible"


def joins_pictures(before: str, after: str) -> bool:
    """Whether a joiner between the two makes one picture of them."""
    return (before == EMOJI_SELECTOR or unicodedata.category(before) in {"So", "Sk"}) and unicodedata.category(
        after
    ) == "So"


def extract_links(text: str) -> list[str]:
    """The links in `text` as they stand there, each once; an address of mail is none."""
    without = EMAIL_ADDRESS_PATTERN.sub(" ", text) if "://" not in text else text
    found = (match[0].rstrip(".,;:!?)]}>'’*_") for match in LINK_PATTERN.finditer(without))
    return list(dict.fromkeys(link for link in found if "." in link or ":" in link))


def extract_addresses(text: str) -> list[str]:
    """The mail addresses in `text` in lower case, each once."""
    return list(dict.fromkeys(match[0].strip(".'`").lower() for match in EMAIL_ADDRESS_PATTERN.finditer(text)))


def extract_phones(text: str) -> list[str]:
    """The digits of what may be telephone numbers in `text`, each once."""
    without = CALENDAR_DATE_PATTERN.sub(" · ", text)
    found = (re.sub(r"\D", "", match[0]) for match in PHONE_PATTERN.finditer(without))
    return list(dict.fromkeys(one for one in found if PHONE_MIN_DIGITS <= len(one) <= PHONE_MAX_DIGITS))


def extract_amounts(text: str) -> dict[Decimal, str]:
    """The sums of money in `text`, and how each is written there."""
    found = {}
    for match in MONEY_AMOUNT_PATTERN.finditer(text):
        value = parse_number(match["before"] or match["after"], match["times"] or match["times_after"])
        if value is not None:
            found.setdefault(value, match[0].strip())
    return found


def extract_numbers(text: str) -> set[Decimal]:
    """Every number in `text`."""
    found = (parse_number(match["number"], match["times"]) for match in ANY_NUMBER_PATTERN.finditer(text))
    return {value for value in found if value is not None}


def parse_number(digits: str, times: str | None) -> Decimal | None:
    """`1,200.50`, `1.200,50` and `1.2 m` as numbers."""
    grouped = re.sub(r"[ '’]", "", digits)
    head, mark, tail = max((grouped.rpartition(","), grouped.rpartition(".")), key=lambda part: len(part[0]))
    # After the last mark come cents, or else three digits of a group.
    whole, cents = (head, tail) if mark and len(tail) <= 2 else (grouped, "")
    try:
        value = Decimal(re.sub(r"[.,]", "", whole) + (f".{cents}" if cents else ""))
    except InvalidOperation:
        return None
    return (value * MULTIPLIER_FACTORS.get((times or "").lower(), 1)).normalize()


def extract_names(text: str) -> list[str]:
    """What may be names of people and companies in `text`, in lower case: two to four capitalised words in a row.

    One more than `MAX_NAMES` where there are more.
    """
    found: dict[str, None] = {}
    for run in capitalised_runs(text):
        for start, length in name_spans(len(run)):
            part = run[start : start + length]
            if part[0].lower() not in LINKING_WORDS and part[-1].lower() not in LINKING_WORDS:
                found.setdefault(" ".join(part).lower())
                if len(found) > MAX_NAMES:
                    return list(found)
    return list(found)


def name_spans(length: int) -> Iterator[tuple[int, int]]:
    """Start and length of every part of two words and more, the longest first."""
    for size in range(min(length, MAX_NAME_WORDS), 1, -1):
        yield from ((start, size) for start in range(length - size + 1))


def extract_single_names(text: str) -> list[str]:
    """Capitalised words, as they are written, that may be the whole name of a company."""
    words = (word for run in capitalised_runs(text) for word in run if len(word) > 3)
    return list(dict.fromkeys(words))[:MAX_NAMES]


def capitalised_runs(text: str) -> Iterator[list[str]]:
    """Runs of capitalised words with nothing but blanks and linking words between, everyday words left out."""
    run: list[str] = []
    end = 0
    for match in NAME_WORD_PATTERN.finditer(text):
        word = match[0].rstrip("-'’")
        word = re.sub(r"['’]s$", "", word)
        between = text[end : match.start()]
        initial = run and len(run[-1]) == 1 and between == ". "
        if run and not initial and not re.fullmatch(r"[ \t\xa0]{1,3}|[ \t]?\r?\n[ \t]?| ?& ?", between):
            yield run
            run = []
        end = match.end()
        if word.lower() in EVERYDAY_WORDS and not (run and word.lower() in LINKING_WORDS):
            if run:
                yield run
            run = []
        elif word[:1].isupper() or (run and word.lower() in LINKING_WORDS):
            run = [*run, *(["&"] if "&" in between else []), word]
        elif run:
            yield run
            run = []
    if run:
        yield run


def has_encoded_run(text: str) -> bool:
    """Whether there is something in `text` that only a program reads."""
    return any(ENCODED_PATTERN.search(part) for part in text.split())
