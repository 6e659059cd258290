"""Who a mail goes to and comes from: addresses and header lines in which nothing can hide."""

import re
import unicodedata
from collections.abc import Iterable
from email.utils import parseaddr

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from crm.exceptions import BadInput

MOST_RECIPIENTS = 10
LONGEST_HEADER = 500
# What ends a line, turns it around or hides in it. The joiners that emoji and some scripts need are none of it.
ENDING = frozenset({"Cc", "Cs", "Zl", "Zp"})
HIDING = frozenset(
    "\u00ad\u061c\u180e\u200b\u200e\u200f\u2060\ufeff\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)
BCC = re.compile(r"bcc\s*:", re.IGNORECASE)


def address(text: str) -> str:
    """`text`, if it is one plain mail address.

    Raises:
        BadInput: it is not, and the sentence says why.
    """
    shown = shortened(text)
    if hidden(text):
        raise BadInput(f"“{shown}” holds a line break or an invisible character: no address does.")
    text = text.strip()
    if not text.isascii():
        raise BadInput(
            f"“{shown}” holds letters that look like others or that no mail server takes: write it in ASCII."
        )
    if BCC.match(text):
        raise BadInput("Nobody is written to in secret: Bcc is not possible.")
    try:
        validate_email(text)
    except ValidationError:
        raise BadInput(f"“{shown}” is not a mail address.") from None
    if len(text) > 254:
        raise BadInput(f"“{shown}” is too long for a mail address.")
    return text


def addresses(texts: Iterable[str]) -> list[str]:
    """`texts` as addresses, each once.

    Raises:
        BadInput: one of them is none, or there are too many.
    """
    found: dict[str, str] = {}
    for text in texts:
        plain = address(text)
        found.setdefault(plain.lower(), plain)
    if len(found) > MOST_RECIPIENTS:
        raise BadInput(f"One mail goes to at most {MOST_RECIPIENTS} people.")
    return list(found.values())


def header(text: str, what: str) -> str:
    """`text` as the one line of a header that people call `what`.

    Raises:
        BadInput: it holds a line break or something invisible, or is too long.
    """
    text = text.strip()
    if hidden(text):
        raise BadInput(f"The {what} holds a line break or an invisible character: “{shortened(text)}”.")
    if len(text) > LONGEST_HEADER:
        raise BadInput(f"The {what} is longer than {LONGEST_HEADER} characters.")
    return text


def hidden(text: str) -> bool:
    """Whether `text` holds what nobody sees, or what ends a line."""
    return any(map(unseen, text))


def visible(text: str) -> str:
    """`text` in one line, without what nobody sees."""
    spaced = "".join(" " if character.isspace() else character for character in text)
    return " ".join("".join(character for character in spaced if not unseen(character)).split())


def unseen(character: str) -> bool:
    return character in HIDING or unicodedata.category(character) in ENDING


def shortened(text: str) -> str:
    """`text` fit to stand in a sentence."""
    plain = "".join("·" if unseen(character) else character for character in text)
    return plain if len(plain) <= 60 else f"{plain[:60]}…"


def house() -> tuple[str, str]:
    """The name and the address of the agency, from MAIL_FROM."""
    return parseaddr(settings.DEFAULT_FROM_EMAIL)


def domain() -> str:
    """The part of our address after the @, for the Message-IDs that we give."""
    return house()[1].rpartition("@")[2]
