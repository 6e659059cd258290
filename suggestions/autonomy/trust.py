"""How far an agent has earned that people need not look: what became of its suggestions of a type.

Per agent and type over the latest `WINDOW` suggestions of the last `DAYS` days. What people decided counts for the
shares; what failed or was taken back is told beside them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.db import connection
from django.utils import timezone

from suggestions.models import RejectCode

WINDOW, DAYS = 200, 180
ENOUGH, APPROVED_FROM, EDITED_BELOW = 50, 0.95, 0.10

# The pairs that there are are read off the index one by one, and the latest of each pair from the same index.
PAIRS = """
    RECURSIVE pairs (agent, type) AS (
        (SELECT agent, type FROM suggestions WHERE agent <> '' AND deleted_at IS NULL ORDER BY agent, type LIMIT 1)
        UNION ALL
        SELECT following.agent, following.type FROM pairs CROSS JOIN LATERAL (
            SELECT agent, type FROM suggestions
             WHERE agent <> '' AND deleted_at IS NULL AND (agent, type) > (pairs.agent, pairs.type)
             ORDER BY agent, type LIMIT 1
        ) following
    )
"""
ONE = "pairs (agent, type) AS (VALUES (%(agent)s, %(type)s))"
FIGURES = """
    WITH {pairs}
    SELECT pairs.agent, pairs.type,
           count(*) FILTER (WHERE decided),
           count(*) FILTER (WHERE decided AND status IN ('APPROVED', 'MODIFIED', 'FAILED')),
           count(*) FILTER (WHERE decided AND status = 'MODIFIED'),
           count(*) FILTER (WHERE decided AND status = 'REJECTED'),
           count(*) FILTER (WHERE status = 'FAILED'),
           count(*) FILTER (WHERE taken_back)
      FROM pairs CROSS JOIN LATERAL (
        SELECT status, taken_back,
               (status IN ('APPROVED', 'MODIFIED', 'FAILED') AND reviewed_by_id IS NOT NULL)
               OR (status = 'REJECTED' AND reject_code <> %(superseded)s AND reviewed_by_id IS NOT NULL)
               -- An approval that was taken back is a decision, and none for it.
               OR (status = 'PENDING' AND taken_back) AS decided
          FROM (
            SELECT status, reviewed_by_id, reject_code, EXISTS (
                     SELECT FROM suggestion_executions e
                      WHERE e.suggestion_id = suggestions.id
                        -- What the policy itself held back says why, and was nobody's judgement.
                        AND (e.state = 'UNDONE' OR (e.state = 'CANCELLED' AND e.error = ''))
                   ) AS taken_back
              FROM suggestions
             WHERE agent <> '' AND agent = pairs.agent AND type = pairs.type AND deleted_at IS NULL
               AND created_at >= %(since)s
             ORDER BY created_at DESC LIMIT {window}
          ) latest
      ) figures
     WHERE decided OR taken_back OR status = 'FAILED'
     GROUP BY 1, 2 ORDER BY 1, 2
"""


@dataclass(frozen=True)
class Trust:
    """What became of the suggestions of `type` that `agent` made; `approved` counts the edited ones, too."""

    agent: str
    type: str
    decided: int = 0
    approved: int = 0
    edited: int = 0
    rejected: int = 0
    failed: int = 0
    undone: int = 0

    @property
    def approved_share(self) -> float:
        return self.approved / self.decided if self.decided else 0.0

    @property
    def edited_share(self) -> float:
        return self.edited / self.decided if self.decided else 0.0

    @property
    def missing(self) -> list[str]:
        """What is missing until more may be left to it, in words; nothing where it is earned."""
        told = []
        if self.decided < ENOUGH:
            more = ENOUGH - self.decided
            told.append(f"{more} more decision{'s' if more > 1 else ''} (so far {self.decided} of {ENOUGH})")
        if self.decided and self.approved_share < APPROVED_FROM:
            told.append(f"{percent(APPROVED_FROM)} approved (now {self.approved_text})")
        if self.decided and self.edited_share >= EDITED_BELOW:
            told.append(f"fewer than {percent(EDITED_BELOW)} edited (now {self.edited_text})")
        return told

    @property
    def earned(self) -> bool:
        return not self.missing

    @property
    def approved_text(self) -> str:
        return percent(self.approved_share)

    @property
    def edited_text(self) -> str:
        return percent(self.edited_share)

    @property
    def told(self) -> str:
        """The figures in a sentence."""
        shares = f"{self.approved_text} approved, {self.edited_text} edited"
        return f"{self.agent}: {self.decided} decided" + (f", {shares}" if self.decided else "")


def percent(share: float) -> str:
    """A share in per cent, never rounded up to what it has not reached."""
    return f"{int(share * 1000) / 10:g} %"


def trust_in(agent: str, type: str) -> Trust:
    """What became of what `agent` suggested of `type`."""
    return next(iter(figures(ONE, agent=agent, type=type)), Trust(agent, type))


def everybody() -> list[Trust]:
    """That of every agent and type of which anything was decided."""
    return list(figures(PAIRS))


def earned_by(type: str) -> list[Trust]:
    """The agents that have earned that more of `type` is left to them."""
    return [trust for trust in everybody() if trust.type == type and trust.earned]


def figures(pairs: str, **names: str) -> Iterable[Trust]:
    since = timezone.now() - timedelta(days=DAYS)
    asked = {"superseded": RejectCode.SUPERSEDED.value, "since": since, **names}
    with connection.cursor() as cursor:
        cursor.execute(FIGURES.format(pairs=pairs, window=WINDOW), asked)
        rows = cursor.fetchall()
    return (Trust(*row) for row in rows)
