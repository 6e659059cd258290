"""Which rows of an import change a lead: those that fit exactly one lead, which the importer may see."""

from dataclasses import dataclass
from typing import Any

from django.db.backends.utils import CursorWrapper

from crm.models import User
from leads.models import Lead

# The row of a file that made a lead is that lead, whatever else fits.
INSERT_TARGETS_SQL = """
    INSERT INTO imported_targets (number, lead_id, other_lead_id, other_reason, fate)
    WITH second AS (
        SELECT DISTINCT ON (number) number, match.lead_id, match.reason
          FROM imported_matches AS match JOIN imported_duplicates AS best USING (number)
         WHERE match.lead_id <> best.lead_id AND best.reason <> 'file'
         ORDER BY number, match.rank, match.lead_id
    )
    SELECT number, best.lead_id, second.lead_id AS other_lead_id, second.reason AS other_reason,
           CASE WHEN second.lead_id IS NOT NULL THEN 'two leads'
                WHEN visible.id IS NULL THEN 'other owner' ELSE 'update' END
      FROM imported_duplicates AS best LEFT JOIN second USING (number)
      LEFT JOIN ({visible}) AS visible (id) ON visible.id = best.lead_id
     WHERE best.lead_id IS NOT NULL;
    ANALYZE imported_targets
"""
# The first row of a lead updates it.
MARK_REPEATED_SQL = """
    UPDATE imported_targets AS target SET fate = 'repeated', first_line = compared.first_line
      FROM (SELECT number, first_value(number) OVER same AS first, first_value(line) OVER same AS first_line
              FROM imported_targets JOIN imported_rows USING (number) WHERE fate = 'update'
            WINDOW same AS (PARTITION BY lead_id ORDER BY number)) AS compared
     WHERE target.number = compared.number AND compared.number <> compared.first
"""
# A second closed row of a customer with one open lead is another deal.
FREE_OTHER_DEALS_SQL = """
    WITH freed AS (
        DELETE FROM imported_targets AS target USING imported_rows AS imported, leads
         WHERE fate = 'repeated' AND imported.number = target.number AND NOT imported.is_open
           AND leads.id = target.lead_id AND leads.closed_at IS NULL
           AND EXISTS (SELECT FROM imported_duplicates AS best
                        WHERE best.number = target.number AND best.reason NOT IN ('key', 'file'))
        RETURNING target.number)
    DELETE FROM imported_duplicates USING freed WHERE imported_duplicates.number = freed.number
"""
COUNT_FATES_SQL = "SELECT fate, count(*) FROM imported_targets GROUP BY fate"


@dataclass(frozen=True)
class TargetCounts:
    """How many rows fit a lead that they may change, and how many fit two leads."""

    targets: int
    two_leads: int


def find_targets(cursor: CursorWrapper, user: User | None) -> TargetCounts:
    """Decide for each duplicate row whether it changes its lead. `user` is the importer; None may see all leads."""
    rows = Lead.objects.all() if user is None else Lead.objects.visible_to(user)
    visible, params = rows.order_by().values("pk").query.sql_with_params()
    cursor.execute(INSERT_TARGETS_SQL.format(visible=visible), params)
    cursor.execute(MARK_REPEATED_SQL)
    cursor.execute(FREE_OTHER_DEALS_SQL)
    cursor.execute(COUNT_FATES_SQL)
    counts: dict[str, Any] = dict(cursor.fetchall())
    return TargetCounts(counts.get("update", 0), counts.get("two leads", 0))
