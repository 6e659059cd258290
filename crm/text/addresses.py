"""Email addresses and header lines in which nothing can hide."""

import re
from collections.abc import Iterable
from email.utils import parseaddr

import idna
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from crm.exceptions import InvalidInput
from crm.text.cleaning import shorten
from crm.text.hidden_characters import has_hidden_characters, is_hidden_in_line

MAX_RECIPIENTS = 10
MAX_ADDRESS_LENGTH, MAX_HEADER_LENGTH, MAX_EXCERPT_LENGTH = 254, 500, 60
EMAIL_ADDRESS_PATTERN = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+")
REPEATED_DOTS = re.compile(r"\.{2,}")
BCC_PREFIX = re.compile(r"bcc\s*:", re.IGNORECASE)
# Addresses that only send: what is written to them is not read.
NO_REPLY_PATTERN = re.compile(r"(?:do[-_.]?)?no[nt]?[-_.]?reply|mailer-daemon@|bounces?[-_.+@]", re.IGNORECASE)


def clean_address(text: str) -> str:
    """Return `text` if it is one plain email address.

    Raises:
        InvalidInput: it is not, and the message says why.
    """
    excerpt = printable_excerpt(text)
    if has_hidden_characters(text):
        raise InvalidInput(f"“{excerpt}” contains a line break or an invisible character. Type the address again.")
    text = text.strip()
    if not text.partition("@")[0].isascii():
        raise InvalidInput(
            f"“{excerpt}” contains letters outside ASCII before the @, which mail servers may refuse. "
            "Write the address in ASCII, or use another one."
        )
    if not text.isascii():
        raise InvalidInput(
            f"“{excerpt}” contains letters outside ASCII, which may look like others. Write the address in ASCII."
        )
    if BCC_PREFIX.match(text):
        raise InvalidInput("Bcc is not available. Add the address to To or Cc.")
    try:
        # Some servers give addresses with dots where the standard allows none, such as "d..lee@example.com".
        local, _, domain = text.rpartition("@")
        validate_email(f"{REPEATED_DOTS.sub('.', local).strip('.')}@{domain}")
    except ValidationError:
        raise InvalidInput(f"“{excerpt}” is not an email address.") from None
    if len(text) > MAX_ADDRESS_LENGTH:
        raise InvalidInput(f"“{excerpt}” is longer than the {MAX_ADDRESS_LENGTH} characters of an email address.")
    return text


def sendable_address(address: str) -> str:
    """Return `address` with its domain in ASCII (IDNA), as mail servers need it; unchanged if there is no such form."""
    local, _, domain = address.rpartition("@")
    if domain.isascii():
        return address
    try:
        return f"{local}@{idna.encode(domain, uts46=True).decode('ascii')}"
    except idna.IDNAError:
        return address


def clean_addresses(texts: Iterable[str]) -> list[str]:
    """Return `texts` as email addresses, each once.

    Raises:
        InvalidInput: one of them is not an address, or there are too many.
    """
    found: dict[str, str] = {}
    for text in texts:
        plain = clean_address(text)
        found.setdefault(plain.lower(), plain)
    if len(found) > MAX_RECIPIENTS:
        raise InvalidInput(f"An email can have at most {MAX_RECIPIENTS} recipients; this one has {len(found)}.")
    return list(found.values())


def clean_header(text: str, name: str) -> str:
    """Return `text` as the one line of a header; `name` is what an error calls it.

    Raises:
        InvalidInput: it contains a line break or an invisible character, or is too long.
    """
    text = text.strip()
    if has_hidden_characters(text):
        raise InvalidInput(f"The {name} contains a line break or an invisible character: “{printable_excerpt(text)}”.")
    if len(text) > MAX_HEADER_LENGTH:
        raise InvalidInput(f"The {name} is longer than {MAX_HEADER_LENGTH} characters.")
    return text


def printable_excerpt(text: str) -> str:
    """Return the start of `text` for a message, with hidden characters shown as dots."""
    start = text[: MAX_EXCERPT_LENGTH + 1]
    plain = "".join("·" if is_hidden_in_line(start, at) else character for at, character in enumerate(start))
    return shorten(plain, MAX_EXCERPT_LENGTH)


def extract_addresses(text: str) -> list[str]:
    """Return the email addresses in `text` in lower case, each once."""
    return list(dict.fromkeys(match[0].strip(".'`").lower() for match in EMAIL_ADDRESS_PATTERN.finditer(text)))


def is_no_reply_address(address: str) -> bool:
    """Return whether the name of `address` says that replies are not read."""
    return bool(NO_REPLY_PATTERN.match(address))


def agency_sender() -> tuple[str, str]:
    """Return the name and the email address of the agency, from MAIL_FROM."""
    return parseaddr(settings.DEFAULT_FROM_EMAIL)


def agency_domain() -> str:
    """Return the domain of the agency's email address, in lower case."""
    return agency_sender()[1].rpartition("@")[2].lower()
