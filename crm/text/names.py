"""Names of people and companies in a text, told by their capital letters."""

import re
from collections.abc import Iterator

# A text with more names than these is reported as a whole; they are not looked up one by one.
MAX_NAMES = 40
MAX_NAME_WORDS = 4
NAME_WORD_PATTERN = re.compile(r"[^\W\d_][\w'’\-]*")
LINKING_WORDS = frozenset(
    {"&", "and", "of", "the", "de", "da", "del", "der", "di", "du", "la", "le", "van", "von", "y"}
)
# Everyday words of an email: no name of a customer begins or ends with one.
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
HONORIFICS = frozenset({"mr", "mrs", "ms", "miss", "dr", "prof"})


def extract_names(text: str) -> list[str]:
    """Return what may be names in `text`, in lower case: two to four capitalised words in a row.

    Stops one past `MAX_NAMES`, so that a longer list shows that there are more.
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
    """Yield start and length of every part of two words or more, the longest first."""
    for size in range(min(length, MAX_NAME_WORDS), 1, -1):
        yield from ((start, size) for start in range(length - size + 1))


def extract_single_names(text: str) -> list[str]:
    """Return the capitalised words of `text`, as written, that may be the whole name of a company."""
    words = (word for run in capitalised_runs(text) for word in run if len(word) > 3)
    return list(dict.fromkeys(words))[:MAX_NAMES]


def capitalised_runs(text: str) -> Iterator[list[str]]:
    """Yield runs of capitalised words, with only spaces and linking words between them and no everyday words."""
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


def first_name(name: str) -> str:
    """Return the first word of `name` that is not a title such as "Dr."."""
    words = name.split()
    while len(words) > 1 and words[0].lower().rstrip(".") in HONORIFICS:
        words.pop(0)
    return words[0] if words else ""
