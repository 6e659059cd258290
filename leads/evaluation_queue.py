"""Queue the job that looks for the next best action after a lead moved to another stage.

The job itself belongs to the agents, to the right of this app.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from uuid import UUID

from crm.runtime.job_queue import configure_job, enqueue

EVALUATE_LEADS_JOB = "leads.evaluate"
# Leads that moved together wait until what moved them is done.
BATCH_PRIORITY = -5

_moved_together: ContextVar[list[UUID] | None] = ContextVar("moved_together", default=None)


def queue_evaluation(lead: UUID) -> None:
    """Queue the evaluation of `lead` in the transaction that moved it."""
    moved = _moved_together.get()
    if moved is None:
        enqueue(configure_job(EVALUATE_LEADS_JOB, queueing_lock=f"lead {lead}"), leads=[str(lead)])
    else:
        moved.append(lead)


@contextmanager
def one_evaluation_job() -> Iterator[None]:
    """Queue one job for all leads that move inside the block, which belongs to a single transaction.

    If the move of a lead is rolled back inside the block, the job finds that the lead is not due, and skips it.
    """
    token = _moved_together.set([])
    try:
        yield
        moved = sorted(set(_moved_together.get()))
    finally:
        _moved_together.reset(token)
    if moved:
        enqueue(configure_job(EVALUATE_LEADS_JOB, priority=BATCH_PRIORITY), leads=list(map(str, moved)))
