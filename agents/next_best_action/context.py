"""The context in which a lead's next best action is chosen: stage, messages, waiting suggestions. Plain values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from inbox.models import EMAIL_SOURCES, Direction, MessageState, ThreadSource
from inbox.thread_state import VERBATIM_SOURCES
from leads.models import StageCategory
from suggestions.models import SuggestionType

UNSENT_STATES = frozenset({MessageState.QUEUED, MessageState.SENDING, MessageState.UNCERTAIN})
PROPOSAL_STAGE_CODE = "PROPOSAL_SENT"


@dataclass(frozen=True)
class Stage:
    """A stage of the board; `stale_days` is its limit of silence, None if it has none."""

    code: str
    label: str
    category: str
    position: int
    stale_days: int | None = None


@dataclass(frozen=True)
class LeadMessage:
    """A message between persons, sent or queued, with the beginning of its text."""

    key: UUID
    thread: UUID
    source: str
    is_thread_open: bool
    direction: str
    state: str
    sender: str
    at: datetime
    body: str = ""
    is_closing: bool = False

    @property
    def is_inbound(self) -> bool:
        return self.direction == Direction.IN

    @property
    def is_answered_by_email(self) -> bool:
        return self.source == ThreadSource.EMAIL or (self.source in EMAIL_SOURCES and bool(self.sender))

    @property
    def is_in_their_words(self) -> bool:
        return self.is_inbound and self.source in VERBATIM_SOURCES


@dataclass(frozen=True)
class WaitingSuggestion:
    """An undecided suggestion about the lead; `key` is empty unless this agent proposed it."""

    type: str
    thread: UUID | None = None
    key: str = ""


@dataclass(frozen=True)
class LeadContext:
    """What is known about a lead, as of `now` in the office's time zone.

    `messages` begins with the newest. `closed_channels` must not be used, and `unanswerable_channels` not even for an
    answer. `ours` are our own addresses, in lower case. `decided_keys` are the keys of
    earlier proposals that were decided. `has_upcoming_task`: a task for it is not due yet. `has_queue_room`: its
    owner's queue has room for a suggestion that no message asks for.
    """

    now: datetime
    lead: UUID
    stage: Stage
    stages: tuple[Stage, ...]
    last_contact_at: datetime
    has_been_contacted: bool = True
    is_awaiting_reply: bool = False
    stage_changed_at: datetime | None = None
    email: str = ""
    has_first_name: bool = True
    phone: str = ""
    closed_channels: frozenset[str] = frozenset()
    unanswerable_channels: frozenset[str] = frozenset()
    insurance_line: str = ""
    tier: str | None = None
    signals: frozenset[str] = frozenset()
    messages: tuple[LeadMessage, ...] = ()
    pending: tuple[WaitingSuggestion, ...] = ()
    decided_keys: frozenset[str] = frozenset()
    templates: Mapping[str, str] = field(default_factory=dict)
    own_addresses: frozenset[str] = frozenset()
    has_upcoming_task: bool = False
    has_queue_room: bool = True

    @property
    def silence(self) -> timedelta:
        return self.now - self.last_contact_at

    @property
    def latest_inbound(self) -> LeadMessage | None:
        """Return the newest message they wrote."""
        return next(
            (one for one in self.messages if one.is_in_their_words and one.sender not in self.own_addresses), None
        )

    @property
    def can_email(self) -> bool:
        return bool(self.email) and "email" not in self.closed_channels

    @property
    def can_call(self) -> bool:
        return bool(self.phone) and "phone" not in self.closed_channels

    @property
    def is_proposal_sent(self) -> bool:
        return self.stage.code == PROPOSAL_STAGE_CODE

    @property
    def unanswered_count(self) -> int:
        """Return the number of our messages since their last one."""
        settled = [one for one in self.messages if one.state not in UNSENT_STATES]
        return next((place for place, one in enumerate(settled) if one.is_inbound), len(settled))

    def is_answered(self, said: LeadMessage) -> bool:
        """Return whether we answered `messages`, in the thread or by a call, or have a reply queued."""
        later = [one for one in self.messages if not one.is_inbound and one.at >= said.at]
        return any(one.thread == said.thread or one.source not in VERBATIM_SOURCES for one in later)

    def unanswered_emails(self) -> list[LeadMessage]:
        """Return the newest message of each thread that an email should answer, newest first; not closing words."""
        newest: dict[UUID, LeadMessage] = {}
        for one in self.messages:
            if one.is_inbound and one.is_answered_by_email and one.is_thread_open and not one.is_closing:
                newest.setdefault(one.thread, one)
        return [one for one in newest.values() if not self.is_answered(one)]

    def first_stage(self, category: str) -> Stage | None:
        """Return the first stage of `category` on the board."""
        return next((one for one in self.stages if one.category == category), None)

    def next_stage_before_proposal(self) -> Stage | None:
        """Return the open stage that an accepting lead moves to before a proposal is sent; None if there is none.

        From an open stage it is the next one, from a paused stage the last before the proposal.
        """
        opened = [one for one in self.stages if one.category == StageCategory.OPEN]
        last = next((one.position for one in opened if one.code == PROPOSAL_STAGE_CODE), None)
        early = [one for one in opened if last is None or one.position < last]
        if self.stage.category == StageCategory.PAUSED:
            return early[-1] if early else None
        return next((one for one in early if one.position > self.stage.position), None)


@dataclass(frozen=True)
class NextAction:
    """A proposed action; the same `key` means the same action on the same grounds, `rule` names what led to it."""

    type: SuggestionType
    key: str
    content: dict[str, Any]
    rule: str
    reasoning: str
    evidence: list[dict[str, Any]] = field(default_factory=list)
    thread: UUID | None = None
    message: UUID | None = None
