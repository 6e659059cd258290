"""Names with typing errors: the key that finds them in an index, and the comparison that judges them. Pure.

The key keeps the first letter of each word and its consonants in order, as the function `name_key` of the database
does. Vowels, doubled letters, accents and case do not count, and letters that sound alike are one letter.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

from crm.text.letters import plain_letters
from crm.text.names import HONORIFICS, SUFFIXES

SAME, SIMILAR = "same", "similar"
FAMILY_NAME_FIRST = re.compile(r"^([^,]+), *([^ ].*)$", re.DOTALL)
SOUND_ALIKE = str.maketrans("zcq", "skk", "'")
NOT_A_WORD = re.compile(r"[\u0001-\u002f\u003a-\u0060\u007b-\u00bf]+")
SILENT_LETTERS = re.compile(r"(?<=[a-z])[aeiouhwy]+")
DOUBLED_LETTER = re.compile(r"([a-z])\1+")
KEY_CONSONANTS = "bdfgjklmnprstvx"
MAX_EDITED_WORDS, MAX_EDITED_LENGTH = 4, 8
# A shorter word with another letter is often another name, such as Mario and Maria.
MIN_LENGTH_FOR_REPLACED_LETTER, MIN_LENGTH_FOR_TWO_ERRORS, MIN_MISSPELT_LENGTH = 6, 10, 3
LEGAL_FORM_WORDS = """
    inc incorporated corp corporation co company llc llp lp ltd limited plc gmbh mbh ag kg ohg ug se sa sas sarl srl
    spa bv nv oy oyj ab as aps the
"""
LEGAL_FORMS = frozenset(LEGAL_FORM_WORDS.split())


def name_key(text: str) -> str:
    """Return the key of a name, equal for most of its misspellings."""
    letters = FAMILY_NAME_FIRST.sub(r"\2 \1", plain_letters(text)).translate(SOUND_ALIKE)
    words = NOT_A_WORD.sub(" ", letters).strip(" ")
    return DOUBLED_LETTER.sub(r"\1", SILENT_LETTERS.sub("", words))


def likely_keys(name: str) -> list[str]:
    """Return the key of `name` and those of what it may be if one letter of it is wrong, missing or too many."""
    plain = " ".join(person_words(name)) or name
    keys = dict.fromkeys([name_key(name), name_key(plain), name_key(" ".join(reversed(plain.split())))])
    words = name_key(plain).split(" ")
    for place, word in enumerate(words[:MAX_EDITED_WORDS]):
        for edited in edited_words(word):
            keys[" ".join([*words[:place], edited, *words[place + 1 :]])] = None
    return [key for key in keys if key]


def edited_words(word: str) -> Iterator[str]:
    """Yield the keys at one error from the key `word`; the first letter stays, and numbers have no errors."""
    if len(word) > MAX_EDITED_LENGTH or not word.isalpha():
        return
    for place in range(1, len(word) + 1):
        head, tail = word[:place], word[place:]
        yield from (head + letter + tail for letter in KEY_CONSONANTS)
        if tail:
            yield head + tail[1:]
            yield from (head + letter + tail[1:] for letter in KEY_CONSONANTS)
        if len(tail) > 1:
            yield head + tail[1] + tail[0] + tail[2:]


@lru_cache(maxsize=4_096)
def person_words(name: str) -> tuple[str, ...]:
    """Return the words of a name in plain letters, without titles, suffixes and the initials of further names."""
    letters = FAMILY_NAME_FIRST.sub(r"\2 \1", plain_letters(name)).replace("'", "")
    words = NOT_A_WORD.sub(" ", letters).split()
    without_titles = [word for word in words if word not in HONORIFICS | SUFFIXES] or words
    full = [word for word in without_titles if len(word) > 1 or word.isdigit()]
    return tuple(full if len(full) > 1 else without_titles)


def compare_names(one: str, other: str) -> str:
    """Return whether two names are `SAME`, `SIMILAR` (one word of them is misspelt) or neither: an empty text."""
    words, others = sorted(person_words(one)), sorted(person_words(other))
    if not words or not others:
        return ""
    if words == others or "".join(person_words(one)) == "".join(person_words(other)):
        return SAME
    left, right = [*words], [*others]
    for word in words:
        if word in right:
            left.remove(word)
            right.remove(word)
    is_similar = len(left) == len(right) == 1 and len(words) > 1 and is_misspelt(left[0], right[0])
    return SIMILAR if is_similar else ""


def is_misspelt(one: str, other: str) -> bool:
    """Whether two words differ as one does from its misspelling: a letter too many, two swapped, or another letter."""
    shorter, longer = sorted((one, other), key=len)
    if len(shorter) < MIN_MISSPELT_LENGTH or not (one.isalpha() and other.isalpha()):
        return False
    distance = edit_distance(one, other)
    if len(shorter) >= MIN_LENGTH_FOR_TWO_ERRORS:
        return distance <= 2
    is_replaced = len(shorter) == len(longer) and sorted(one) != sorted(other)
    if is_replaced and (one[0] != other[0] or len(shorter) < MIN_LENGTH_FOR_REPLACED_LETTER):
        return False
    return distance == 1


def edit_distance(one: str, other: str) -> int:
    """Return how many letters are added, removed, replaced or swapped with their neighbour (optimal alignment)."""
    earlier: list[int] = []
    row = list(range(len(other) + 1))
    for place, letter in enumerate(one):
        earlier, previous, row = row and earlier, row, [place + 1]
        for index, other_letter in enumerate(other):
            cost = min(previous[index] + (letter != other_letter), previous[index + 1] + 1, row[index] + 1)
            if place and index and letter == other[index - 1] and one[place - 1] == other_letter:
                cost = min(cost, earlier[index - 1] + 1)
            row.append(cost)
        earlier = previous
    return row[-1]


def company_words(name: str) -> list[str]:
    """Return the words of a company's name in plain letters, without its legal form."""
    words = NOT_A_WORD.sub(" ", plain_letters(name).replace("'", "")).split()
    return [word for word in words if word not in LEGAL_FORMS] or words


def is_same_company(one: str, other: str) -> bool:
    words = "".join(company_words(one))
    return bool(words) and words == "".join(company_words(other))
