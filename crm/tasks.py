"""Jobs: stalled and old jobs, sessions, notifications, duplicates, tags, JSON keys, schema changes, retention."""

import logging
from uuid import UUID

from django.conf import settings
from django.db import OperationalError, connection
from django.utils import timezone
from procrastinate import RetryStrategy
from procrastinate.contrib.django import app
from procrastinate.exceptions import ConnectorException
from procrastinate.job_context import JobContext
from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager

from crm.accounts.account_emails import SEND_TASK, AccountEmail, send_email
from crm.accounts.login_limits import forget_old_limits
from crm.accounts.sessions import SessionStore
from crm.records.duplicates.pairs import find_all_pairs
from crm.records.duplicates.transitions import FIND_PAIRS_TASK
from crm.records.local_time import agency_today
from crm.records.notifications.digest import SEND_DIGEST_TASK, queue_digests, send_digest
from crm.records.notifications.due import notice_due
from crm.records.notifications.transitions import delete_old
from crm.records.privacy.transitions import delete_kept_clients
from crm.records.tags.transitions import RENAME_TASK, rename_in_records
from crm.records.transitions import MAX_CLOCK_ERROR
from crm.schema.change_lock import ChangeLocked
from crm.schema.kind_changes.running import run_kind_change
from crm.schema.kind_changes.transitions import RUN_KIND_CHANGE_TASK, queue_unfinished_kind_changes
from crm.schema.promotion.running import run_change
from crm.schema.promotion.transitions import RUN_CHANGE_TASK, queue_unfinished_changes
from crm.schema.usage.transitions import SCAN_TASK, scan_tables
from crm.screens.reports.schedules import SEND_REPORT_TASK, queue_reports, send_report

logger = logging.getLogger(__name__)

# After this many dead workers a job is assumed to kill them, and is marked as failed.
MAX_ATTEMPTS = 20
# A paused change takes a moment to stop; until then it keeps its lock.
CHANGE_RETRY = RetryStrategy(max_attempts=60, wait=10, retry_exceptions=[ChangeLocked, OperationalError])
KEEP_SUCCEEDED_HOURS, KEEP_OTHER_HOURS = 72, 24 * 30
PULL_BACK_JOBS_SQL = "UPDATE procrastinate_jobs SET scheduled_at = %s WHERE status = 'todo' AND scheduled_at > %s"


@app.periodic(cron="* * * * *")
@app.task(name="crm.rescue_stalled_jobs", queueing_lock="crm.rescue_stalled_jobs", pass_context=True)
async def rescue_stalled_jobs(context: JobContext, timestamp: int) -> None:
    """Requeue the jobs of workers that stopped sending heartbeats; nothing else requeues them."""
    manager = context.app.job_manager
    stalled_timeout = settings.PROCRASTINATE_WORKER_DEFAULTS["stalled_worker_timeout"]
    for job in await manager.get_stalled_jobs(seconds_since_heartbeat=stalled_timeout):
        try:
            await rescue_job(manager, job)
        except ConnectorException:  # it ended after all; the others must not wait for it
            logger.exception("The job %s could not be rescued.", job.call_string)


async def rescue_job(manager: JobManager, job: Job) -> None:
    """Queue `job` again; mark it as failed if too many workers died of it."""
    if job.attempts < MAX_ATTEMPTS:
        logger.warning("The worker running %s died. The job is queued again.", job.call_string)
        await manager.retry_job(job)
    else:
        logger.error("The worker running %s died %s times. The job is marked as failed.", job.call_string, job.attempts)
        await manager.finish_job(job, status=Status.FAILED, delete_job=False)


@app.periodic(cron="5 * * * *")
@app.task(name="crm.correct_future_jobs", queueing_lock="crm.correct_future_jobs")
def correct_future_jobs(timestamp: int) -> None:
    """Let jobs begin that a clock which ran ahead has put off; none is put off for more than hours."""
    now = timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(PULL_BACK_JOBS_SQL, [now, now + MAX_CLOCK_ERROR])


@app.periodic(cron="20 3 * * *")
@app.task(name="crm.delete_old_jobs", queueing_lock="crm.delete_old_jobs", pass_context=True)
async def delete_old_jobs(context: JobContext, timestamp: int) -> None:
    """Delete finished jobs: succeeded ones after three days, all others after a month."""
    manager = context.app.job_manager
    await manager.delete_old_jobs(nb_hours=KEEP_SUCCEEDED_HOURS)
    await manager.delete_old_jobs(
        nb_hours=KEEP_OTHER_HOURS, include_failed=True, include_cancelled=True, include_aborted=True
    )


