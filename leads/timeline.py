"""The changes of tier and score on the timeline of a lead."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from crm.models import ActorType
from crm.records.timeline import Position, SourcePage, TimelineLine
from leads.models import Lead, TierChange

SCORING_NAME = "Scoring"


def score_lines(user: Any, lead: Lead, before: Position | None, size: int) -> SourcePage:
    """Return the changes of tier, and the moves of the score that scoring recorded. Who sees the lead sees these."""
    rows = lead.tier_changes.order_by("-at", "-id")
    if before is not None:
        rows = rows.filter(at__lte=before.at)
    # One more than shown, and one that may lie at the position itself.
    found = [(position_of(row), row) for row in rows[: size + 2]]
    found = [(position, row) for position, row in found if before is None or position < before]
    lines = [line_of(position, row) for position, row in found[:size]]
    return SourcePage(lines, lines[-1].position if len(found) > size else None)


def position_of(change: TierChange) -> Position:
    return Position(change.at, UUID(int=change.pk))


def line_of(position: Position, change: TierChange) -> TimelineLine:
    return TimelineLine(position, ActorType.SYSTEM, SCORING_NAME, describe_change(change))


def describe_change(change: TierChange) -> str:
    """Return "Tier: warm → hot · score 0.55 → 0.80", without what did not change."""
    parts = []
    if change.was != change.now:
        parts.append(f"Tier: {arrow(change.was, change.now)}")
    if change.score is not None:
        moved = change.previous_score is not None and change.previous_score != change.score
        parts.append(f"score {arrow(change.previous_score, change.score)}" if moved else f"score {change.score}")
    text = " · ".join(parts)
    return text[:1].upper() + text[1:]


def arrow(was: str | Decimal | None, now: str | Decimal | None) -> str:
    target = "none" if now is None else str(now)
    return f"{was} → {target}" if was is not None else target
