"""What a score means, share by share. Pure: no database."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from math import isfinite
from typing import Any
from uuid import UUID

from django.utils.dateparse import parse_datetime

from crm.exceptions import BadInput
from leads.models import Lead, ScoringPolicy

DAY = 86_400
WEEK = timedelta(days=7)
SHOWN = 50
# No lead is given more than five hundred; what was written past the program may hold any number.
MOST_EXPLAINED = 2_000
NAME = re.compile(r"[a-z][a-z0-9_]{0,59}")
NEEDED = {"type", "timestamp", "weight"}
LONGEST_NOTE = 300
# Where a signal comes from, if not from a message: what that is called, and its place on the page of the lead.
PLACES = {
    "fields": ("the fields", "where"),
    "stakeholder": ("the stakeholder", "people"),
    "stage": ("the move", "moves"),
}
LEEWAY = timedelta(minutes=1)
CENT = Decimal("0.01")
TOLD = ("count", "value", "note")
# The policy that every house begins with: for each type of signal its weight and its half-life in days.
SEEDED = {
    "email_opened": (0.10, 14),
    "replied_quickly": (0.20, 30),
    "multiple_stakeholders": (0.15, 60),
    "budget_mentioned": (0.25, 60),
    "decision_maker": (0.20, 90),
    "clear_requirements": (0.15, 60),
    "urgency_detected": (0.20, 14),
    "follow_up_requested": (0.15, 30),
    "meeting_scheduled": (0.25, 30),
    "proposal_viewed": (0.20, 21),
    "referral": (0.15, 120),
    "fit": (0.10, 180),
    "competitor_mentioned": (-0.10, 60),
    "price_sensitive": (-0.10, 60),
    "just_exploring": (-0.15, 45),
    "going_cold": (-0.15, 30),
    "bounced": (-0.20, 90),
}


def moment(text: str) -> datetime | None:
    """An ISO timestamp as a moment; None if it names no real day."""
    try:
        at = parse_datetime(text)
    except ValueError:
        return None
    # As the database reads it.
    return at.replace(tzinfo=UTC) if at is not None and at.tzinfo is None else at


def key(text: Any) -> UUID | None:
    """`text` as the key of a record; None if it is none."""
    try:
        return UUID(text)
    except (ValueError, TypeError, AttributeError):
        return None


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def place(source: Any) -> tuple[str, str] | None:
    """What `source` is called and where it stands on the page of its lead; None where it is no part of that.

    That is "fields", or "stakeholder:" or "stage:" with the key of the link or the move.
    """
    kind, _, rest = source.partition(":") if isinstance(source, str) else ("", "", "")
    known = source == "fields" or (kind in {"stakeholder", "stage"} and key(rest) is not None)
    return PLACES[kind] if known else None


# What a signal may say besides: whether a value is right, and what is.
EXTRAS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "count": (lambda value: is_number(value) and value == int(value) and value >= 0, "a whole number"),
    "value": (lambda value: is_number(value), "a number"),
    "interaction": (lambda value: key(value) is not None, "the key of an answer in the AI log"),
    "source": (
        lambda value: isinstance(value, str) and (key(value) is not None or place(value) is not None),
        "the key of a message, or a part of the lead",
    ),
    "note": (
        lambda value: isinstance(value, str) and "\x00" not in value and len(value) <= LONGEST_NOTE,
        f"a text of at most {LONGEST_NOTE} characters",
    ),
}


@dataclass(frozen=True)
class Share:
    """A signal as people read it: what it weighs, how old it is, and what of it still counts."""

    label: str
    at: datetime | None
    weight: float
    half_life_days: float
    age_days: float
    share: float
    detail: str
    message: UUID | None
    # Where a model found it: the row of the AI log.
    interaction: UUID | None
    place: tuple[str, str] | None

    @property
    def shown_weight(self) -> str:
        return signed(self.weight)

    @property
    def shown_share(self) -> str:
        return signed(self.share, 3)


@dataclass(frozen=True)
class Explanation:
    """Why a lead has its score: every signal with its share, the newest first."""

    shares: list[Share]

    @property
    def total(self) -> float:
        return sum(share.share for share in self.shares)

    @property
    def score(self) -> Decimal:
        """The sum of all shares within 0..1, to two decimals: what the database computes."""
        # As PostgreSQL makes a number of it: fifteen digits, halves away from zero.
        total = Decimal(f"{min(max(self.total, 0.0), 1.0):.15g}")
        return total.quantize(CENT, rounding=ROUND_HALF_UP)

    @property
    def shown_total(self) -> str:
        return signed(self.total, 3)

    @property
    def is_clamped(self) -> bool:
        return not 0 <= self.total <= 1


def explained(signals: list[dict[str, Any]], policy: ScoringPolicy, at: datetime) -> Explanation:
    """What each of `signals` counts as of `at`; those that came later are left out."""
    shares = [share_of(signal, policy, at) for signal in signals]
    known = [share for share in shares if share.at is None or share.at <= at]
    return Explanation(sorted(known, key=lambda one: one.at.timestamp() if one.at else 0.0, reverse=True))


@dataclass(frozen=True)
class Why:
    """Why a lead has its score, as of the moment for which it is true, and what has changed in a week."""

    policy: ScoringPolicy
    as_of: datetime
    now: Explanation
    week_ago: Explanation
    is_current: bool
    # Signals that are not explained: those before the newest two thousand.
    left_out: int = 0

    @property
    def shown(self) -> list[Share]:
        return self.now.shares[:SHOWN]

    @property
    def rest(self) -> Explanation:
        """What is not shown one by one."""
        return Explanation(self.now.shares[SHOWN:])

    @property
    def change(self) -> str:
        """By how much the score has moved in a week; empty where it has not."""
        moved = self.now.score - self.week_ago.score
        return signed(float(moved)) if moved else ""

    @property
    def new(self) -> list[Share]:
        """The signals of the week."""
        return [share for share in self.now.shares if share.age_days < WEEK.days]

    @property
    def faded(self) -> str:
        """What the older ones have lost in the week."""
        older = sum(share.share for share in self.now.shares if share.age_days >= WEEK.days)
        return signed(older - self.week_ago.total, 3)


def why(lead: Lead, policy: ScoringPolicy) -> Why:
    """Why `lead` has its score by `policy`."""
    at = scored_as_of(lead, policy)
    # They are kept in the order of their time.
    signals = lead.signals[-MOST_EXPLAINED:]
    now, before = explained(signals, policy, at), explained(signals, policy, at - WEEK)
    left_out = len(lead.signals) - len(signals)
    return Why(policy, at, now, before, left_out > 0 or now.score == lead.overall_score, left_out)


def scored_as_of(lead: Lead, policy: ScoringPolicy) -> datetime:
    """The moment for which the score of `lead` is true: when it was scored, or seen to be as it was."""
    moments = [lead.last_scored_at, policy.ran_at if lead.is_open else None, lead.created_at]
    return max(at for at in moments if at is not None)


def share_of(signal: dict[str, Any], policy: ScoringPolicy, at: datetime) -> Share:
    weight, half_life = policy.counts_for(signal)
    since = moment(signal["timestamp"])
    age = max((at - since).total_seconds(), 0.0) / DAY if since else 0.0
    return Share(
        label=signal["type"].replace("_", " ").capitalize(),
        at=since,
        weight=weight,
        half_life_days=half_life,
        age_days=age,
        share=weight * 0.5 ** (age / half_life),
        detail=", ".join(
            str(signal[key]) if key == "note" else f"{key}: {signal[key]}" for key in TOLD if key in signal
        ),
        message=key(signal.get("source")),
        interaction=key(signal.get("interaction")),
        place=place(signal.get("source")),
    )


def checked(signal: Any, now: datetime) -> dict[str, Any]:
    """`signal` as it is stored: {type, timestamp, weight} with an optional count, value, source and note.

    Raises:
        BadInput: it is anything else, and which part of it.
    """
    if not isinstance(signal, dict) or not NEEDED <= set(signal) <= NEEDED | set(EXTRAS):
        raise BadInput(f"A signal has a type, a timestamp and a weight, and at most {', '.join(EXTRAS)} besides.")
    if not isinstance(signal["type"], str) or not NAME.fullmatch(signal["type"]):
        raise BadInput("The type of a signal is a word of small letters, digits and underscores.")
    at = moment(signal["timestamp"]) if isinstance(signal["timestamp"], str) else None
    if at is None or at > now + LEEWAY:
        raise BadInput("The timestamp of a signal is an ISO date and time that is not in the future.")
    if not is_number(signal["weight"]) or not -1 <= signal["weight"] <= 1:
        raise BadInput("The weight of a signal is a number from -1 to 1.")
    for name, (is_right, what) in EXTRAS.items():
        if name in signal and not is_right(signal[name]):
            raise BadInput(f"The {name} of a signal is {what}.")
    return {**signal, "timestamp": min(at, now).astimezone(UTC).isoformat(timespec="seconds")}


def same_sign(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two signals say the same of the same source; without a source, whether they are equal."""
    if "source" in one or "source" in other:
        return one["type"] == other["type"] and one.get("source") == other.get("source")
    return one == other


def signed(number: float, places: int = 2) -> str:
    """`number` with its sign, as people write it."""
    return f"{number:+.{places}f}".replace("-", "−")
