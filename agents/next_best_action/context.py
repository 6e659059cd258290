"""What the next best action of a lead is looked for in: its stage, what was said, what waits. Plain values, no rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from inbox.models import Direction, MessageState, ThreadSource
from inbox.thread_state import IN_THEIR_WORDS
from leads.models import Category
from suggestions.models import SuggestionType

UNDER_WAY = frozenset({MessageState.QUEUED, MessageState.SENDING, MessageState.UNCERTAIN})
PROPOSAL_STAGE = "PROPOSAL_SENT"


@dataclass(frozen=True)
class Stage:
    """A stage of the board; `stale_days` is its limit of silence, None where it has none."""

    code: str
    label: str
    category: str
    position: int
    stale_days: int | None = None


@dataclass(frozen=True)
class Said:
    """Something that a person said, or that is on its way out, with the beginning of its text."""

    key: UUID
    thread: UUID
    source: str
    thread_open: bool
    direction: str
    state: str
    sender: str
    at: datetime
    body: str = ""

    @property
    def theirs(self) -> bool:
        return self.direction == Direction.IN

    @property
    def mail(self) -> bool:
        return self.source == ThreadSource.EMAIL

    @property
    def their_words(self) -> bool:
        return self.theirs and self.source in IN_THEIR_WORDS


@dataclass(frozen=True)
class Waiting:
    """A suggestion about the lead that is yet to be decided; `key` is empty where it is not of this agent."""

    type: str
    thread: UUID | None = None
    key: str = ""


@dataclass(frozen=True)
class Surroundings:
    """All that is known of a lead when its next best action is looked for, as of `now` in the office's time zone.

    `said` begins with the newest; `ours` are our own addresses, in lower case; `done` are the keys of what was
    proposed before and decided; `busy` is that a task for it is yet to fall due, `room` that its owner's queue has
    room for what nobody waits for.
    """

    now: datetime
    lead: UUID
    stage: Stage
    stages: tuple[Stage, ...]
    last_heard: datetime
    spoken: bool = True
    awaiting: bool = False
    moved_at: datetime | None = None
    email: str = ""
    phone: str = ""
    closed_channels: frozenset[str] = frozenset()
    line: str = ""
    tier: str | None = None
    signals: frozenset[str] = frozenset()
    said: tuple[Said, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    done: frozenset[str] = frozenset()
    templates: Mapping[str, str] = field(default_factory=dict)
    ours: frozenset[str] = frozenset()
    busy: bool = False
    room: bool = True

    @property
    def silence(self) -> timedelta:
        return self.now - self.last_heard

    @property
    def their_newest(self) -> Said | None:
        """The newest that they wrote themselves."""
        return next((one for one in self.said if one.their_words and one.sender not in self.ours), None)

    @property
    def proposal_is_out(self) -> bool:
        return self.stage.code == PROPOSAL_STAGE

    @property
    def unanswered(self) -> int:
        """How often we have spoken since they last did."""
        ours = [one for one in self.said if one.state not in UNDER_WAY]
        return next((place for place, one in enumerate(ours) if one.theirs), len(ours))

    def answered(self, said: Said) -> bool:
        """Whether we have answered `said`, in its conversation or by talking to them, or are about to."""
        later = [one for one in self.said if not one.theirs and one.at >= said.at]
        return any(one.thread == said.thread or one.source not in IN_THEIR_WORDS for one in later)

    def owed(self) -> list[Said]:
        """The newest mail of each conversation that nobody has answered, the newest first."""
        newest: dict[UUID, Said] = {}
        for one in self.said:
            if one.theirs and one.mail and one.thread_open:
                newest.setdefault(one.thread, one)
        return [one for one in newest.values() if not self.answered(one)]

    def first_stage(self, category: str) -> Stage | None:
        """The first stage of `category` on the board."""
        return next((one for one in self.stages if one.category == category), None)

    def before_proposal(self) -> Stage | None:
        """The open stage that somebody who says yes goes on to before a proposal is out; None where there is none.

        From an open stage the next one, from a paused one the last before the proposal.
        """
        opened = [one for one in self.stages if one.category == Category.OPEN]
        last = next((one.position for one in opened if one.code == PROPOSAL_STAGE), None)
        early = [one for one in opened if last is None or one.position < last]
        if self.stage.category == Category.PAUSED:
            return early[-1] if early else None
        return next((one for one in early if one.position > self.stage.position), None)


@dataclass(frozen=True)
class Action:
    """What is proposed to be done next; the same `key` means the same deed on the same grounds."""

    type: SuggestionType
    key: str
    content: dict[str, Any]
    confidence: Decimal
    reasoning: str
    evidence: list[dict[str, Any]] = field(default_factory=list)
    thread: UUID | None = None
    message: UUID | None = None
