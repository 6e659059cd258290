"""Working time between moments, and the moment at which some of it has passed. Pure: no database."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from crm.records.local_time import format_day

MIDNIGHT = time.min
ONE_DAY = timedelta(days=1)
MAX_DAYS = 3_653  # ten years
# The finest step in which the clocks of a time zone change.
ONE_SECOND = timedelta(seconds=1)

# Two local times of one day; a span that ends at midnight ends with the day.
Span = tuple[time, time]
Interval = tuple[datetime, datetime]


class NoWorkingTime(Exception):
    """The working hours do not have the time that was asked for within ten years."""


@dataclass(frozen=True)
class WorkingHours:
    """The working hours of a week, by weekday from 0 for Monday, without the holidays, in one time zone.

    The spans of a day follow one another.
    """

    week: Mapping[int, tuple[Span, ...]]
    holidays: frozenset[date]
    zone: tzinfo
    _days: dict[date, tuple[Interval, ...]] = field(default_factory=dict, repr=False, compare=False)

    def add(self, start: datetime, work: timedelta, *, without: Iterable[Interval] = ()) -> datetime:
        """Return the first moment at which `work` has passed since `start`, outside of the intervals `without`.

        Raises:
            NoWorkingTime: it has not passed within ten years.
        """
        if work <= timedelta():
            return start
        gaps = sorted(without)
        for begin, end in self.intervals_from(start):
            for open_from, open_to in subtract(begin, end, gaps):
                if work <= open_to - open_from:
                    return open_from + work
                work -= open_to - open_from
        day = format_day(start.astimezone(self.zone).date())
        raise NoWorkingTime(f"There is not enough working time in the ten years after {day}.")

    def between(self, start: datetime, end: datetime) -> timedelta:
        """Return the working time from `start` until `end`; negative if `end` is earlier."""
        if end < start:
            return -self.between(end, start)
        total = timedelta()
        for begin, finish in self.intervals_from(start):
            if begin >= end:
                break
            total += min(finish, end) - begin
        return total

    def intervals_from(self, start: datetime) -> Iterator[Interval]:
        """Yield the working intervals after `start` in UTC; the first one begins at `start` if that is within one."""
        start = start.astimezone(UTC)
        # The clocks of a zone may skip a day, so the day before may still end later.
        first = start.astimezone(self.zone).date() - ONE_DAY
        for number in range(MAX_DAYS):
            for begin, end in self.intervals_of(first + number * ONE_DAY):
                if end > start:
                    yield max(begin, start), end

    def intervals_of(self, day: date) -> tuple[Interval, ...]:
        """Return the working intervals of a local `day` in UTC, without empty ones."""
        if day not in self._days:
            spans = () if day in self.holidays else self.week.get(day.weekday(), ())
            intervals = ((self.moment(day, opens), self.end_moment(day, closes)) for opens, closes in spans)
            self._days[day] = tuple((begin, end) for begin, end in intervals if begin < end)
        return self._days[day]

    def end_moment(self, day: date, closes: time) -> datetime:
        return self.moment(day + ONE_DAY, closes) if closes == MIDNIGHT else self.moment(day, closes)

    def moment(self, day: date, at: time) -> datetime:
        """Return in UTC when the clocks pass `at` on `day` for the first time.

        A time that they skip is passed at the end of the gap.
        """
        local = datetime.combine(day, at, tzinfo=self.zone)
        before, after = local.astimezone(UTC), local.replace(fold=1).astimezone(UTC)
        if after >= before:  # the local time exists; a repeated one counts at its first passing
            return before
        # Read with the offset after the gap, a skipped time lies before it, and the other way round.
        earlier, later, offset = after, before, before.astimezone(self.zone).utcoffset()
        while later - earlier > ONE_SECOND:
            middle = earlier + (later - earlier) // 2
            if middle.astimezone(self.zone).utcoffset() == offset:
                later = middle
            else:
                earlier = middle
        return later.replace(microsecond=0)


def subtract(begin: datetime, end: datetime, gaps: list[Interval]) -> Iterator[Interval]:
    """Yield what is left of an interval without `gaps`, which are sorted and may overlap."""
    for gap_begin, gap_end in gaps:
        if begin < gap_begin < end:
            yield begin, gap_begin
        if gap_begin < end:
            begin = max(begin, gap_end)
    if begin < end:
        yield begin, end


AROUND_THE_CLOCK = WorkingHours(dict.fromkeys(range(7), ((MIDNIGHT, MIDNIGHT),)), frozenset(), UTC)
