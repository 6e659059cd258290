"""What keeps the program from starting, said in a sentence that a person can act on."""

from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError
from psycopg import Error as DriverError


class DatabaseUnusable(OperationalError):
    """The database cannot be had, or is not one we can work with; the message is for a person."""


def startup_error_message(error: Exception) -> str | None:
    """The sentence for `error`, or None when it is a fault of the program and deserves its traceback."""
    if isinstance(error, ImproperlyConfigured | DatabaseUnusable):
        return str(error)
    if isinstance(error, OperationalError) and _is_connection_failure(error):
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        return f"The database cannot be reached: {lines[0] if lines else 'no answer'}. Is DATABASE_URL right?"
    return None


def _is_connection_failure(error: OperationalError) -> bool:
    # A server that turned a statement down always says which SQLSTATE; a connection that failed has none.
    return isinstance(error.__cause__, DriverError) and error.__cause__.sqlstate is None
