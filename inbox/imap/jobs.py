"""Which jobs work on mailboxes, one at a time for each mailbox."""

from datetime import datetime
from uuid import UUID

from procrastinate.contrib.django import app

from crm.runtime.job_queue import enqueue

FETCH_JOB, FILING_JOB = "inbox.fetch_mail", "inbox.file_sent"


def mailbox_lock(mailbox: UUID) -> str:
    return f"mailbox {mailbox}"


def defer_fetch(mailbox: UUID, *, gaps: bool = False) -> None:
    """Queue the job that fetches what is new in `mailbox`, or with `gaps` what was passed over; one is enough."""
    waiting = f"{'gaps of ' if gaps else ''}{mailbox_lock(mailbox)}"
    enqueue(
        app.configure_task(FETCH_JOB, lock=mailbox_lock(mailbox), queueing_lock=waiting),
        mailbox=str(mailbox),
        gaps=gaps,
    )


def defer_filing(mailbox: UUID, message: UUID, *, at: datetime, attempt: int = 1) -> None:
    """Queue the job that files a mail of ours in the folder of what was sent, for `at`."""
    waiting = f"filing of {message}"
    task = app.configure_task(FILING_JOB, lock=mailbox_lock(mailbox), queueing_lock=waiting, schedule_at=at)
    enqueue(task, message=str(message), attempt=attempt)
