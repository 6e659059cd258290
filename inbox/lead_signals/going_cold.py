"""Whether somebody is going cold: two rules over when we and they spoke. Pure: no database.

What was written down of a call that we made says neither: it may have been a voice on a tape.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

DAY = timedelta(days=1)
# Of our words, a day apart, and how long they have had to answer the last of them.
UNANSWERED, PATIENCE = 2, timedelta(days=3)
# Of their answers one after another, each so many times as slow as the one before, the last slower than this.
SLOWER, TIMES, SLOW = 3, 2, timedelta(days=3)


@dataclass(frozen=True)
class Word:
    """One thing that was said to the other side, or by it."""

    at: datetime
    theirs: bool
    message: UUID


@dataclass(frozen=True)
class Cold:
    """That somebody is going cold: since when, the message that shows it, and why in words."""

    at: datetime
    message: UUID
    note: str


def going_cold(said: Sequence[Word], now: datetime) -> Cold | None:
    """What `said`, the oldest first, shows as of `now`; None while nothing points to it."""
    return unanswered(said, now) or slower(said)


def unanswered(said: Sequence[Word], now: datetime) -> Cold | None:
    """That two or more of our words, a day apart, have had no answer, the last of them for three days."""
    last = max((place for place, word in enumerate(said) if word.theirs), default=-1)
    apart: list[Word] = []
    for word in said[last + 1 :]:
        if not apart or word.at - apart[-1].at >= DAY:
            apart.append(word)
    if len(apart) < UNANSWERED or now - said[-1].at < PATIENCE:
        return None
    first = apart[0]
    return Cold(apart[UNANSWERED - 1].at + PATIENCE, first.message, f"{len(apart)} of our words have had no answer")


def slower(said: Sequence[Word]) -> Cold | None:
    """That each of their last three answers took twice as long as the one before, the last more than three days."""
    waits, ours = [], None
    for word in said:
        if not word.theirs:
            ours = word
        elif ours is not None:
            waits.append((word.at - ours.at, word))
            ours = None
    newest = waits[-SLOWER:]
    if len(newest) < SLOWER or newest[-1][0] <= SLOW or not said[-1].theirs:
        return None
    if any(
        later < TIMES * max(earlier, timedelta(hours=1))
        for (earlier, _), (later, _) in zip(newest, newest[1:], strict=False)
    ):
        return None
    taken = ", ".join(shown(wait) for wait, _ in newest)
    return Cold(newest[-1][1].at, newest[-1][1].message, f"their answers take ever longer: {taken}")


def shown(wait: timedelta) -> str:
    return f"{wait // DAY} days" if wait >= 2 * DAY else f"{max(wait // timedelta(hours=1), 1)} hours"