@app.periodic(cron="40 3 * * *")
@app.task(name="crm.clear_sessions", queueing_lock="crm.clear_sessions")
def clear_sessions(timestamp: int) -> None:
    """Delete expired sessions."""
    SessionStore.clear_expired()


@app.task(name=SEND_TASK, retry=RetryStrategy(max_attempts=5, wait=60, retry_exceptions=[OSError]))
def send_account_email(user: str, kind: str, site: str) -> None:
    """Send a user a link to choose a password; a mail server that fails is asked again."""
    send_email(UUID(user), AccountEmail(kind), site)


@app.periodic(cron="15 * * * *")
@app.task(name="crm.notice_due", lock="crm.notice_due", queueing_lock="crm.notice_due")
def notice_due_records(timestamp: int) -> None:
    """Tell the owners of tasks that have become due."""
    notice_due(timezone.now())


@app.periodic(cron="5 * * * *")
@app.task(name="crm.queue_digests", queueing_lock="crm.queue_digests")
def queue_daily_emails(timestamp: int) -> None:
    """Queue the daily emails that are due at this hour."""
    queue_digests(timezone.now())


@app.task(name=SEND_DIGEST_TASK, retry=RetryStrategy(max_attempts=5, wait=60, retry_exceptions=[OSError]))
def send_daily_email(user: str) -> None:
    """Send a user the notifications of the day; a mail server that fails is asked again."""
    send_digest(UUID(user), timezone.now())


@app.periodic(cron="10 * * * *")
@app.task(name="crm.queue_reports", queueing_lock="crm.queue_reports")
def queue_due_reports(timestamp: int) -> None:
    """Queue the reports that staff get by email today."""
    queue_reports(timezone.now())


@app.task(name=SEND_REPORT_TASK, retry=RetryStrategy(max_attempts=5, wait=60, retry_exceptions=[OSError]))
def send_report_by_email(schedule: int) -> None:
    """Send a report to its reader; a mail server that fails is asked again."""
    send_report(schedule, timezone.now())


@app.periodic(cron="55 3 * * *")
@app.task(name="crm.delete_old_notifications", queueing_lock="crm.delete_old_notifications")
def delete_old_notifications(timestamp: int) -> None:
    """Delete notifications a month after they were read, and unread ones after three."""
    while delete_old(timezone.now()):
        pass


@app.periodic(cron="45 3 * * *")
@app.task(name="crm.forget_failed_logins", queueing_lock="crm.forget_failed_logins")
def forget_failed_logins(timestamp: int) -> None:
    """Delete old counts of failed logins, and addresses without a login for half a year."""
    forget_old_limits(timezone.now())


@app.periodic(cron="50 1 * * *")
@app.task(name=FIND_PAIRS_TASK, lock=FIND_PAIRS_TASK, queueing_lock=FIND_PAIRS_TASK)
def find_duplicate_pairs(timestamp: int) -> None:
    """Search all leads, clients and contacts for possible duplicates."""
    for _ in find_all_pairs():
        pass


@app.periodic(cron="10 4 * * *")
@app.task(name=SCAN_TASK, lock=SCAN_TASK, queueing_lock=SCAN_TASK)
def scan_json_columns(timestamp: int) -> None:
    """Scan the keys of the JSON columns, large tables by a sample."""
    for _ in scan_tables(timezone.now()):
        pass


@app.periodic(cron="30 4 * * *")
@app.task(name="crm.delete_kept_clients", queueing_lock="crm.delete_kept_clients")
def delete_clients_kept_for_policies(timestamp: int) -> None:
    """Delete the clients of erased people once their policies need not be kept any longer."""
    delete_kept_clients(agency_today())


@app.task(name=RENAME_TASK, retry=RetryStrategy(max_attempts=5, wait=10, retry_exceptions=[OperationalError]))
def rename_tag(old: str, new: str, by: str) -> None:
    """Rename a tag in every record."""
    rename_in_records(old, new, by)


@app.task(name=RUN_CHANGE_TASK, retry=CHANGE_RETRY)
def run_schema_change(change: str) -> None:
    """Carry out a decided schema request, or take it back."""
    run_change(UUID(change))


@app.task(name=RUN_KIND_CHANGE_TASK, retry=CHANGE_RETRY)
def run_change_of_kind(change: str) -> None:
    """Convert the values of a custom field to another kind, or take that back."""
    run_kind_change(UUID(change))


@app.periodic(cron="50 * * * *")
@app.task(name="crm.queue_unfinished_schema_changes", queueing_lock="crm.queue_unfinished_schema_changes")
def queue_unfinished_schema_changes(timestamp: int) -> None:
    """Queue the schema changes and changes of kind that a crash left unfinished."""
    queue_unfinished_changes()
    queue_unfinished_kind_changes()
