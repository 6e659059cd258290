"""The service levels, week and holidays as a whole: what is stored, what a change would make of it, in words."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property

from crm.records.local_time import format_day
from support.models import Holiday, ServiceLevel, WorkingDay
from support.service_levels.levels import ServiceLevels, format_hours, make_service_levels

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
LEVEL_COLUMNS = (
    "issue_type",
    "priority",
    "first_response_minutes",
    "resolution_minutes",
    "in_working_hours",
    "warn_minutes",
    "escalates_to_id",
)
DAY_COLUMNS = ("opens_at", "closes_at", "break_from", "break_to")
PRIORITY_ORDER = ("urgent", "high", "normal", "low")


@dataclass(frozen=True)
class ServiceSettings:
    """All service levels, the seven days of the week and the holidays, stored or about to be."""

    levels: list[ServiceLevel]
    days: list[WorkingDay]
    holidays: dict[date, str]

    @cached_property
    def digest(self) -> str:
        """A digest of all values: it tells whether a colleague changed them meanwhile."""
        levels = [[str(level.pk), *(getattr(level, name) for name in LEVEL_COLUMNS)] for level in self.levels]
        days = [[day.weekday, *(getattr(day, name) for name in DAY_COLUMNS)] for day in self.days]
        return hashlib.sha256(repr((levels, days, sorted(self.holidays.items()))).encode()).hexdigest()

    def as_levels(self) -> ServiceLevels:
        holidays = [Holiday(day=day, name=name) for day, name in self.holidays.items()]
        return make_service_levels(self.levels, self.days, holidays)


def load_settings() -> ServiceSettings:
    """Return what is stored, in three statements: general levels first, then those of issue types."""
    levels = sorted(
        ServiceLevel.objects.select_related("escalates_to"),
        key=lambda level: (level.issue_type.lower(), PRIORITY_ORDER.index(level.priority)),
    )
    holidays = dict(Holiday.objects.values_list("day", "name"))
    return ServiceSettings(levels, list(WorkingDay.objects.order_by("weekday")), holidays)


def describe_changes(stored: ServiceSettings, changed: ServiceSettings) -> list[str]:
    """Return a line for each level, day and holiday that differs; empty if none does."""
    return [
        *describe_levels(stored, changed),
        *(
            f"{WEEKDAYS[new.weekday]}: {format_hours(old)} → {format_hours(new)}"
            for old, new in zip(stored.days, changed.days, strict=True)
            if format_hours(old) != format_hours(new)
        ),
        *describe_holidays(stored.holidays, changed.holidays),
    ]


def describe_levels(stored: ServiceSettings, changed: ServiceSettings) -> Iterator[str]:
    before = {level.pk: level for level in stored.levels}
    after = {level.pk: level for level in changed.levels}
    for key, level in after.items():
        if key not in before:
            yield f"{level}: new, {describe_level(level)}"
        elif changes := list(differences(before[key], level)):
            yield f"{level}: {', '.join(changes)}"
    yield from (f"{level}: deleted" for key, level in before.items() if key not in after)


def differences(before: ServiceLevel, after: ServiceLevel) -> Iterator[str]:
    """Yield what differs between two versions of a level, such as “resolution 8 h → resolution 12 h”."""
    for old, new in zip(level_parts(before), level_parts(after), strict=True):
        if old != new:
            yield f"{old} → {new}"


def describe_level(level: ServiceLevel) -> str:
    return ", ".join(level_parts(level))


def level_parts(level: ServiceLevel) -> list[str]:
    return [
        f"first response {format_minutes(level.first_response_minutes)}",
        f"resolution {format_minutes(level.resolution_minutes)}",
        "in working hours" if level.in_working_hours else "around the clock",
        f"warning {format_minutes(level.warn_minutes)} before" if level.warn_minutes else "no warning",
        f"escalates to {level.escalates_to}" if level.escalates_to_id else "escalates without reassigning",
    ]


def describe_holidays(stored: dict[date, str], changed: dict[date, str]) -> Iterator[str]:
    for day in sorted({*stored, *changed}):
        if stored.get(day) != changed.get(day):
            was, now = stored.get(day, "no holiday"), changed.get(day, "no holiday")
            yield f"{format_day(day)}: {was} → {now}"


def format_minutes(minutes: int) -> str:
    """Return `1 h 30 min`."""
    hours, rest = divmod(minutes, 60)
    parts = [f"{hours:,} h" if hours else "", f"{rest} min" if rest or not hours else ""]
    return " ".join(filter(None, parts))
