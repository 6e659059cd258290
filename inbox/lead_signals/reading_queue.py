"""Queue the job that lets a model read a thread."""

from datetime import datetime
from uuid import UUID

from ai_log.gateway.job_lock import model_job_lock
from crm.runtime.job_queue import configure_job, enqueue

READ_THREAD_JOB = "inbox.read_with_model"


def queue_model_reading(thread: UUID, *, at: datetime | None = None) -> None:
    """Queue the reading of `thread` by a model, at `at` if given; a thread that waits already stays as it is."""
    task = configure_job(
        READ_THREAD_JOB, lock=model_job_lock(thread), queueing_lock=f"reading of {thread}", schedule_at=at
    )
    enqueue(task, thread=str(thread))
