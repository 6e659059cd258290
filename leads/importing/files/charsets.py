"""Tell single-byte encodings of Latin alphabets apart by the letters that occur together. Pure: no database.

Every byte is some letter in every such encoding, so a wrong one shows only in its words: “Micha³”, “Muńoz”. A word is
likely if the alphabet of one language covers it and its accents stand where that language puts them. If two encodings
explain all words equally well and give different texts, the bytes cannot tell, and the person who imports is asked.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

# The letters beyond a to z of the languages that each encoding serves.
WESTERN = (
    *("äöüß", "àâæçéèêëîïôœùûüÿ", "áéíñóúü", "àèéìíîòóùú", "ãáâàçéêíóôõú", "éëïóüèê", "åäöé", "æøåéèóò"),
    *("áðéíóúýþæö", "äöõüšž", "àçéèíïóòúü", "áéíóú"),
)
CENTRAL = (*("ąćęłńóśźż", "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "áéíóöőúüű", "čćđšž", "ăâîşţ", "äöüß", "ëç"),)
TURKISH = ("çğıöşüâîû", "äöüß")
BALTIC = ("ąčęėįšųūž", "āčēģīķļņšūž", "äöõüšž")
# In order of how often files have them: the first of two equal readings counts.
ALPHABETS = {
    "cp1252": WESTERN,
    "iso8859_15": WESTERN,
    "cp1250": CENTRAL,
    "iso8859_2": CENTRAL,
    "cp1254": TURKISH,
    "cp1257": BALTIC,
}
CONSONANT = "bcdfghjklmnpqrstvwxz"
# Accents where no language of the encodings puts them: a wrong encoding has turned a vowel into a consonant or back.
UNLIKELY_PATTERN = re.compile(
    rf"[{CONSONANT}][čřćňďĺŕ](?=[{CONSONANT}])|^[ĺŕćň](?=[{CONSONANT}])|[aeiouy][èøòìùõû](?=[aeiouyíáéóú])"
    f"|[{CONSONANT}][ŕĺň]$"
    "|ń(?=[aeiouyąęó])|ă(?=[aeou])|ő(?=[aeiouáéíóú])|[âêîôû](?=[âêîôûáéíóú])|^[ęąńěů]|^[ðþ]ü|ď(?=[cms])|[ąę](?=[aeiouy])"
)
SYMBOLS = "€„“”‚‘’–—…«»·•©®™°§¡¿½£¥$×±²ªº´"
LETTERS_AND_SYMBOLS = re.compile(rf"[^\W_]|[\x00-\x7f\xa0\xad]|[{SYMBOLS}]")
MAX_SAMPLED_WORDS = 5_000
# Baltic text has many different accents; Western text with a single one can pass for it.
MIN_BALTIC_LETTERS = 3
# Beyond this share of unlikely words, the text is in no Latin alphabet.
MAX_UNLIKELY_SHARE = 0.25


@dataclass(frozen=True)
class EncodingEvidence:
    """How many words of a sample are unlikely in an encoding."""

    encoding: str
    unlikely: float
    text: str


def rank_encodings(sample: bytes) -> list[str]:
    """Return the likeliest encoding of `sample`, then those that are as likely and give another text.

    Empty if the text is in no Latin alphabet.
    """
    evidence = weigh_encodings(sample)
    if not evidence or evidence[0].unlikely > MAX_UNLIKELY_SHARE:
        return []
    likeliest = [one for one in evidence if one.unlikely == evidence[0].unlikely]
    by_text = {one.text: one.encoding for one in reversed(likeliest)}
    return [likeliest[0].encoding, *(name for name in reversed(by_text.values()) if name != likeliest[0].encoding)]


def weigh_encodings(sample: bytes) -> list[EncodingEvidence]:
    """Return the Latin encodings that can explain `sample`, the likeliest first."""
    evidence = []
    for encoding in ALPHABETS:
        try:
            text = sample.decode(encoding)
        except UnicodeDecodeError:
            continue
        if encoding.startswith("iso") and re.search("[\x80-\x9f]", text):
            continue
        if (
            encoding == "cp1257"
            and len({char for char in text if not char.isascii() and char.isalpha()}) < MIN_BALTIC_LETTERS
        ):
            continue
        evidence.append(EncodingEvidence(encoding, unlikely_share(text, ALPHABETS[encoding]), text))
    return sorted(evidence, key=lambda one: one.unlikely)


def unlikely_share(text: str, alphabets: tuple[str, ...]) -> float:
    """Return the share of the words with accents or symbols in `text` that are unlikely in `alphabets`."""
    words = set(accented_words(text))
    unlikely = sum(not is_likely(word, alphabets) for word in words)
    return unlikely / max(len(words), 1)


def accented_words(text: str) -> Iterator[str]:
    for count, match in enumerate(re.finditer(r"[^\s,;|\"()<>/@]+", text)):
        if count > 50 * MAX_SAMPLED_WORDS:
            return
        if not match[0].isascii():
            yield match[0]


def is_likely(word: str, alphabets: tuple[str, ...]) -> bool:
    """Return whether one of `alphabets` covers `word`, and its accents and capitals stand where they can."""
    if not all(LETTERS_AND_SYMBOLS.match(char) for char in word):
        return False
    for part in re.split(r"[-'’.:!?&+_]+", word):
        letters = part.strip(SYMBOLS + "0123456789%*#")
        lower = letters.lower()
        if any(char in SYMBOLS for char in letters) and re.search(r"[^\W\d_]", letters):
            return False
        if UNLIKELY_PATTERN.search(lower) or re.search(r"[a-zß-ÿ][À-ÖØ-ÞĄĆČĎĘĚŁŃŇŘŚŠŤŹŻŽĽĹŔŢŞĞİ][a-z]", letters):
            return False
        accents = {char for char in lower if not char.isascii() and char.isalpha()}
        if not any(accents <= set(alphabet) for alphabet in alphabets):
            return False
    return True
