"""The jobs that send queued emails and keep conversations in order."""

import logging
from datetime import timedelta
from time import monotonic
from uuid import UUID

from django.db import OperationalError
from django.db.models import F
from django.utils import timezone
from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

from ai_log.gateway.ask import is_model_configured
from inbox.drafts.transitions import delete_old_drafts
from inbox.imap import filing, jobs
from inbox.imap.polling import poll_mailbox
from inbox.lead_signals import silence
from inbox.lead_signals.ask_model import can_ask_model, postpone_model_reading, read_with_model
from inbox.lead_signals.transitions import add_thread_signals
from inbox.models import Mailbox, Thread
from inbox.outgoing import send_queue
from leads.ownership import repair_owner_column

logger = logging.getLogger(__name__)

# Of conversations in one run, and seconds.
MAX_THREADS_PER_RUN, MAX_RUN_SECONDS = 2_000, 45
# Tried again when the program itself broke down, or the database was away.
TASK_RETRY = RetryStrategy(max_attempts=10, exponential_wait=2)
DRAFT_RETENTION = timedelta(days=30)


@app.task(name=send_queue.SEND_TASK, retry=TASK_RETRY)
def send_email(message: str) -> None:
    """Hand one queued email over to the mail server."""
    send_queue.send_queued_email(UUID(message))


@app.periodic(cron="* * * * *")
@app.task(name="inbox.find_lost", queueing_lock="inbox.find_lost")
def requeue_lost_messages(timestamp: int) -> None:
    """Queue again the mails that are due and have no job any more, and those cut off in the middle."""
    send_queue.requeue_lost_deliveries(timezone.now())


@app.periodic(cron="50 3 * * *")
@app.task(name="inbox.forget_drafts", queueing_lock="inbox.forget_drafts")
def purge_old_drafts(timestamp: int) -> None:
    """Remove drafts that were sent or discarded long ago: what was sent stands in its conversation."""
    delete_old_drafts(timezone.now() - DRAFT_RETENTION)


@app.periodic(cron="10 4 * * *")
@app.task(name="inbox.repair_owners", queueing_lock="inbox.repair_owners")
def repair_thread_owners(timestamp: int) -> None:
    """Set right the owners of conversations that were linked while their lead changed hands."""
    repair_owner_column("threads")


@app.periodic(cron="* * * * *")
@app.task(name="inbox.fetch_due", queueing_lock="inbox.fetch_due")
def fetch_due_mailboxes(timestamp: int) -> None:
    """Queue a run for each mailbox whose turn it is; each runs by itself, so that none holds up another."""
    for pk in Mailbox.objects.due(timezone.now()).values_list("pk", flat=True):
        jobs.defer_fetch(pk)


@app.periodic(cron="* * * * *")
@app.task(name="inbox.notice", queueing_lock="inbox.notice", lock="inbox.notice")
def detect_new_signals(timestamp: int) -> None:
    """Read the signals out of what was said since; as much as a run may take."""
    deadline = monotonic() + MAX_RUN_SECONDS
    for thread in Thread.objects.signals_outdated().order_by("id")[:MAX_THREADS_PER_RUN]:
        if monotonic() > deadline:
            return
        try:
            add_thread_signals(thread)
        except OperationalError:  # not the conversation's doing: the next run goes on here
            raise
        except Exception:
            logger.exception("No signals could be read out of the conversation %s.", thread.pk)
            Thread.everything.filter(pk=thread.pk).update(noticed_count=F("message_count"))


@app.periodic(cron="* * * * *")
@app.task(name="inbox.sense", queueing_lock="inbox.sense", lock="inbox.sense")
def ask_model_for_signals(timestamp: int) -> None:
    """Let a model read what leads have written since, where there is one to ask; as much as a run may take."""
    deadline, now = monotonic() + MAX_RUN_SECONDS, timezone.now()
    if not is_model_configured() or not can_ask_model(now):
        return
    for thread in Thread.objects.due_for_model_reading(now)[:MAX_THREADS_PER_RUN]:
        if monotonic() > deadline:
            return
        try:
            # One call that failed stops nobody: a provider that is down fails three times in a row.
            if not read_with_model(thread) and not can_ask_model(timezone.now()):
                return
        except OperationalError:  # not the conversation's doing: the next run goes on here
            raise
        except Exception:
            logger.exception("The conversation %s could not be read by a model.", thread.pk)
            postpone_model_reading(thread)


@app.periodic(cron="20 2 * * *")
@app.task(name="inbox.warn_of_silence", queueing_lock="inbox.warn_of_silence", lock="inbox.warn_of_silence")
def warn_of_silence(timestamp: int) -> None:
    """Put on the leads that have left us without an answer for too long that they are going cold."""
    silence.flag_leads_going_cold(timezone.now())


@app.task(name=jobs.FETCH_JOB, retry=TASK_RETRY)
def fetch_mail(mailbox: str, gaps: bool = False) -> None:
    """Fetch what is new in one mailbox."""
    poll_mailbox(UUID(mailbox), check_gaps=gaps)


@app.task(name=jobs.FILING_JOB, retry=TASK_RETRY)
def file_sent(message: str, attempt: int = 1) -> None:
    """File one mail of ours in the folder of what was sent."""
    filing.file_message(UUID(message), attempt)
