"""Startup errors as sentences that a user can act on."""

from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError
from psycopg import Error as DriverError


class DatabaseUnusable(OperationalError):
    """The database is unavailable or unsupported; the message is for the user."""


def startup_error_message(error: Exception) -> str | None:
    """Return the sentence for `error`, or None for a bug that needs its traceback."""
    if isinstance(error, ImproperlyConfigured | DatabaseUnusable):
        return str(error)
    if isinstance(error, OperationalError) and _is_connection_failure(error):
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        return f"The database cannot be reached: {lines[0] if lines else 'no answer'}. Check DATABASE_URL."
    return None


def _is_connection_failure(error: OperationalError) -> bool:
    # A refused statement always has a SQLSTATE; a failed connection has none.
    return isinstance(error.__cause__, DriverError) and error.__cause__.sqlstate is None
