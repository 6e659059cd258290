"""Which reports staff get by email: what a reader chooses, and which are taken to be sent."""

from datetime import date, datetime, timedelta

from django.db import transaction

from crm.exceptions import InvalidInput
from crm.models import ReportFrequency, ReportSchedule, User
from crm.records.local_time import agency_today
from crm.screens.reports.tables import Report


def save_schedule(user: User, report: Report, frequency: str, *, now: datetime) -> None:
    """Let `user` get `report` by email from now on, or no longer if `frequency` is empty.

    Raises:
        InvalidInput: there is no such frequency, or the user has no email address.
    """
    if not frequency:
        ReportSchedule.objects.filter(user=user, report=report.key).delete()
        return
    if frequency not in ReportFrequency.values:
        raise InvalidInput(f"A report cannot come “{frequency[:40]}”.")
    if not user.email:
        raise InvalidInput("Your account has no email address. An administrator can enter one.")
    chosen = {"frequency": frequency, "settled_on": agency_today(now)}
    ReportSchedule.objects.update_or_create(user=user, report=report.key, defaults=chosen)


def last_due_day(frequency: str, today: date) -> date:
    """Return the day, today or before, on which a report was last due."""
    return today.replace(day=1) if frequency == ReportFrequency.MONTH else today - timedelta(days=today.weekday())


@transaction.atomic
def claim_due(key: int, today: date) -> ReportSchedule | None:
    """Record that the report of the schedule `key` is sent today, and return it as it was; None if it is not due.

    That is recorded before the email leaves, so a crash leaves no email behind that would come twice.
    """
    schedule = ReportSchedule.objects.select_for_update().filter(pk=key).first()
    if schedule is None or schedule.settled_on >= last_due_day(schedule.frequency, today):
        return None
    ReportSchedule.objects.filter(pk=key).update(settled_on=today)
    return schedule


def give_back(schedule: ReportSchedule) -> None:
    """Let a report that could not be sent be due again."""
    ReportSchedule.objects.filter(pk=schedule.pk).update(settled_on=schedule.settled_on)
