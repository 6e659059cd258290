"""Queue the job that follows a change in a thread: signals, score, and a proposal of what to do next.

The job itself is `agents.process_threads`: it runs steps of apps to the right of this one.
"""

from collections.abc import Collection, Iterable
from uuid import UUID

from crm.runtime.job_queue import configure_job, enqueue
from inbox.models import Thread

PROCESS_THREADS_JOB = "inbox.process_threads"
# More threads at once are an import: they share jobs, and new mail overtakes them.
MAX_SINGLE_JOBS, THREADS_PER_JOB, IMPORT_PRIORITY = 10, 50, -10


def queue_processing(threads: Iterable[Thread]) -> None:
    """Queue the processing of `threads` in the transaction that changed them.

    The caller holds their rows until it commits. The job waits for the same rows, so it sees what the caller wrote even
    if the job was queued by an earlier change.
    """
    by_key = {thread.pk: thread for thread in threads}
    keys = sorted(by_key, reverse=True)
    if processed := [key for key in keys if by_key[key].processed_at is not None]:
        Thread.everything.filter(pk__in=processed).update(processed_at=None)
    if len(keys) > MAX_SINGLE_JOBS:
        chunks = [keys[start : start + THREADS_PER_JOB] for start in range(0, len(keys), THREADS_PER_JOB)]
        task = configure_job(PROCESS_THREADS_JOB, priority=IMPORT_PRIORITY)
        task.batch_defer(*({"threads": [str(key) for key in chunk]} for chunk in chunks))
        return
    for key in keys:
        name = f"thread {key}"
        enqueue(configure_job(PROCESS_THREADS_JOB, lock=name, queueing_lock=name), threads=[str(key)])


def queue_changed_threads(threads: Iterable[Thread], with_new_words: Collection[UUID]) -> None:
    """Queue those of `threads` in which a new message can lead to something.

    Everything said in a lead's thread can. An unlinked thread is triaged when it is new or when its outside participant
    wrote again (`with_new_words`). A client's thread has neither signals nor triage.
    """
    queue_processing(
        thread
        for thread in threads
        if thread.lead_id or (not thread.client_id and (thread.processed_at is None or thread.pk in with_new_words))
    )
