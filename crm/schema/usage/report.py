"""How keys were used lately: totals by way of use, by day, by how many people."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from uuid import UUID

from django.db.models import Max, Min

from crm.models import FieldStatistic, FieldUsage, FieldUse
from crm.records.local_time import agency_today

REPORTED_DAYS = 30
Place = tuple[str, str, str]


@dataclass
class UsageReport:
    """The uses of a key in the last `days`, the last day being today."""

    days: int = REPORTED_DAYS
    totals: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FieldUse.values, 0))
    by_use: dict[str, list[int]] = field(default_factory=dict)
    people: set[UUID] = field(default_factory=set)
    last_used_on: date | None = None

    @property
    def total(self) -> int:
        return sum(self.totals.values())

    @property
    def searches(self) -> int:
        """How often lists were filtered and sorted by the key: what an index serves."""
        return self.totals[FieldUse.FILTERED] + self.totals[FieldUse.SORTED]

    @property
    def daily(self) -> list[int]:
        """The uses of each day, the earliest first."""
        return [sum(counts) for counts in zip(*self.by_use.values(), strict=True)] or [0] * self.days

    def add(self, row: FieldUsage, first: date) -> None:
        for use in FieldUse.values:
            count = getattr(row, use)
            self.totals[use] += count
            if count:
                self.by_use.setdefault(use, [0] * self.days)[(row.day - first).days] += count
        self.people.update(row.people)


def place_of(row: FieldStatistic | FieldUsage) -> Place:
    """Return what names a key: table, column and path."""
    return row.table, row.column, row.key


def load_usage(rows: Iterable[FieldStatistic], today: date, days: int = REPORTED_DAYS) -> dict[Place, UsageReport]:
    """Return the report of each key of `rows`, in two statements."""
    places, first = {place_of(row) for row in rows}, today - timedelta(days=days - 1)
    reports: dict[Place, UsageReport] = defaultdict(lambda: UsageReport(days))
    of_these = FieldUsage.objects.of_keys((one[0] for one in places), (one[2] for one in places))
    for row in of_these.filter(day__gte=first, day__lte=today):
        reports[place_of(row)].add(row, first)
    for table, column, key, day in of_these.values_list("table", "column", "key").annotate(Max("day")):
        reports[table, column, key].last_used_on = day
    return {place: reports[place] for place in places}


def last_written_on(row: FieldStatistic) -> date | None:
    """Return the day on which the key was last written, as far as known: by a form or an import, or in a new record.

    What another program writes into a record that exists is not seen.
    """
    of_key = FieldUsage.objects.of_keys([row.table], [row.key]).filter(column=row.column, edited__gt=0)
    days = [of_key.aggregate(Max("day"))["day__max"], row.newest_record_at and agency_today(row.newest_record_at)]
    return max((day for day in days if day is not None), default=None)


def counting_began() -> date | None:
    """Return the first day with a count; None if nothing was ever counted."""
    return FieldUsage.objects.aggregate(Min("day"))["day__min"]
