"""Typed environment variables; an invalid value stops the start with a sentence that names it."""

import base64
import binascii
import logging
import re
import zoneinfo
from collections.abc import Mapping
from decimal import Decimal
from email.errors import MessageError
from email.headerregistry import Address
from email.policy import default as mail_policy
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured
from psycopg import ProgrammingError
from psycopg.conninfo import make_conninfo

TRUE_WORDS = {"1", "true", "yes", "on"}
FALSE_WORDS = {"0", "false", "no", "off"}
KEY_BYTES = 32
HEADER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,60}")
DECIMAL_NUMBER = re.compile(r"[0-9]{1,7}(\.[0-9]{1,6})?")
MAX_COUNT_VALUE = 1_000_000
POSTGRES_SCHEMES = ("postgres://", "postgresql://")
# Schemes of mail server URLs with their default ports: plain, TLS from the start, or STARTTLS.
MAIL_SCHEMES = {"smtp": ("", 25), "smtps": ("SSL", 465), "smtp+ssl": ("SSL", 465), "smtp+tls": ("TLS", 587)}


class BadVariable(ImproperlyConfigured):
    """A variable has an invalid value; the message is shown to the user."""


def derive_key(text: str) -> str:
    """Derive a key from `text`, for development."""
    return base64.urlsafe_b64encode(sha256(f"credentials {text}".encode()).digest()).decode()


def port_number(text: str) -> int:
    """Parse a TCP port.

    Raises:
        ValueError: `text` is not a port.
    """
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65_536):
        raise ValueError(f"{text!r} is not a port")
    return int(text)


