"""The confidence of a suggestion by rules: what such suggestions turned out to be worth.

For an agent, a type and a rule it is the share that people approved unchanged among the latest they decided. The
share of a few decisions is uncertain, so it is shrunk to the middle as if half of `PRIOR_DECISIONS` more were approved.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from django.db import connection

from suggestions.models import RejectCode

PRIOR_DECISIONS, DECISIONS_READ = 10, 100
CONFIDENCE_SQL = """
    SELECT wanted.type, wanted.rule, count(*), count(*) FILTER (WHERE unchanged)
      FROM unnest(%(types)s::text[], %(rules)s::text[]) AS wanted (type, rule)
     CROSS JOIN LATERAL (
        SELECT status = 'APPROVED' OR (status = 'FAILED' AND approved_content = suggested_content) AS unchanged
          FROM suggestions
         WHERE agent = %(agent)s AND type = wanted.type AND rule = wanted.rule AND rule <> ''
           AND deleted_at IS NULL AND reviewed_by_id IS NOT NULL
           AND (status IN ('APPROVED', 'MODIFIED', 'FAILED') OR (status = 'REJECTED' AND reject_code <> %(superseded)s))
         ORDER BY reviewed_at DESC LIMIT %(limit)s
     ) AS decided
     GROUP BY 1, 2
"""


@dataclass(frozen=True)
class TrackRecord:
    """How many suggestions of a rule were decided, and how many of these were approved unchanged."""

    decided: int = 0
    unchanged: int = 0

    @property
    def confidence(self) -> Decimal:
        share = (self.unchanged + Decimal(PRIOR_DECISIONS) / 2) / (self.decided + PRIOR_DECISIONS)
        return round(share, 2)


def load_track_records(agent: str, rules: Iterable[tuple[str, str]]) -> dict[tuple[str, str], TrackRecord]:
    """Return the track record of `agent` for each type and rule, in one statement."""
    wanted = sorted({(str(type), rule) for type, rule in rules})
    if not wanted:
        return {}
    parameters = {
        "agent": agent,
        "types": [type for type, _ in wanted],
        "rules": [rule for _, rule in wanted],
        "superseded": RejectCode.SUPERSEDED.value,
        "limit": DECISIONS_READ,
    }
    with connection.cursor() as cursor:
        cursor.execute(CONFIDENCE_SQL, parameters)
        found = {(type, rule): TrackRecord(decided, unchanged) for type, rule, decided, unchanged in cursor.fetchall()}
    return {key: found.get(key, TrackRecord()) for key in wanted}
