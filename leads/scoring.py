"""What a score means. Pure: no database."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.utils.dateparse import parse_datetime
from django.utils.timezone import is_naive, make_aware

from leads.models import Tier

HOT = Decimal("0.70")
WARM = Decimal("0.40")
TOLD = ("count", "value")


def tier_of(score: Decimal | None) -> str | None:
    """The tier of a `score` in 0..1; None where nothing was scored yet."""
    if score is None:
        return None
    if score >= HOT:
        return Tier.HOT
    return Tier.WARM if score >= WARM else Tier.COLD


@dataclass(frozen=True)
class Signal:
    """A signal as people read it."""

    label: str
    at: datetime | None
    weight: float
    detail: str
    message: UUID | None

    @property
    def shown(self) -> str:
        return f"{self.weight:+.2f}".replace("-", "−")


def read_signals(signals: list[dict[str, Any]]) -> list[Signal]:
    """The stored signals, the newest first."""
    read = [
        Signal(
            label=signal["type"].replace("_", " ").capitalize(),
            at=moment(signal["timestamp"]),
            weight=float(signal["weight"]),
            detail=", ".join(f"{key}: {signal[key]}" for key in TOLD if key in signal),
            message=key(signal.get("source")),
        )
        for signal in signals
    ]
    return sorted(read, key=lambda signal: signal.at.timestamp() if signal.at else 0.0, reverse=True)


def moment(text: str) -> datetime | None:
    """An ISO timestamp as a moment; None if it names no real day."""
    try:
        at = parse_datetime(text)
    except ValueError:
        return None
    return make_aware(at) if at is not None and is_naive(at) else at


def key(text: Any) -> UUID | None:
    """`text` as the key of a record; None if it is none."""
    try:
        return UUID(text)
    except (ValueError, TypeError, AttributeError):
        return None
