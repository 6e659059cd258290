"""Reports by email: each reader chooses how often, and gets what that reader may see, at the own address."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from django.conf import settings
from django.core.mail import EmailMessage
from django.db.models import Q
from django.template.loader import render_to_string
from django.urls import reverse

from crm.models import ReportFrequency, ReportSchedule, User
from crm.records.local_time import agency_as_reader, agency_time, agency_today, format_day, set_reader
from crm.records.notifications.staff import load_readers
from crm.runtime.job_queue import configure_job, enqueue
from crm.screens.reports.all_reports import find_report
from crm.screens.reports.period import Period
from crm.screens.reports.tables import Report, ReportTable
from crm.screens.reports.transitions import claim_due, give_back, last_due_day

SEND_REPORT_TASK = "crm.send_report"
# Of the agency's day.
FIRST_HOUR = 6


def period_before(frequency: str, today: date) -> Period:
    """Return the week or the month that ended before the day on which a report was last due."""
    last = last_due_day(frequency, today) - timedelta(days=1)
    first = last.replace(day=1) if frequency == ReportFrequency.MONTH else last - timedelta(days=6)
    return Period(first, last)


def queue_reports(now: datetime) -> int:
    """Queue the reports that are due; return how many."""
    local = agency_time(now)
    if not settings.EMAIL_HOST or local.hour < FIRST_HOUR:
        return 0
    is_due = Q()
    for frequency in ReportFrequency.values:
        is_due |= Q(frequency=frequency, settled_on__lt=last_due_day(frequency, local.date()))
    keys = list(ReportSchedule.objects.filter(is_due).values_list("pk", flat=True))
    for key in keys:
        enqueue(configure_job(SEND_REPORT_TASK, queueing_lock=f"report {key}"), schedule=key)
    return len(keys)


def send_report(key: int, now: datetime) -> bool:
    """Send the report of the schedule `key` if it is due and its reader may still open it; return whether.

    Raises:
        OSError: the mail server failed; the report is still due.
    """
    today = agency_today(now)
    schedule = claim_due(key, today)
    if schedule is None:
        return False
    report, user = find_report(schedule.report), load_readers([schedule.user_id]).get(schedule.user_id)
    if report is None or user is None or not user.email or not user.has_perm(report.permission):
        return False
    try:
        compose_report(user, report, period_before(schedule.frequency, today)).send()
    except OSError:
        give_back(schedule)
        raise
    return True


def compose_report(user: User, report: Report, period: Period) -> EmailMessage:
    """Return the email with what `user` may see of `report`, written as the user reads."""
    agency = settings.AGENCY_NAME or "CRM"
    with agency_as_reader():
        set_reader(user)
        tables = [table for table in report.load(user, period) if table.rows]
        days = f"{format_day(period.first)} to {format_day(period.last)}" if report.has_period else ""
        path = f"{reverse('admin:report', args=[report.key])}?{period.query if report.has_period else ''}"
        context = {
            "user": user,
            "agency": agency,
            "report": report,
            "days": days,
            "tables": [(table, list(table_lines(table))) for table in tables],
            "page": settings.PUBLIC_URL + path.rstrip("?") if settings.PUBLIC_URL else "",
        }
        body = render_to_string("crm/reports/email.txt", context).strip() + "\n"
    return EmailMessage(f"{agency}: {report.title}{f', {days}' if days else ''}", body, to=[user.email])


def table_lines(table: ReportTable) -> Iterator[str]:
    """Yield a line for each row: `Ann: Won 3, Lost 1`."""
    for line in table.lines():
        figures = ", ".join(f"{cell['label']} {cell['text']}" for cell in line["cells"])
        yield f"{line['label']}: {figures}"
