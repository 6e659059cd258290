"""Tests of working hours, against a simulation that looks at the clock of the zone minute by minute."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from support.service_levels.working_hours import AROUND_THE_CLOCK, NoWorkingTime, WorkingHours, subtract

ONE_MINUTE = timedelta(minutes=1)
OFFICE = dict.fromkeys(range(5), ((time(9), time(17)),))
NEW_YORK = ZoneInfo("America/New_York")
# A day on which the clocks change: back or forward, by half an hour, or past a whole day.
CLOCK_CHANGES = [
    ("America/New_York", date(2026, 3, 8)),
    ("America/New_York", date(2026, 11, 1)),
    ("Europe/Berlin", date(2026, 3, 29)),
    ("Europe/Berlin", date(2026, 10, 25)),
    ("Australia/Lord_Howe", date(2026, 4, 5)),
    ("Australia/Lord_Howe", date(2026, 10, 4)),
    ("Pacific/Apia", date(2011, 12, 30)),
    ("America/Santiago", date(2026, 9, 6)),
    ("Asia/Kolkata", date(2026, 5, 1)),
]


def simulate(hours: WorkingHours, start: datetime, minutes: int) -> list[bool]:
    """Return for each minute from `start` whether it is worked.

    The furthest that the clock has come decides: while it repeats an hour, it has come no further.
    """
    moment = start - timedelta(days=2)
    furthest = datetime.min
    worked = []
    while moment < start + minutes * ONE_MINUTE:
        furthest = max(furthest, moment.astimezone(hours.zone).replace(tzinfo=None))
        if moment >= start:
            worked.append(is_open(hours, furthest))
        moment += ONE_MINUTE
    return worked


def is_open(hours: WorkingHours, local: datetime) -> bool:
    if local.date() in hours.holidays:
        return False
    minute = local.hour * 60 + local.minute
    for opens, closes in hours.week.get(local.weekday(), ()):
        end = closes.hour * 60 + closes.minute or 24 * 60
        if opens.hour * 60 + opens.minute <= minute < end:
            return True
    return False


def simulated_end(worked: list[bool], start: datetime, work: int, waits) -> datetime | None:
    """Return when `work` minutes were worked outside of `waits`; None if not within the simulated time."""
    for number, is_worked in enumerate(worked):
        moment = start + number * ONE_MINUTE
        if is_worked and not any(begin <= moment < end for begin, end in waits):
            work -= 1
            if work == 0:
                return moment + ONE_MINUTE
    return None


@st.composite
def day_spans(draw):
    """Draw the spans of a day: none, one, or two around a break; the last may end at midnight."""
    count = draw(st.integers(0, 2))
    times = sorted(draw(st.sets(st.integers(0, 288), min_size=2 * count, max_size=2 * count)))
    as_time = [time(*divmod(step * 5 % 1440, 60)) for step in times]
    return tuple(zip(as_time[::2], as_time[1::2], strict=True))


@st.composite
def cases(draw):
    """Draw working hours and a moment near a change of the clocks."""
    name, change = draw(st.sampled_from(CLOCK_CHANGES))
    week = draw(st.dictionaries(st.integers(0, 6), day_spans(), min_size=4, max_size=7))
    holidays = frozenset(change + timedelta(days=one) for one in draw(st.sets(st.integers(-2, 3), max_size=2)))
    start = datetime(change.year, change.month, change.day, tzinfo=UTC)
    start += draw(st.integers(-2 * 1440, 1440)) * ONE_MINUTE
    waits = []
    for _ in range(draw(st.integers(0, 3))):
        begin = start + draw(st.integers(-100, 3_000)) * ONE_MINUTE
        waits.append((begin, begin + draw(st.integers(0, 2_000)) * ONE_MINUTE))
    return WorkingHours(week, holidays, ZoneInfo(name)), start, draw(st.integers(1, 2_000)), waits


WINDOW = 4 * 1440


@settings(max_examples=60, deadline=None)
@given(cases())
def test_moment_and_working_time_are_those_of_a_minute_by_minute_simulation(case):
    hours, start, work, waits = case
    worked = simulate(hours, start, WINDOW)
    assert hours.between(start, start + WINDOW * ONE_MINUTE) == sum(worked) * ONE_MINUTE
    expected = simulated_end(worked, start, work, waits)
    if expected is not None:
        assert hours.add(start, work * ONE_MINUTE, without=waits) == expected


@settings(max_examples=60, deadline=None)
@given(cases())
def test_working_time_until_the_moment_found_is_the_time_that_was_added(case):
    hours, start, work, _ = case
    if any(hours.week.values()):
        assert hours.between(start, hours.add(start, work * ONE_MINUTE)) == work * ONE_MINUTE


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 10_000))
@example(0, 1440)
def test_around_the_clock_every_minute_counts(offset, work):
    start = datetime(2026, 3, 8, tzinfo=UTC) + offset * ONE_MINUTE
    assert AROUND_THE_CLOCK.add(start, work * ONE_MINUTE) == start + work * ONE_MINUTE


def test_skipped_opening_begins_at_the_end_of_the_gap():
    hours = WorkingHours({6: ((time(2, 30), time(4)),)}, frozenset(), NEW_YORK)
    assert hours.intervals_of(date(2026, 3, 8)) == (
        (datetime(2026, 3, 8, 7, tzinfo=UTC), datetime(2026, 3, 8, 8, tzinfo=UTC)),
    )


def test_repeated_time_counts_at_its_first_passing():
    hours = WorkingHours({6: ((time(0), time(1, 30)),)}, frozenset(), NEW_YORK)
    assert hours.intervals_of(date(2026, 11, 1)) == (
        (datetime(2026, 11, 1, 4, tzinfo=UTC), datetime(2026, 11, 1, 5, 30, tzinfo=UTC)),
    )


def test_friday_evening_goes_on_on_monday_after_a_holiday():
    hours = WorkingHours(OFFICE, frozenset({date(2026, 12, 28)}), NEW_YORK)
    friday = datetime(2026, 12, 25, 16, tzinfo=NEW_YORK)
    assert hours.add(friday, timedelta(hours=3)) == datetime(2026, 12, 29, 11, tzinfo=NEW_YORK)


def test_time_ends_at_closing_not_at_the_next_opening():
    hours = WorkingHours(OFFICE, frozenset(), NEW_YORK)
    morning = datetime(2026, 11, 30, 9, tzinfo=NEW_YORK)
    assert hours.add(morning, timedelta(hours=8)) == datetime(2026, 11, 30, 17, tzinfo=NEW_YORK)


def test_wait_for_the_customer_does_not_count():
    hours = WorkingHours(OFFICE, frozenset(), NEW_YORK)
    morning = datetime(2026, 11, 30, 9, tzinfo=NEW_YORK)
    wait = (morning + timedelta(hours=1), morning + timedelta(days=1, hours=2))
    assert hours.add(morning, timedelta(hours=2), without=[wait]) == datetime(2026, 12, 1, 12, tzinfo=NEW_YORK)


def test_hours_without_working_time_are_refused_in_a_sentence():
    with pytest.raises(NoWorkingTime, match="not enough working time in the ten years after 30 Nov 2026"):
        WorkingHours({}, frozenset(), NEW_YORK).add(datetime(2026, 11, 30, 12, tzinfo=UTC), ONE_MINUTE)


def test_working_time_backwards_is_negative():
    hours = WorkingHours(OFFICE, frozenset(), NEW_YORK)
    late, early = datetime(2026, 11, 30, 16, tzinfo=NEW_YORK), datetime(2026, 11, 30, 10, tzinfo=NEW_YORK)
    assert hours.between(late, early) == timedelta(hours=-6)


def test_gaps_may_overlap_and_lie_outside():
    day = datetime(2026, 1, 1, tzinfo=UTC)
    at = [day + timedelta(hours=one) for one in range(10)]
    gaps = sorted([(at[0], at[2]), (at[1], at[3]), (at[4], at[5]), (at[4], at[4]), (at[8], at[9])])
    assert list(subtract(at[1], at[7], gaps)) == [(at[3], at[4]), (at[5], at[7])]
