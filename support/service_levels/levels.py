"""The service levels with the working hours, and the due times that follow from them."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo
from typing import NamedTuple

from django.db import connection

from crm.records.local_time import agency_zone
from support.models import CHANGE_LOCK, Holiday, ServiceLevel, SupportTicket, WorkingDay
from support.service_levels.working_hours import AROUND_THE_CLOCK, NoWorkingTime, Span, WorkingHours

# The columns that due times follow from.
TICKET_COLUMNS = ("priority", "issue_type", "opened_at", "waits")


class DueTimes(NamedTuple):
    """When the first response and the resolution are due; None where there is no working time."""

    first_response: datetime | None
    resolution: datetime | None


@dataclass(frozen=True)
class ServiceLevels:
    """The service levels by issue type in small letters and priority, and the working hours."""

    levels: dict[tuple[str, str], ServiceLevel]
    hours: WorkingHours

    def of(self, priority: str, issue_type: str) -> ServiceLevel:
        """Return the level of the issue type if it has one for this priority, else the general one."""
        return self.levels.get((issue_type.lower(), priority)) or self.levels["", priority]

    def hours_of(self, level: ServiceLevel) -> WorkingHours:
        return self.hours if level.in_working_hours else AROUND_THE_CLOCK

    def due_times(self, ticket: SupportTicket) -> DueTimes:
        """Return the due times of `ticket`, counted since it was opened and without its waits for the customer."""
        level, waits = self.of(ticket.priority, ticket.issue_type), ticket.past_waits
        hours = self.hours_of(level)

        def moment_after(minutes: int) -> datetime | None:
            try:
                return hours.add(ticket.opened_at, timedelta(minutes=minutes), without=waits)
            except NoWorkingTime:
                return None

        return DueTimes(moment_after(level.first_response_minutes), moment_after(level.resolution_minutes))


def load_service_levels() -> ServiceLevels:
    """Return the service levels in force, in three statements."""
    return make_service_levels(ServiceLevel.objects.all(), WorkingDay.objects.all(), Holiday.objects.all())


def hold_service_levels() -> ServiceLevels:
    """Return the service levels in force, which cannot be changed until the transaction ends.

    Who stores a due time calls this before locking a ticket: a change of the levels locks the tickets afterwards.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [CHANGE_LOCK])
    return load_service_levels()


def make_service_levels(
    levels: Iterable[ServiceLevel], days: Iterable[WorkingDay], holidays: Iterable[Holiday]
) -> ServiceLevels:
    return ServiceLevels(
        {(level.issue_type.lower(), level.priority): level for level in levels},
        make_hours(days, holidays, agency_zone()),
    )


def make_hours(days: Iterable[WorkingDay], holidays: Iterable[Holiday], zone: tzinfo) -> WorkingHours:
    week = {day.weekday: spans_of(day) for day in days}
    return WorkingHours(defaultdict(tuple, week), frozenset(holiday.day for holiday in holidays), zone)


def spans_of(day: WorkingDay) -> tuple[Span, ...]:
    """Return the working spans of a weekday, before and after its break."""
    opens, closes = day.opens_at, day.closes_at
    if opens is None or closes is None:
        return ()
    if day.break_from is None or day.break_to is None:
        return ((opens, closes),)
    return (opens, day.break_from), (day.break_to, closes)


def format_hours(day: WorkingDay) -> str:
    """Return the hours of a weekday as text, such as “09:00–12:00, 13:00–17:00”."""
    spans = [f"{opens:%H:%M}–{'24:00' if closes == time.min else f'{closes:%H:%M}'}" for opens, closes in spans_of(day)]
    return ", ".join(spans) or "day off"
