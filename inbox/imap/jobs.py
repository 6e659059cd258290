"""The background jobs of mailboxes. At most one runs per mailbox at a time."""

from datetime import datetime
from uuid import UUID

from crm.runtime.job_queue import configure_job, enqueue

FETCH_JOB, FILING_JOB = "inbox.fetch_mail", "inbox.file_sent"


def mailbox_lock(mailbox: UUID) -> str:
    return f"mailbox {mailbox}"


def defer_fetch(mailbox: UUID, *, gaps: bool = False) -> None:
    """Queue a job that fetches new email of `mailbox`, or missed email if `gaps`. One queued job is enough."""
    waiting = f"{'gaps of ' if gaps else ''}{mailbox_lock(mailbox)}"
    enqueue(
        configure_job(FETCH_JOB, lock=mailbox_lock(mailbox), queueing_lock=waiting),
        mailbox=str(mailbox),
        gaps=gaps,
    )


def defer_filing(mailbox: UUID, message: UUID, *, at: datetime, attempt: int = 1) -> None:
    """Queue a job that files a sent email in the Sent folder at `at`."""
    waiting = f"filing of {message}"
    task = configure_job(FILING_JOB, lock=mailbox_lock(mailbox), queueing_lock=waiting, schedule_at=at)
    enqueue(task, message=str(message), attempt=attempt)
