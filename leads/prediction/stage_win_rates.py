"""The smoothed win rate of each stage: the share of won leads among the closed leads that had reached it."""

from typing import Any
from uuid import UUID

from django.db import connection

# Smooths the rate of a stage with few leads: as if this many average leads had reached it.
SMOOTHING_LEADS = 20
STAGE_WIN_COUNTS_SQL = """
SELECT history.to_status_id, count(DISTINCT lead.id),
       count(DISTINCT lead.id) FILTER (WHERE stage.category = 'won')
  FROM leads AS lead
  JOIN lead_statuses AS stage ON stage.code = lead.status_id
  JOIN lead_stage_history AS history ON history.lead_id = lead.id
 WHERE lead.id = ANY(%s)
 GROUP BY 1
"""


def compute_win_rates(leads: list[UUID], won: int) -> dict[str, Any]:
    """Return `{"base": share, "stages": {code: {"rate": share, "n": leads, "won": leads}}}` for closed `leads`."""
    base = (won + 0.5) / (len(leads) + 1)
    with connection.cursor() as cursor:
        cursor.execute(STAGE_WIN_COUNTS_SQL, [leads])
        win_counts = cursor.fetchall()
    stages = {
        code: {"rate": round((wins + SMOOTHING_LEADS * base) / (total + SMOOTHING_LEADS), 4), "n": total, "won": wins}
        for code, total, wins in win_counts
    }
    return {"base": round(base, 4), "stages": stages}


def stage_win_rate(card: dict[str, Any], stage: str) -> float:
    """Return the win rate of `stage`, or the overall rate if no closed lead had reached it."""
    return card["stages"].get(stage, {}).get("rate", card["base"])
