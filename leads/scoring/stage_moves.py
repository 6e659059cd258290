"""The signals that follow from stage changes of a lead. Pure: no database.

A step back adds a warning: a move from an open stage to a paused one, or to an earlier one on the board. The next move
forward removes the warning, so that a card dropped on the wrong column leaves no trace. Moves forward add no signal,
because they are our work and not the lead's.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from leads.models import LeadStageHistory, LeadStatus, StageCategory
from leads.scoring.explanation import parse_signal_timestamp

WARNING_SIGNAL_TYPE = "going_cold"
# A step back adds no warning if the lead already has one that is more recent than this.
MIN_WARNING_INTERVAL = timedelta(days=30)


def is_step_back(was: LeadStatus, now: LeadStatus) -> bool:
    if was.category != StageCategory.OPEN:
        return False
    return now.category == StageCategory.PAUSED or (now.category == StageCategory.OPEN and now.position < was.position)


def signals_after_move(
    signals: list[dict[str, Any]], move: LeadStageHistory, weights: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return `signals` as they are after `move`."""
    if not move.to_status.is_open:
        return signals
    remaining = [
        one
        for one in signals
        if not (one["type"] == WARNING_SIGNAL_TYPE and str(one.get("source")).startswith("stage:"))
    ]
    if not is_step_back(move.from_status, move.to_status) or has_recent_warning(remaining, move.at):
        return remaining
    return [
        *remaining,
        {
            "type": WARNING_SIGNAL_TYPE,
            "timestamp": move.at.isoformat(timespec="seconds"),
            "weight": weights.get(WARNING_SIGNAL_TYPE, {}).get("weight", 0.0),
            "source": f"stage:{move.pk}",
            "note": f"back from {move.from_status} to {move.to_status}",
        },
    ]


def has_recent_warning(signals: list[dict[str, Any]], at: datetime) -> bool:
    warning_times = [parse_signal_timestamp(one["timestamp"]) for one in signals if one["type"] == WARNING_SIGNAL_TYPE]
    return any(one is not None and one > at - MIN_WARNING_INTERVAL for one in warning_times)
