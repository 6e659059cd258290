"""How much trust an agent has earned: what happened to its suggestions of a type.

For each agent and type, the figures cover the latest `TRUST_WINDOW` suggestions of the last `TRUST_DAYS` days. The
shares count the decisions of people; failed and undone suggestions are counted beside them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.db import connection
from django.utils import timezone

from suggestions.models import RejectCode

TRUST_WINDOW, TRUST_DAYS = 200, 180
MIN_DECISIONS, MIN_APPROVED_SHARE, EDITED_SHARE_LIMIT = 50, 0.95, 0.10

# The existing pairs are read from an index one by one, and the latest suggestions of each pair from the same index.
ALL_PAIRS_SQL = """
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
ONE_PAIR_SQL = "pairs (agent, type) AS (VALUES (%(agent)s, %(type)s))"
TRUST_SQL = """
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
               -- An approval that was undone is a decision against it.
               OR (status = 'PENDING' AND taken_back) AS decided
          FROM (
            SELECT status, reviewed_by_id, reject_code, EXISTS (
                     SELECT FROM suggestion_executions e
                      WHERE e.suggestion_id = suggestions.id
                        -- An execution that was held back has an error text; no person judged it.
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
class AgentTrust:
    """What happened to the suggestions of `type` by `agent`; `approved` includes the edited ones."""

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
    def missing_requirements(self) -> list[str]:
        """What the agent still needs for a higher level, in words; empty where it has earned one."""
        requirements = []
        if self.decided < MIN_DECISIONS:
            remaining = MIN_DECISIONS - self.decided
            plural = "" if remaining == 1 else "s"
            requirements.append(f"{remaining} more decision{plural} ({self.decided} of {MIN_DECISIONS})")
        if self.decided and self.approved_share < MIN_APPROVED_SHARE:
            requirements.append(f"{format_share(MIN_APPROVED_SHARE)} approved ({self.approved_text} so far)")
        if self.decided and self.edited_share >= EDITED_SHARE_LIMIT:
            requirements.append(f"fewer than {format_share(EDITED_SHARE_LIMIT)} edited ({self.edited_text} so far)")
        return requirements

    @property
    def is_earned(self) -> bool:
        return not self.missing_requirements

    @property
    def approved_text(self) -> str:
        return format_share(self.approved_share)

    @property
    def edited_text(self) -> str:
        return format_share(self.edited_share)

    @property
    def decisions_text(self) -> str:
        return f"{self.decided} decision{'' if self.decided == 1 else 's'}"

    @property
    def figures_text(self) -> str:
        """The figures on one line."""
        shares = f"{self.approved_text} approved, {self.edited_text} edited"
        return f"{self.agent}: {self.decisions_text}" + (f", {shares}" if self.decided else "")


def format_share(share: float) -> str:
    """Return `share` in per cent, rounded down."""
    return f"{int(share * 1000) / 10:g} %"


def load_trust(agent: str, type: str) -> AgentTrust:
    """Return the figures of `agent` for suggestions of `type`."""
    return next(iter(query_trust(ONE_PAIR_SQL, agent=agent, type=type)), AgentTrust(agent, type))


def load_all_trust() -> list[AgentTrust]:
    """Return the figures of every agent and type with decisions."""
    return list(query_trust(ALL_PAIRS_SQL))


def query_trust(pairs: str, **names: str) -> Iterable[AgentTrust]:
    since = timezone.now() - timedelta(days=TRUST_DAYS)
    parameters = {"superseded": RejectCode.SUPERSEDED.value, "since": since, **names}
    with connection.cursor() as cursor:
        cursor.execute(TRUST_SQL.format(pairs=pairs, window=TRUST_WINDOW), parameters)
        rows = cursor.fetchall()
    return (AgentTrust(*row) for row in rows)
