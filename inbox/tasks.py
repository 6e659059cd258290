"""The jobs that fetch and send email, let a model read threads, and repair what was lost.

The job that follows a new message, `inbox.process_threads`, is in `agents/tasks.py`: it also runs triage and next best
action, which belong to apps on the right.
"""

from datetime import timedelta
from uuid import UUID

from django.utils import timezone
from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

from crm.records.transitions import MAX_CLOCK_ERROR, pull_back_dates
from inbox.drafts.transitions import delete_old_drafts
from inbox.imap import filing, jobs
from inbox.imap.polling import poll_mailbox
from inbox.lead_signals import silence
from inbox.lead_signals.ask_model import run_model_reading
from inbox.lead_signals.reading_queue import READ_THREAD_JOB
from inbox.models import MAX_SNOOZE, EmailDelivery, Mailbox, Thread
from inbox.outgoing import send_queue
from inbox.transitions import delete_removed_files
from inbox.web_forms.limits import forget_old_counts
from inbox.web_forms.transitions import forget_old_refusals
from leads.ownership import repair_owner_column

# After a bug, or while the database is down.
TASK_RETRY = RetryStrategy(max_attempts=10, exponential_wait=2)
DRAFT_RETENTION = timedelta(days=30)


@app.task(name=send_queue.SEND_TASK, retry=TASK_RETRY)
def send_email(message: str) -> None:
    """Send one queued email."""
    send_queue.send_queued_email(UUID(message))


@app.periodic(cron="* * * * *")
@app.task(name="inbox.find_lost", queueing_lock="inbox.find_lost")
def requeue_lost_messages(timestamp: int) -> None:
    """Queue the scheduled emails that are due, and again those that lost their job or were interrupted."""
    send_queue.requeue_due_deliveries(timezone.now())


@app.periodic(cron="50 3 * * *")
@app.task(name="inbox.forget_drafts", queueing_lock="inbox.forget_drafts")
def purge_old_drafts(timestamp: int) -> None:
    """Delete drafts that were sent or discarded long ago; what was sent is in its thread."""
    delete_old_drafts(timezone.now() - DRAFT_RETENTION)


@app.periodic(cron="40 3 * * *")
@app.task(name="inbox.forget_web_form_counts", queueing_lock="inbox.forget_web_form_counts")
def forget_web_form_counts(timestamp: int) -> None:
    """Delete the counts of web forms that no longer matter: past hours of senders, and old refusals."""
    forget_old_counts(timezone.now())
    forget_old_refusals(timezone.now())


@app.periodic(cron="*/10 * * * *")
@app.task(name="inbox.delete_files", queueing_lock="inbox.delete_files")
def delete_files(timestamp: int) -> None:
    """Delete the stored files of purged messages."""
    while delete_removed_files():
        pass


@app.periodic(cron="10 4 * * *")
@app.task(name="inbox.repair_owners", queueing_lock="inbox.repair_owners")
def repair_thread_owners(timestamp: int) -> None:
    """Correct the owner of threads and tasks that were linked while their lead was being reassigned."""
    repair_owner_column("tasks")
    repair_owner_column("threads")


@app.periodic(cron="5 * * * *")
@app.task(name="inbox.correct_future_dates", queueing_lock="inbox.correct_future_dates")
def correct_future_dates(timestamp: int) -> None:
    """Pull back the dates that a clock which ran ahead has set: a mailbox would not be read until then."""
    pull_back_dates(Thread.everything.all(), ("last_message_at",), timezone.now(), by=MAX_CLOCK_ERROR)
    pull_back_dates(Thread.everything.all(), ("snoozed_until",), timezone.now(), by=MAX_SNOOZE)
    pull_back_dates(Mailbox.everything.all(), ("next_sync_at",), timezone.now(), by=MAX_CLOCK_ERROR)
    at_once = EmailDelivery.objects.filter(finished_at=None, scheduled_for=None)
    pull_back_dates(at_once, ("run_after",), timezone.now(), by=MAX_CLOCK_ERROR)


@app.periodic(cron="* * * * *")
@app.task(name="inbox.fetch_due", queueing_lock="inbox.fetch_due")
def fetch_due_mailboxes(timestamp: int) -> None:
    """Queue a job for each mailbox that is due; one slow mailbox does not hold up the others."""
    for pk in Mailbox.objects.due(timezone.now()).values_list("pk", flat=True):
        jobs.defer_fetch(pk)


@app.task(name=READ_THREAD_JOB, retry=TASK_RETRY)
def read_thread_with_model(thread: str) -> None:
    """Let a model read what is new in one thread."""
    run_model_reading(UUID(thread))


@app.periodic(cron="20 2 * * *")
@app.task(name="inbox.warn_of_silence", queueing_lock="inbox.warn_of_silence", lock="inbox.warn_of_silence")
def warn_of_silence(timestamp: int) -> None:
    """Add the signal "going cold" to leads that have not answered for too long."""
    silence.flag_leads_going_cold(timezone.now())


@app.task(name=jobs.FETCH_JOB, retry=TASK_RETRY)
def fetch_mail(mailbox: str, gaps: bool = False) -> None:
    """Fetch the new messages of one mailbox."""
    poll_mailbox(UUID(mailbox), check_gaps=gaps)


@app.task(name=jobs.FILING_JOB, retry=TASK_RETRY)
def file_sent(message: str, attempt: int = 1) -> None:
    """File one sent email in the mailbox's Sent folder."""
    filing.file_message(UUID(message), attempt)
