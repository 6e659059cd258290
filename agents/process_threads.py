"""What follows a new message, step by step: signals, score, then triage or the next best action.

The job is queued by `inbox.incoming.processing_queue` in the transaction that stores the message. It never waits for a
model: what a model may add is queued as jobs of their own (`inbox.read_with_model`, `agents.ask_model`).
"""

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.db import OperationalError, transaction
from django.utils import timezone

from agents.next_best_action.evaluate_leads import evaluate_changed_leads
from agents.triage.triage_threads import has_room_for_proposals, threads_of_new_contacts, triage_thread
from ai_log.gateway.ask import is_model_configured
from inbox.incoming.processing_queue import queue_processing
from inbox.lead_signals.ask_model import threads_to_read
from inbox.lead_signals.reading_queue import queue_model_reading
from inbox.lead_signals.transitions import add_thread_signals
from inbox.models import Thread, ThreadQuerySet

logger = logging.getLogger(__name__)

# A thread that waits for longer has lost its job, or was left until triage had room.
LOST_AFTER = timedelta(minutes=10)
MAX_REQUEUED, MAX_REQUEUED_UNLINKED, MAX_REQUEUED_READINGS = 2_000, 500, 200


def process_threads(keys: Iterable[UUID]) -> None:
    """Process each of the threads `keys`; one that fails does not stop the others."""
    for key in keys:
        try:
            process_thread(key)
        except OperationalError:  # the database failed, not this thread: the job is tried again
            raise
        except Exception:
            logger.exception("Thread %s could not be processed.", key)
            Thread.everything.filter(pk=key).update(processed_at=timezone.now())


def process_thread(key: UUID) -> None:
    """Add the signals of one thread and score its lead; then propose the next best action, or whose thread it is."""
    thread = Thread.objects.filter(pk=key).first()
    if thread is None:
        return
    add_thread_signals(thread)
    thread.refresh_from_db()
    if thread.lead_id:
        evaluate_changed_leads([thread.lead_id])
    elif has_room_for_proposals():
        triage_thread(key)
    else:
        Thread.everything.filter(pk=key).update(processed_at=None)  # the sweep queues it once there is room


def requeue_lost_threads(now: datetime) -> int:
    """Queue the threads whose job was lost, and those a new contact takes part in; return how many.

    Unlinked threads are left while too many proposals wait for a decision.
    """
    lost = Thread.objects.unprocessed().filter(updated_at__lt=now - LOST_AFTER)
    count = requeue(lost.filter(lead__isnull=False)[:MAX_REQUEUED])
    if has_room_for_proposals():
        count += requeue(lost.filter(lead__isnull=True)[:MAX_REQUEUED_UNLINKED])
        count += requeue(threads_of_new_contacts(now))
    return count


@transaction.atomic
def requeue(threads: ThreadQuerySet) -> int:
    """Queue `threads`, but for those that a transaction is changing now: it queues them itself."""
    rows = list(threads.select_for_update(of=("self",), no_key=True, skip_locked=True).only("processed_at"))
    queue_processing(rows)
    return len(rows)


def requeue_model_readings(now: datetime) -> int:
    """Queue the threads that a model has yet to read and that have no job; return how many."""
    if not is_model_configured():
        return 0
    keys = list(threads_to_read(now).values_list("pk", flat=True)[:MAX_REQUEUED_READINGS])
    for key in keys:
        queue_model_reading(key)
    return len(keys)
