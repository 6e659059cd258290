"""Whether a lead is going cold: two rules over the times at which we and they wrote. Pure: no database.

A note about a call of ours counts as neither: it may have reached an answering machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

ONE_DAY = timedelta(days=1)
# Unanswered messages of ours, each a day apart, and the time they had to answer the last one.
MIN_UNANSWERED_MESSAGES, REPLY_WAIT = 2, timedelta(days=3)
# Consecutive answers of theirs, each so many times as slow as the one before; the last slower than this.
SLOW_REPLY_COUNT, SLOWDOWN_FACTOR, SLOW_REPLY_WAIT = 3, 2, timedelta(days=3)


@dataclass(frozen=True)
class ContactEvent:
    """One message to the other side or from it."""

    at: datetime
    is_inbound: bool
    message: UUID


@dataclass(frozen=True)
class ColdSignal:
    """That a lead is going cold: since when, which message shows it, and why."""

    at: datetime
    message: UUID
    note: str


def detect_going_cold(events: Sequence[ContactEvent], now: datetime) -> ColdSignal | None:
    """Return the signal that `events`, the oldest first, show as of `now`; None if they show none."""
    return detect_unanswered(events, now) or detect_slower_replies(events)


def detect_unanswered(events: Sequence[ContactEvent], now: datetime) -> ColdSignal | None:
    """Return the signal of two or more unanswered messages, a day apart, the last of them three days old."""
    last = max((place for place, event in enumerate(events) if event.is_inbound), default=-1)
    spaced_events: list[ContactEvent] = []
    for event in events[last + 1 :]:
        if not spaced_events or event.at - spaced_events[-1].at >= ONE_DAY:
            spaced_events.append(event)
    if len(spaced_events) < MIN_UNANSWERED_MESSAGES or now - events[-1].at < REPLY_WAIT:
        return None
    first = spaced_events[0]
    return ColdSignal(
        spaced_events[MIN_UNANSWERED_MESSAGES - 1].at + REPLY_WAIT,
        first.message,
        f"{len(spaced_events)} of our words have had no answer",
    )


def detect_slower_replies(events: Sequence[ContactEvent]) -> ColdSignal | None:
    """Return the signal of three answers, each twice as slow as the one before, the last over three days."""
    waits, last_outbound = [], None
    for event in events:
        if not event.is_inbound:
            last_outbound = event
        elif last_outbound is not None:
            waits.append((event.at - last_outbound.at, event))
            last_outbound = None
    newest = waits[-SLOW_REPLY_COUNT:]
    if len(newest) < SLOW_REPLY_COUNT or newest[-1][0] <= SLOW_REPLY_WAIT or not events[-1].is_inbound:
        return None
    if any(
        later < SLOWDOWN_FACTOR * max(earlier, timedelta(hours=1))
        for (earlier, _), (later, _) in zip(newest, newest[1:], strict=False)
    ):
        return None
    durations = ", ".join(format_wait(wait) for wait, _ in newest)
    return ColdSignal(newest[-1][1].at, newest[-1][1].message, f"their answers take ever longer: {durations}")


def format_wait(wait: timedelta) -> str:
    return f"{wait // ONE_DAY} days" if wait >= 2 * ONE_DAY else f"{max(wait // timedelta(hours=1), 1)} hours"
