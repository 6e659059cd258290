"""What a request meets when the database or the disk fails: a page with a sentence, and one line on the console.

A failing database is no fault of the user: the session stays, and everyone stays logged in.
"""

import errno
import logging
import threading
import time
from dataclasses import dataclass

from django.db import DatabaseError, Error
from django.http import HttpResponse
from django.template.loader import render_to_string

logger = logging.getLogger(__name__)

# Seconds. When a browser or a proxy may ask again, and how often the console repeats a cause that stays.
RETRY_AFTER, REPEAT_AFTER = 30, 300.0
FULL_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT}
# SQLSTATEs of https://www.postgresql.org/docs/current/errcodes-appendix.html
DISK_FULL, READ_ONLY = "53100", "25006"
# Connections, resources, shutdown and start of the server, its input and output.
AWAY_PREFIXES = ("08", "53", "57P", "58", "28")


@dataclass(frozen=True)
class Outage:
    """A failure around the program: what the page says, and the cause for the console."""

    heading: str
    message: str
    cause: str


def find_outage(error: BaseException) -> Outage | None:
    """Return the outage that `error` is a sign of, or None for any other error."""
    if isinstance(error, OSError) and error.errno in FULL_DISK_ERRORS | {errno.EROFS}:
        return disk_full(f"{error.strerror}: {error.filename or 'no file name'}")
    # The job queue raises errors of its own, caused by those of the database.
    error = error if isinstance(error, Error) else error.__cause__
    if not isinstance(error, Error):
        return None
    cause = (str(error).strip().splitlines() or ["no reason given"])[0]
    driver_error = error.__cause__
    code = getattr(driver_error, "sqlstate", None)
    if code == DISK_FULL:
        return disk_full(f"the database says: {cause}")
    if code == READ_ONLY:
        return Outage(
            "Only reading is possible",
            "The database accepts no changes at the moment, so your change was not saved.",
            f"The database is read-only: {cause}",
        )
    if code.startswith(AWAY_PREFIXES) if code else is_connection_failure(error):
        return Outage(
            "The database cannot be reached",
            "If you were saving something, check later whether it was saved, before you enter it again.",
            f"The database cannot be reached: {cause}",
        )
    return None


def is_connection_failure(error: Error) -> bool:
    """Return whether `error`, which has no SQLSTATE, is of the connection and not of a statement."""
    return type(error).__name__ in {"OperationalError", "InterfaceError", "DatabaseUnusable"}


def disk_full(cause: str) -> Outage:
    return Outage(
        "Nothing can be saved",
        "The disk is full or cannot be written to, so your change was not saved.",
        f"The disk is full or cannot be written to: {cause}",
    )


class OutageLog:
    """The console's line about an outage: once for a cause, and again while it stays, not for every request."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._logged_at: dict[str, float] = {}

    def report(self, outage: Outage) -> None:
        """Log the cause of `outage`, unless it was logged lately."""
        now = time.monotonic()
        with self._lock:
            recent = {cause: at for cause, at in self._logged_at.items() if now - at < REPEAT_AFTER}
            is_new = outage.cause not in recent
            self._logged_at = {**recent, outage.cause: now} if is_new else recent
        if is_new:
            logger.error("%s. Requests are answered with status 503.", outage.cause.rstrip("."))


outage_log = OutageLog()


def report_outage(error: DatabaseError) -> None:
    """Log the outage behind `error`, if there is one."""
    if outage := find_outage(error):
        outage_log.report(outage)


def outage_response(error: BaseException) -> HttpResponse | None:
    """Return the page for an outage, or None if `error` is something else."""
    outage = find_outage(error)
    if outage is None:
        return None
    outage_log.report(outage)
    # Without the request: its context would ask the database.
    page = render_to_string("503.html", {"outage": outage})
    return without_log_line(HttpResponse(page, status=503, headers={"Retry-After": str(RETRY_AFTER)}))


def without_log_line(response: HttpResponse) -> HttpResponse:
    """Return `response`, for which Django writes no line to the console: it would write one for every request."""
    response._has_been_logged = True
    return response
