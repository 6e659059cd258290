"""Which rows of an import change a record: those that fit exactly one, which the importer may see."""

from dataclasses import dataclass
from typing import Any

from django.db import models
from django.db.backends.utils import CursorWrapper

from crm.models import User
from leads.importing.tables.references import visible_rows

# The row of a file that made a record is that record, whatever else fits.
INSERT_TARGETS_SQL = """
    INSERT INTO imported_targets (number, record_id, other_record_id, other_rule, other_shared, fate)
    WITH second AS (
        SELECT DISTINCT ON (number) number, match.record_id, match.rule, match.shared
          FROM imported_matches AS match JOIN imported_duplicates AS best USING (number)
         WHERE match.record_id <> best.record_id AND best.rule <> 'file'
         ORDER BY number, match.rank, match.record_id
    )
    SELECT number, best.record_id, second.record_id, second.rule, second.shared,
           CASE WHEN second.record_id IS NOT NULL THEN 'several'
                WHEN visible.id IS NULL THEN 'other owner' ELSE 'update' END
      FROM imported_duplicates AS best LEFT JOIN second USING (number)
      LEFT JOIN ({visible}) AS visible (id) ON visible.id = best.record_id
     WHERE best.record_id IS NOT NULL;
    ANALYZE imported_targets
"""
# The first row of a record updates it.
MARK_REPEATED_SQL = """
    UPDATE imported_targets AS target SET fate = 'repeated', first_line = compared.first_line
      FROM (SELECT number, first_value(number) OVER same AS first, first_value(line) OVER same AS first_line
              FROM imported_targets JOIN imported_rows USING (number) WHERE fate = 'update'
            WINDOW same AS (PARTITION BY record_id ORDER BY number)) AS compared
     WHERE target.number = compared.number AND compared.number <> compared.first
"""
COUNT_FATES_SQL = "SELECT fate, count(*) FROM imported_targets GROUP BY fate"


@dataclass(frozen=True)
class TargetCounts:
    """How many rows fit a record that they may change, and how many fit two."""

    targets: int
    refused: int


def find_targets(cursor: CursorWrapper, model: type[models.Model], user: User | None, free_rows: str) -> TargetCounts:
    """Decide for each duplicate row whether it changes its record. `user` is the importer; None may see all.

    The statement `free_rows` takes rows out of the duplicates that become records of their own.
    """
    visible, values = visible_rows(model, user)
    cursor.execute(INSERT_TARGETS_SQL.format(visible=visible), values)
    cursor.execute(MARK_REPEATED_SQL)
    if free_rows:
        cursor.execute(free_rows)
    cursor.execute(COUNT_FATES_SQL)
    counts: dict[str, Any] = dict(cursor.fetchall())
    return TargetCounts(counts.get("update", 0), counts.get("several", 0))
