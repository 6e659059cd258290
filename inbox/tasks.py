"""The jobs that send what people wrote and keep conversations in order."""

import logging
from datetime import timedelta
from time import monotonic
from uuid import UUID

from django.db import OperationalError
from django.db.models import F
from django.utils import timezone
from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

from ai_log.gateway.ask import available
from inbox.drafts.transitions import forget
from inbox.imap import filing, jobs
from inbox.imap.polling import visit
from inbox.lead_signals import silence
from inbox.lead_signals.ask_model import may_ask, put_off, sense
from inbox.lead_signals.transitions import notice
from inbox.models import Mailbox, Thread
from inbox.outgoing import send_queue
from leads.ownership import repaired

logger = logging.getLogger(__name__)

# Of conversations in one run, and seconds.
MOST_NOTICED, LONGEST_NOTICING = 2_000, 45
# Tried again when the program itself broke down, or the database was away.
AGAIN = RetryStrategy(max_attempts=10, exponential_wait=2)
KEPT_DRAFTS = timedelta(days=30)


@app.task(name=send_queue.JOB, retry=AGAIN)
def dispatch(message: str) -> None:
    """Hand one mail over that a person wrote."""
    send_queue.carry_out(UUID(message))


@app.periodic(cron="* * * * *")
@app.task(name="inbox.find_lost", queueing_lock="inbox.find_lost")
def find_lost(timestamp: int) -> None:
    """Queue again the mails that are due and have no job any more, and those cut off in the middle."""
    send_queue.find_lost(timezone.now())


@app.periodic(cron="50 3 * * *")
@app.task(name="inbox.forget_drafts", queueing_lock="inbox.forget_drafts")
def forget_drafts(timestamp: int) -> None:
    """Remove drafts that were sent or discarded long ago: what was sent stands in its conversation."""
    forget(timezone.now() - KEPT_DRAFTS)


@app.periodic(cron="10 4 * * *")
@app.task(name="inbox.repair_owners", queueing_lock="inbox.repair_owners")
def repair_owners(timestamp: int) -> None:
    """Set right the owners of conversations that were linked while their lead changed hands."""
    repaired("threads")


@app.periodic(cron="* * * * *")
@app.task(name="inbox.fetch_due", queueing_lock="inbox.fetch_due")
def fetch_due(timestamp: int) -> None:
    """Queue a run for each mailbox whose turn it is; each runs by itself, so that none holds up another."""
    for pk in Mailbox.objects.due(timezone.now()).values_list("pk", flat=True):
        jobs.defer_fetch(pk)


@app.periodic(cron="* * * * *")
@app.task(name="inbox.notice", queueing_lock="inbox.notice", lock="inbox.notice")
def notice_new(timestamp: int) -> None:
    """Read the signals out of what was said since; as much as a run may take."""
    until = monotonic() + LONGEST_NOTICING
    for thread in Thread.objects.unnoticed().order_by("id")[:MOST_NOTICED]:
        if monotonic() > until:
            return
        try:
            notice(thread)
        except OperationalError:  # not the conversation's doing: the next run goes on here
            raise
        except Exception:
            logger.exception("No signals could be read out of the conversation %s.", thread.pk)
            Thread.everything.filter(pk=thread.pk).update(noticed_count=F("message_count"))


@app.periodic(cron="* * * * *")
@app.task(name="inbox.sense", queueing_lock="inbox.sense", lock="inbox.sense")
def sense_new(timestamp: int) -> None:
    """Let a model read what leads have written since, where there is one to ask; as much as a run may take."""
    until, now = monotonic() + LONGEST_NOTICING, timezone.now()
    if not available() or not may_ask(now):
        return
    for thread in Thread.objects.to_sense(now)[:MOST_NOTICED]:
        if monotonic() > until:
            return
        try:
            # One call that failed stops nobody: a provider that is down fails three times in a row.
            if not sense(thread) and not may_ask(timezone.now()):
                return
        except OperationalError:  # not the conversation's doing: the next run goes on here
            raise
        except Exception:
            logger.exception("The conversation %s could not be read by a model.", thread.pk)
            put_off(thread)


@app.periodic(cron="20 2 * * *")
@app.task(name="inbox.warn_of_silence", queueing_lock="inbox.warn_of_silence", lock="inbox.warn_of_silence")
def warn_of_silence(timestamp: int) -> None:
    """Put on the leads that have left us without an answer for too long that they are going cold."""
    silence.warn_of_silence(timezone.now())


@app.task(name=jobs.FETCH, retry=AGAIN)
def fetch_mail(mailbox: str, gaps: bool = False) -> None:
    """Fetch what is new in one mailbox."""
    visit(UUID(mailbox), check_gaps=gaps)


@app.task(name=jobs.FILE, retry=AGAIN)
def file_sent(message: str, attempt: int = 1) -> None:
    """File one mail of ours in the folder of what was sent."""
    filing.file(UUID(message), attempt)
