"""Explain a score signal by signal. Pure: no database."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from math import isfinite
from typing import Any
from uuid import UUID

from django.utils.dateparse import parse_datetime

from crm.exceptions import InvalidInput
from leads.models import Lead, ScoringPolicy

SECONDS_PER_DAY = 86_400
WEEK = timedelta(days=7)
MAX_SIGNALS_SHOWN = 50
MAX_STRONGEST_SIGNALS = 3
# The program stores at most five hundred signals for a lead, but other writers to the database may store more.
MAX_SIGNALS_EXPLAINED = 2_000
SIGNAL_TYPE_PATTERN = re.compile(r"[a-z][a-z0-9_]{0,59}")
REQUIRED_SIGNAL_KEYS = {"type", "timestamp", "weight"}
MAX_SIGNAL_NOTE_LENGTH = 300
# The sources of signals that do not come from a message: a label, and the anchor on the page of the lead.
SOURCE_LINKS = {
    "fields": ("the fields", "where"),
    "stakeholder": ("the stakeholder", "people"),
    "stage": ("the move", "moves"),
}
CLOCK_LEEWAY = timedelta(minutes=1)
CENT = Decimal("0.01")
DETAIL_KEYS = ("count", "value", "note")
# The weights and half-lives (in days) of the first policy of every agency.
DEFAULT_SIGNAL_WEIGHTS = {
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


def parse_signal_timestamp(text: str) -> datetime | None:
    """Return an ISO timestamp as a datetime; None if it is not a real date."""
    try:
        at = parse_datetime(text)
    except ValueError:
        return None
    # The database reads a timestamp without a time zone as UTC, too.
    return at.replace(tzinfo=UTC) if at is not None and at.tzinfo is None else at


def parse_uuid(text: Any) -> UUID | None:
    """Return `text` as a UUID; None if it is not one."""
    try:
        return UUID(text)
    except (ValueError, TypeError, AttributeError):
        return None


def is_real_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def source_link(source: Any) -> tuple[str, str] | None:
    """Return the label of `source` and its anchor on the page of the lead; None for a message.

    A source on the page is "fields", or "stakeholder:" or "stage:" followed by the ID of the link or the stage change.
    """
    kind, _, rest = source.partition(":") if isinstance(source, str) else ("", "", "")
    is_known = source == "fields" or (kind in {"stakeholder", "stage"} and parse_uuid(rest) is not None)
    return SOURCE_LINKS[kind] if is_known else None


# The optional keys of a signal: a check of the value, and a description of valid values.
OPTIONAL_SIGNAL_KEYS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "count": (lambda value: is_real_number(value) and value == int(value) and value >= 0, "a whole number"),
    "value": (lambda value: is_real_number(value), "a number"),
    "interaction": (lambda value: parse_uuid(value) is not None, "the ID of an AI interaction"),
    "source": (
        lambda value: isinstance(value, str) and (parse_uuid(value) is not None or source_link(value) is not None),
        "the ID of a message, or a part of the lead",
    ),
    "note": (
        lambda value: isinstance(value, str) and "\x00" not in value and len(value) <= MAX_SIGNAL_NOTE_LENGTH,
        f"a text with at most {MAX_SIGNAL_NOTE_LENGTH} characters",
    ),
}


@dataclass(frozen=True)
class SignalContribution:
    """A signal as shown to users: its weight, its age, and what it contributes to the score."""

    label: str
    at: datetime | None
    weight: float
    half_life_days: float
    age_days: float
    contribution: float
    detail: str
    message: UUID | None
    # The row of the AI log, if a model found the signal.
    interaction: UUID | None
    source_link: tuple[str, str] | None

    @property
    def weight_text(self) -> str:
        return format_signed(self.weight)

    @property
    def contribution_text(self) -> str:
        return format_signed(self.contribution, 3)


@dataclass(frozen=True)
class ScoreBreakdown:
    """The contributions of all signals to a score, newest first."""

    contributions: list[SignalContribution]

    @property
    def total(self) -> float:
        return sum(contribution.contribution for contribution in self.contributions)

    @property
    def score(self) -> Decimal:
        """Return the sum of all contributions, clamped to 0..1 with two decimals, exactly as the database does."""
        # PostgreSQL converts a float to a number with fifteen digits, and rounds halves away from zero.
        total = Decimal(f"{min(max(self.total, 0.0), 1.0):.15g}")
        return total.quantize(CENT, rounding=ROUND_HALF_UP)

    @property
    def total_text(self) -> str:
        return format_signed(self.total, 3)

    @property
    def is_clamped(self) -> bool:
        return not 0 <= self.total <= 1


def break_down_score(signals: list[dict[str, Any]], policy: ScoringPolicy, at: datetime) -> ScoreBreakdown:
    """Return the contribution of each of `signals` as of `at`, without later signals."""
    contributions = [signal_contribution(signal, policy, at) for signal in signals]
    past = [contribution for contribution in contributions if contribution.at is None or contribution.at <= at]
    return ScoreBreakdown(sorted(past, key=lambda one: one.at.timestamp() if one.at else 0.0, reverse=True))


@dataclass(frozen=True)
class ScoreExplanation:
    """Why a lead has its score: the contributions as of `as_of`, and those of a week before."""

    policy: ScoringPolicy
    as_of: datetime
    current: ScoreBreakdown
    week_ago: ScoreBreakdown
    is_current: bool
    # The number of signals left out: all but the newest two thousand.
    unexplained_count: int = 0

    @property
    def top_contributions(self) -> list[SignalContribution]:
        return self.current.contributions[:MAX_SIGNALS_SHOWN]

    @property
    def strongest_contributions(self) -> list[SignalContribution]:
        """Return the few contributions that count most, for or against, in that order."""
        by_size = sorted(self.current.contributions, key=lambda one: abs(one.contribution), reverse=True)
        return by_size[:MAX_STRONGEST_SIGNALS]

    @property
    def remainder(self) -> ScoreBreakdown:
        """Return the contributions that are not shown one by one."""
        return ScoreBreakdown(self.current.contributions[MAX_SIGNALS_SHOWN:])

    @property
    def change_text(self) -> str:
        """Return the change of the score in a week; empty if it did not change."""
        difference = self.current.score - self.week_ago.score
        return format_signed(float(difference)) if difference else ""

    @property
    def new_contributions(self) -> list[SignalContribution]:
        """Return the contributions of the signals of the last week."""
        return [contribution for contribution in self.current.contributions if contribution.age_days < WEEK.days]

    @property
    def faded_text(self) -> str:
        """Return what the older signals lost in the last week."""
        older = sum(
            contribution.contribution
            for contribution in self.current.contributions
            if contribution.age_days >= WEEK.days
        )
        return format_signed(older - self.week_ago.total, 3)


def score_explanation(lead: Lead, policy: ScoringPolicy) -> ScoreExplanation:
    """Explain the score of `lead` by `policy`."""
    at = scored_as_of(lead, policy)
    # Signals are stored in the order of their timestamps.
    signals = lead.signals[-MAX_SIGNALS_EXPLAINED:]
    now, before = break_down_score(signals, policy, at), break_down_score(signals, policy, at - WEEK)
    unexplained_count = len(lead.signals) - len(signals)
    return ScoreExplanation(
        policy, at, now, before, unexplained_count > 0 or now.score == lead.overall_score, unexplained_count
    )


def scored_as_of(lead: Lead, policy: ScoringPolicy) -> datetime:
    """Return when the score of `lead` was last computed; a score that did not change counts as computed."""
    moments = [lead.last_scored_at, policy.ran_at if lead.is_open else None, lead.created_at]
    return max(at for at in moments if at is not None)


def signal_contribution(signal: dict[str, Any], policy: ScoringPolicy, at: datetime) -> SignalContribution:
    weight, half_life = policy.weight_and_half_life(signal)
    since = parse_signal_timestamp(signal["timestamp"])
    age = max((at - since).total_seconds(), 0.0) / SECONDS_PER_DAY if since else 0.0
    return SignalContribution(
        label=signal["type"].replace("_", " ").capitalize(),
        at=since,
        weight=weight,
        half_life_days=half_life,
        age_days=age,
        contribution=weight * 0.5 ** (age / half_life),
        detail=", ".join(detail_text(signal["type"], key, signal[key]) for key in DETAIL_KEYS if key in signal),
        message=parse_uuid(signal.get("source")),
        interaction=parse_uuid(signal.get("interaction")),
        source_link=source_link(signal.get("source")),
    )


def detail_text(signal_type: str, key: str, detail: Any) -> str:
    """Return a detail of a signal for reading: "$70,000" for a budget, "80 %" for a fit, "2 in all", or the note."""
    if not is_real_number(detail):
        return str(detail)
    number = f"{detail:,.10g}"
    if key == "count":
        return f"{number} in all"
    if signal_type == "budget_mentioned":
        return f"${number}"
    return f"{detail:.0%}".replace("%", " %") if signal_type == "fit" else number


def validate_signal(signal: Any, now: datetime) -> dict[str, Any]:
    """Return `signal` as it is stored: {type, timestamp, weight} and the optional keys.

    Raises:
        InvalidInput: a key is missing, unknown or has an invalid value.
    """
    if not isinstance(signal, dict) or not REQUIRED_SIGNAL_KEYS <= set(signal) <= REQUIRED_SIGNAL_KEYS | set(
        OPTIONAL_SIGNAL_KEYS
    ):
        raise InvalidInput(
            "A signal needs a type, a timestamp and a weight. The optional keys are: "
            f"{', '.join(OPTIONAL_SIGNAL_KEYS)}."
        )
    if not isinstance(signal["type"], str) or not SIGNAL_TYPE_PATTERN.fullmatch(signal["type"]):
        raise InvalidInput("The type of a signal must be a word of lower-case letters, digits and underscores.")
    at = parse_signal_timestamp(signal["timestamp"]) if isinstance(signal["timestamp"], str) else None
    if at is None or at > now + CLOCK_LEEWAY:
        raise InvalidInput("The timestamp of a signal must be an ISO date and time that is not in the future.")
    if not is_real_number(signal["weight"]) or not -1 <= signal["weight"] <= 1:
        raise InvalidInput("The weight of a signal must be a number from -1 to 1.")
    for name, (is_valid, description) in OPTIONAL_SIGNAL_KEYS.items():
        if name in signal and not is_valid(signal[name]):
            raise InvalidInput(f"The {name} of a signal must be {description}.")
    return {**signal, "timestamp": min(at, now).astimezone(UTC).isoformat(timespec="seconds")}


def is_same_signal(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Return whether two signals have the same type and source or, without a source, are equal."""
    if "source" in one or "source" in other:
        return one["type"] == other["type"] and one.get("source") == other.get("source")
    return one == other


def format_signed(number: float, places: int = 2) -> str:
    """Return `number` with its sign, with a real minus."""
    return f"{number:+.{places}f}".replace("-", "−")
