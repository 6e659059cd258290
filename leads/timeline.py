"""The changes of tier and score on the timeline of a lead, and the timeline of a lead on that of its client."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from crm.models import ActivityLog, ActorType, Client
from crm.records.timeline import Position, SourcePage, TimelineLine, rows_before, visible_entries
from crm.records.timeline import line_of as line_of_entry
from leads.models import Lead, TierChange

SCORING_NAME = "Scoring"
MAX_FORMER_LEADS = 10
CONVERSION_VERBS = ("converted", "conversion undone")


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


def former_lead_lines(user: Any, client: Client, before: Position | None, size: int) -> SourcePage:
    """Return the entries of the activity log about the leads that became `client`, as far as `user` may see them."""
    if not user.has_perm("leads.view_lead"):
        return SourcePage([])
    leads = Lead.objects.visible_to(user).filter(converted_to_client=client).order_by("-converted_at")
    keys = list(leads.values_list("pk", flat=True)[:MAX_FORMER_LEADS])
    if not keys:
        return SourcePage([])
    entries = ActivityLog.objects.filter(about_type=Lead._meta.label_lower, about_id__in=keys)
    # The client's own log says that it was converted.
    entries = entries.exclude(verb__in=CONVERSION_VERBS).select_related("actor").order_by("-occurred_at", "-id")
    rows, complete_to = rows_before(entries, before, at="occurred_at", size=size)
    return SourcePage([line_of_entry(row) for row in visible_entries(user, client, rows)], complete_to)
