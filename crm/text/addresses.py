"""Who a mail goes to and comes from: addresses and header lines in which nothing can hide."""

import re
import unicodedata
from collections.abc import Iterable
from email.utils import parseaddr

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from crm.exceptions import InvalidInput

MAX_RECIPIENTS = 10
MAX_HEADER_LENGTH = 500
# What ends a line, turns it around or hides in it. The joiners that emoji and some scripts need are none of it.
CONTROL_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
INVISIBLE_CHARACTERS = frozenset(
    "\u00ad\u061c\u180e\u200b\u200e\u200f\u2060\ufeff\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)
BCC_PREFIX = re.compile(r"bcc\s*:", re.IGNORECASE)


def clean_address(text: str) -> str:
    """`text`, if it is one plain mail address.

    Raises:
        InvalidInput: it is not, and the sentence says why.
    """
    excerpt = printable_excerpt(text)
    if has_hidden_characters(text):
        raise InvalidInput(f"“{excerpt}” holds a line break or an invisible character: no address does.")
    text = text.strip()
    if not text.isascii():
        raise InvalidInput(
            f"“{excerpt}” holds letters that look like others or that no mail server takes: write it in ASCII."
        )
    if BCC_PREFIX.match(text):
        raise InvalidInput("Nobody is written to in secret: Bcc is not possible.")
    try:
        validate_email(text)
    except ValidationError:
        raise InvalidInput(f"“{excerpt}” is not a mail address.") from None
    if len(text) > 254:
        raise InvalidInput(f"“{excerpt}” is too long for a mail address.")
    return text


def clean_addresses(texts: Iterable[str]) -> list[str]:
    """`texts` as addresses, each once.

    Raises:
        InvalidInput: one of them is none, or there are too many.
    """
    found: dict[str, str] = {}
    for text in texts:
        plain = clean_address(text)
        found.setdefault(plain.lower(), plain)
    if len(found) > MAX_RECIPIENTS:
        raise InvalidInput(f"One mail goes to at most {MAX_RECIPIENTS} people.")
    return list(found.values())


def clean_header(text: str, what: str) -> str:
    """`text` as the one line of a header that people call `what`.

    Raises:
        InvalidInput: it holds a line break or something invisible, or is too long.
    """
    text = text.strip()
    if has_hidden_characters(text):
        raise InvalidInput(f"The {what} holds a line break or an invisible character: “{printable_excerpt(text)}”.")
    if len(text) > MAX_HEADER_LENGTH:
        raise InvalidInput(f"The {what} is longer than {MAX_HEADER_LENGTH} characters.")
    return text


def has_hidden_characters(text: str) -> bool:
    """Whether `text` holds what nobody sees, or what ends a line."""
    return any(map(is_hidden_character, text))


def strip_hidden_characters(text: str) -> str:
    """`text` in one line, without what nobody sees."""
    spaced = "".join(" " if character.isspace() else character for character in text)
    return " ".join("".join(character for character in spaced if not is_hidden_character(character)).split())


def is_hidden_character(character: str) -> bool:
    return character in INVISIBLE_CHARACTERS or unicodedata.category(character) in CONTROL_CATEGORIES


def printable_excerpt(text: str) -> str:
    """`text` fit to stand in a sentence."""
    plain = "".join("·" if is_hidden_character(character) else character for character in text)
    return plain if len(plain) <= 60 else f"{plain[:60]}…"


def agency_sender() -> tuple[str, str]:
    """The name and the address of the agency, from MAIL_FROM."""
    return parseaddr(settings.DEFAULT_FROM_EMAIL)


def agency_domain() -> str:
    """The part of our address after the @, for the Message-IDs that we give."""
    return agency_sender()[1].rpartition("@")[2]
