"""Letters reduced to what a search compares."""

import re
import unicodedata

COMBINING_MARKS = re.compile("[\u0300-\u036f]")
# The same as in `letters_without_accents`, a function of the database.
APOSTROPHES = str.maketrans(dict.fromkeys("’‘ʼ´`′", "'"))
LIGATURES = {"ß": "ss", "æ": "ae", "œ": "oe"}
OTHER_LETTERS = str.maketrans("øłđðı", "olddi")


def plain_letters(text: str) -> str:
    """Return `text` in lower case, without accents and with one kind of apostrophe, as the database searches it."""
    bare = COMBINING_MARKS.sub("", unicodedata.normalize("NFKD", text.translate(APOSTROPHES)))
    # Letter by letter, as the database does it: lowering a whole text can change its end (Σ).
    lower = "".join(char.lower()[0] for char in bare)
    for letter, plain in LIGATURES.items():
        lower = lower.replace(letter, plain)
    return lower.translate(OTHER_LETTERS)
