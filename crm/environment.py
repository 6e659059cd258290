"""Reading the environment: each variable is understood, or the start stops with a sentence that names it."""

import logging
import zoneinfo
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import environ
from django.core.exceptions import ImproperlyConfigured
from psycopg import ProgrammingError
from psycopg.conninfo import make_conninfo

YES = {"1", "true", "yes", "on"}
NO = {"0", "false", "no", "off"}
POSTGRES_SCHEMES = ("postgres://", "postgresql://")


class BadVariable(ImproperlyConfigured):
    """A variable that cannot be used as it is; the message is the sentence that a person reads."""


def port_number(text: str) -> int:
    """A TCP port.

    Raises:
        ValueError: `text` is none.
    """
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65_536):
        raise ValueError(f"{text!r} is no port")
    return int(text)


class Environment:
    """The variables of the process, completed by the file `.env` where the process does not say."""

    def __init__(self, env_file: Path) -> None:
        try:
            if env_file.exists():
                # `read_env` takes a file that it may not read for one that is not there: a server would then
                # run with the defaults for development.
                env_file.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise BadVariable(f"{env_file} cannot be read: {error}.") from error
        environ.Env.read_env(env_file)

    def text(self, name: str, default: str = "") -> str:
        """The value without surrounding blanks; an empty one counts as not given."""
        # Not `Env.str`, which takes a value that begins with a dollar sign for the name of another variable.
        return environ.Env.ENVIRON.get(name, "").strip() or default

    def words(self, name: str) -> list[str]:
        """A list written with commas."""
        return [word.strip() for word in self.text(name).split(",") if word.strip()]

    def flag(self, name: str, *, default: bool) -> bool:
        """Yes or no. Unlike `environ`, which takes every unknown word for no."""
        value = self.text(name, "yes" if default else "no").lower()
        if value not in YES | NO:
            raise BadVariable(f"{name} is {value!r}: write true or false.")
        return value in YES

    def port(self, name: str, default: int) -> int:
        """A TCP port."""
        value = self.text(name, str(default))
        try:
            return port_number(value)
        except ValueError:
            raise BadVariable(f"{name} is {value!r}: write a number from 1 to 65535.") from None

    def time_zone(self, name: str, default: str) -> str:
        """A name of the IANA time zone database."""
        value = self.text(name, default)
        if value not in zoneinfo.available_timezones():
            raise BadVariable(f"{name} is {value!r}, which is no time zone: write one such as Europe/Berlin.")
        return value

    def log_level(self, name: str, default: str) -> str:
        """A level of the logging module, in capitals."""
        value = self.text(name, default).upper()
        if value not in logging.getLevelNamesMapping():
            raise BadVariable(f"{name} is {value!r}: write DEBUG, INFO, WARNING, ERROR or CRITICAL.")
        return value

    def database(self, name: str) -> dict[str, Any] | None:
        """Django's settings of the PostgreSQL that the URL names, or None where no URL is given.

        The URL is never repeated in an error, because it holds a password.
        """
        url = self.text(name)
        if not url:
            return None
        example = "write postgresql://user:password@host:5432/name"
        if not url.startswith(POSTGRES_SCHEMES):
            raise BadVariable(f"{name} does not name a PostgreSQL database, the only kind we run on: {example}.")
        try:
            parsed = environ.Env.db_url_config(url)
            make_conninfo(**parsed.get("OPTIONS", {}))
        except (ValueError, ImproperlyConfigured, ProgrammingError) as error:
            raise BadVariable(f"{name} cannot be understood: {example}.") from error
        if not parsed["NAME"]:
            raise BadVariable(f"{name} names no database: {example}.")
        # A socket's folder is written with %2F for its slashes.
        return {**parsed, "HOST": unquote(parsed["HOST"])}
