"""Why a job that changes the schema stopped, in a sentence."""

from django.db import DatabaseError, OperationalError
from psycopg.errors import AdminShutdown, DiskFull, OutOfMemory

from crm.text.cleaning import ensure_full_stop


def is_connection_lost(error: DatabaseError) -> bool:
    """Return whether `error` says nothing about the statement: the server ended, or the session was ended."""
    code = getattr(error.__cause__, "sqlstate", None)
    return isinstance(error, OperationalError) and (code is None or isinstance(error.__cause__, AdminShutdown))


def describe_failure(error: DatabaseError) -> str:
    """Return the sentence that a person reads about `error`. It may quote a value of a record."""
    if is_connection_lost(error):
        return "The connection to the database was lost."
    if isinstance(error.__cause__, DiskFull):
        return "The disk of the database is full. Make room."
    if isinstance(error.__cause__, OutOfMemory):
        return "The database ran out of memory. Make room."
    return ensure_full_stop(f"The database refused: {str(error).splitlines()[0]}")