class Environment:
    """The variables of the process, with the file `.env` as fallback."""

    def __init__(self, env_file: Path) -> None:
        try:
            if env_file.exists():
                # `read_env` treats an unreadable file as missing: a server would then run with the
                # development defaults.
                env_file.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise BadVariable(f"{env_file} cannot be read: {error}.") from error
        environ.Env.read_env(env_file)

    def text(self, name: str, default: str = "") -> str:
        """Return the value without surrounding whitespace; an empty value counts as unset."""
        # Not `Env.str`, which reads a value with a leading dollar sign as the name of another variable.
        return environ.Env.ENVIRON.get(name, "").strip() or default

    def comma_separated(self, name: str) -> list[str]:
        """Return a comma-separated list."""
        return [word.strip() for word in self.text(name).split(",") if word.strip()]

    def header_marks(self, name: str, default: str) -> dict[str, tuple[str, ...]]:
        """Return a comma-separated list of "Header: value", as the values of each header in lower case."""
        marks: dict[str, tuple[str, ...]] = {}
        for word in (self.text(name) or default).lower().split(","):
            header, separator, value = (part.strip() for part in word.partition(":"))
            if not (header and separator and value) or " " in header:
                raise BadVariable(f"{name} has “{word.strip()}”. Write a header and a value, such as X-Spam-Flag: yes")
            marks[header] = (*marks.get(header, ()), value)
        return marks

    def header_name(self, name: str) -> str:
        """Return the name of an HTTP header, such as X-Forwarded-For, or "" if unset."""
        value = self.text(name)
        if value and not HEADER_NAME.fullmatch(value):
            raise BadVariable(f"{name} is {value!r}. Write the name of a header, such as X-Forwarded-For.")
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        """Return a boolean. `environ` would read every unknown word as false."""
        value = self.text(name, "yes" if default else "no").lower()
        if value not in TRUE_WORDS | FALSE_WORDS:
            raise BadVariable(f"{name} is {value!r}. Write true or false.")
        return value in TRUE_WORDS

    def port(self, name: str, default: int) -> int:
        """Return a TCP port."""
        value = self.text(name, str(default))
        try:
            return port_number(value)
        except ValueError:
            raise BadVariable(f"{name} is {value!r}. Write a number from 1 to 65535.") from None

    def time_zone(self, name: str, default: str) -> str:
        """Return a name of the IANA time zone database."""
        value = self.text(name, default)
        if value not in zoneinfo.available_timezones():
            raise BadVariable(f"{name} is {value!r}, which is not a time zone. Write one such as Europe/Berlin.")
        return value

    def choice(self, name: str, default: str, choices: Mapping[str, str]) -> str:
        """Return one of the keys of `choices`; their values are examples for the error."""
        value = self.text(name, default)
        if value not in choices:
            offered = ", ".join(f"{choice} ({example})" for choice, example in choices.items())
            raise BadVariable(f"{name} is {value!r}. Write one of: {offered}.")
        return value

    def log_level(self, name: str, default: str) -> str:
        """Return a level of the logging module, in capitals."""
        value = self.text(name, default).upper()
        if value not in logging.getLevelNamesMapping():
            raise BadVariable(f"{name} is {value!r}. Write DEBUG, INFO, WARNING, ERROR or CRITICAL.")
        return value

    def database(self, name: str) -> dict[str, Any] | None:
        """Return Django's settings for the PostgreSQL URL, or None if it is unset.

        Errors never repeat the URL, because it holds a password.
        """
        url = self.text(name)
        if not url:
            return None
        example = "write postgresql://user:password@host:5432/name"
        if not url.startswith(POSTGRES_SCHEMES):
            raise BadVariable(f"{name} does not name a PostgreSQL database, the only supported kind: {example}.")
        try:
            parsed = environ.Env.db_url_config(url)
            make_conninfo(**parsed.get("OPTIONS", {}))
        except (ValueError, ImproperlyConfigured, ProgrammingError) as error:
            raise BadVariable(f"{name} is malformed: {example}.") from error
        if not parsed["NAME"]:
            raise BadVariable(f"{name} does not name a database: {example}.")
        # The folder of a socket has its slashes written as %2F.
        return {**parsed, "HOST": unquote(parsed["HOST"])}

    def web_address(self, name: str) -> str:
        """Return the base URL of an HTTP API without a trailing slash, or "" if unset.

        Errors never repeat it, because it may contain a password.
        """
        url = self.text(name).rstrip("/")
        if not url:
            return ""
        try:
            parsed = urlsplit(url)
            is_complete = bool(parsed.hostname) and (parsed.port is None or parsed.port > 0)
        except ValueError:
            is_complete = False
        is_plain = url.isascii() and url.isprintable() and not set(url) & set(" @?#\\")
        if not (is_complete and is_plain and parsed.scheme in {"http", "https"}):
            raise BadVariable(
                f"{name} is not a base URL. Write one such as https://api.example.com, without query or password."
            )
        return url

    def token(self, name: str) -> str:
        """Return a secret that is sent in a header; errors never repeat it."""
        value = self.text(name)
        if not value.isascii() or not value.isprintable() or " " in value:
            raise BadVariable(f"{name} contains whitespace or characters that are not allowed in a token.")
        return value

    def keys(self, name: str) -> list[str]:
        """Return comma-separated encryption keys (Fernet: 32 bytes in base64); errors never repeat them."""
        keys = self.comma_separated(name)
        if not all(is_fernet_key(key) for key in keys):
            raise BadVariable(f"{name} contains an invalid key. See .env.example on how to create one.")
        return keys

    def mail_server(self, name: str, default: str) -> dict[str, Any]:
        """Return Django's settings for the mail server URL, with an empty host if it is unset.

        Errors never repeat the URL, because it holds a password.
        """
        url = self.text(name, default)
        if not url:
            return {"EMAIL_HOST": ""}
        example = "write smtp+tls://user:password@host:587, smtps://user:password@host:465 or smtp://host:25"
        try:
            parsed = environ.Env.email_url_config(url)
        except (ValueError, ImproperlyConfigured):
            raise BadVariable(f"{name} is malformed: {example}.") from None
        scheme = url.split("://")[0].lower()
        port = parsed["EMAIL_PORT"]
        host = parsed["EMAIL_HOST"] or ""
        is_plain = host.isascii() and host.isprintable() and " " not in host
        if scheme not in MAIL_SCHEMES or not (host and is_plain) or not (port is None or isinstance(port, int)):
            raise BadVariable(f"{name} does not name a mail server: {example}.")
        security, default_port = MAIL_SCHEMES[scheme]
        return {
            "EMAIL_HOST": host,
            "EMAIL_PORT": port or default_port,
            "EMAIL_HOST_USER": parsed["EMAIL_HOST_USER"] or "",
            "EMAIL_HOST_PASSWORD": parsed["EMAIL_HOST_PASSWORD"] or "",
            "EMAIL_USE_SSL": security == "SSL",
            "EMAIL_USE_TLS": security == "TLS",
        }

    def sender(self, name: str, default: str) -> str:
        """Return a sender address with a name: `Agency <office@example.com>`."""
        value = self.text(name, default)
        invalid = BadVariable(f"{name} is {value!r}. Write a name and an address, as in Agency <office@example.com>.")
        try:
            header = mail_policy.header_factory("From", value)
        except (ValueError, IndexError, MessageError):
            raise invalid from None
        if header.defects or len(header.addresses) != 1 or not is_valid_sender(header.addresses[0]):
            raise invalid
        return value

    def number(self, name: str, default: str, *, maximum: int) -> Decimal:
        """Return a number from 0 to `maximum`, with a decimal point if needed."""
        value = self.text(name, default)
        if not (DECIMAL_NUMBER.fullmatch(value) and Decimal(value) <= maximum):
            raise BadVariable(f"{name} is {value!r}. Write a number from 0 to {maximum}.")
        return Decimal(value)

    def count(self, name: str, default: int) -> int:
        """Return a whole number from 0 to a million."""
        value = self.text(name, str(default))
        if not (value.isascii() and value.isdigit() and int(value) <= MAX_COUNT_VALUE):
            raise BadVariable(f"{name} is {value!r}. Write a whole number from 0 to {MAX_COUNT_VALUE}.")
        return int(value)

    def seconds(self, name: str, default: int) -> int:
        """Return a duration of at least one second."""
        value = self.text(name, str(default))
        if not (value.isascii() and value.isdigit() and 0 < int(value) <= 3_600):
            raise BadVariable(f"{name} is {value!r}. Write a number of seconds from 1 to 3600.")
        return int(value)


def is_fernet_key(text: str) -> bool:
    """Return whether `text` is 32 bytes in URL-safe base64."""
    try:
        return len(base64.b64decode(text.encode(), altchars=b"-_", validate=True)) == KEY_BYTES
    except (binascii.Error, ValueError):
        return False


def is_valid_sender(address: Address) -> bool:
    """Return whether `address` is a valid sender with a name."""
    return bool(address.display_name and address.username and "." in address.domain and address.addr_spec.isascii())
