"""The staging table of an import: copy the rows in, and insert the leads in chunks."""

from collections.abc import Iterable, Iterator
from typing import Any

from django.db import connection
from django.db.backends.utils import CursorWrapper

from leads.importing.drafts import LEAD_COLUMNS
from leads.models import Lead

STAGING_CHUNK_SIZE = 50_000
LEAD_COLUMN_NAMES = ", ".join(Lead._meta.get_field(field).column for field in LEAD_COLUMNS)

# Temporary tables are not written to the WAL, and disappear with the transaction.
DROP_STAGING_SQL = """
    DROP TABLE IF EXISTS pg_temp.imported_rows, pg_temp.imported_matches, pg_temp.imported_duplicates,
                         pg_temp.formerly_imported
"""
CREATE_STAGING_SQL = f"""
    CREATE TEMPORARY TABLE imported_rows ON COMMIT DROP AS
    SELECT 0::bigint AS number, 0::bigint AS line, ''::text AS cells, ''::text AS phone_key, ''::text AS record_key,
           true AS is_open, {LEAD_COLUMN_NAMES} FROM leads WITH NO DATA
"""
COPY_ROWS_SQL = f"""
    COPY imported_rows (number, line, cells, phone_key, record_key, is_open, {LEAD_COLUMN_NAMES}) FROM STDIN
"""
INDEX_ROWS_SQL = "ALTER TABLE imported_rows ADD PRIMARY KEY (number); ANALYZE imported_rows"
# Without this, foreign keys are checked at commit, too late for a readable error.
CHECK_CONSTRAINTS_NOW_SQL = "SET CONSTRAINTS ALL IMMEDIATE"
NEW_ROWS_SQL = """
      FROM imported_rows
     WHERE number > %(after)s AND number <= %(upto)s
       AND NOT EXISTS (SELECT FROM imported_duplicates AS duplicate WHERE duplicate.number = imported_rows.number)
     ORDER BY number
"""
# A file holds no answers to the form of a line, so a lead can only fit a line without questions. The subquery finds
# these lines once, not for every row.
IMPORTED_SIGNALS_SQL = """
    CASE WHEN source_type = 'REFERRAL' OR insurance_type_id IN (
             SELECT line.id FROM insurance_types AS line, unnest('{Individual,Business}'::text[]) AS type,
                    lead_fit(type, line.id, 'any', '', '{}', '{}', '{}', '{}') AS fit WHERE fit.share IS NOT NULL)
         THEN signals || lead_field_signals(
             %(weights)s, %(at)s, coalesce(created_at, %(at)s), source_type, client_type, insurance_type_id,
             contact_email, contact_phone, communications, '{}', '{}', '{}')
         ELSE signals END
"""
IMPORTED_VALUES_SQL = LEAD_COLUMN_NAMES.replace("created_at", "coalesce(created_at, %(at)s)").replace(
    "signals", IMPORTED_SIGNALS_SQL
)
INSERT_IMPORTED_LEADS_SQL = f"""
    INSERT INTO leads (updated_at, last_activity_at, import_batch_id, rank, {LEAD_COLUMN_NAMES})
    SELECT %(at)s, %(at)s, %(batch)s, -extract(epoch FROM %(at)s::timestamptz), {IMPORTED_VALUES_SQL} {NEW_ROWS_SQL}
"""
# A new lead has one row in each of these tables, so the row takes the ID of the lead, which is ordered by time.
INSERT_IMPORTED_HISTORY_SQL = f"""
    INSERT INTO lead_stage_history (id, lead_id, to_status_id, at, by_id)
    SELECT id, id, status_id, %(at)s, %(user)s {NEW_ROWS_SQL}
"""
INSERT_IMPORTED_ACTIVITY_SQL = f"""
    INSERT INTO activity_logs (id, actor_type, actor_id, verb, summary, target_type, target_id,
                               about_type, about_id, metadata, occurred_at, created_at)
    SELECT id, %(actor_type)s, %(user)s, 'created',
           format('Imported from %%s, %%s %%s', %(file)s::text, %(row_word)s::text, line),
           'leads.lead', id, 'leads.lead', id,
           %(metadata)s::jsonb || jsonb_build_object('status', status_id, 'line', line),
           %(at)s, %(at)s {NEW_ROWS_SQL}
"""

SELECT_NEW_EXAMPLES_SQL = """
    SELECT line, concat_ws(' · ', contact_name, nullif(company_name, ''), nullif(contact_email, ''),
                           nullif(contact_phone, ''), lead_statuses.label)
      FROM imported_rows JOIN lead_statuses ON code = status_id
     WHERE NOT EXISTS (SELECT FROM imported_duplicates AS duplicate WHERE duplicate.number = imported_rows.number)
     ORDER BY number LIMIT %s
"""


class StagingTable:
    """The rows of one import, inside the transaction of the caller."""

    def __init__(self, cursor: CursorWrapper) -> None:
        self.cursor = cursor
        # An earlier import in the same transaction leaves its tables behind.
        cursor.execute(DROP_STAGING_SQL)
        cursor.execute(CREATE_STAGING_SQL)

    def copy(self, rows: Iterable[list[Any]]) -> None:
        """Store `rows`, each the first columns of `COPY_ROWS_SQL` and the values of `LEAD_COLUMNS`."""
        with connection.wrap_database_errors, self.cursor.copy(COPY_ROWS_SQL) as copy:
            for row in rows:
                copy.write_row(row)
        self.cursor.execute(INDEX_ROWS_SQL)

    def new_examples(self, count: int) -> list[tuple[int, str]]:
        """Return line and description of the first `count` rows that are no duplicates."""
        self.cursor.execute(SELECT_NEW_EXAMPLES_SQL, [count])
        return self.cursor.fetchall()

    def insert(self, last: int, **values: Any) -> Iterator[int]:
        """Insert the rows up to number `last` as leads, except duplicates. Yield the number of leads of each chunk.

        `values` are the other parameters of the statements: the time, the actor, the file and so on.
        """

        self.cursor.execute(CHECK_CONSTRAINTS_NOW_SQL)
        for after in range(0, last, STAGING_CHUNK_SIZE):
            chunk = {**values, "after": after, "upto": after + STAGING_CHUNK_SIZE}
            self.cursor.execute(INSERT_IMPORTED_LEADS_SQL, chunk)
            created = self.cursor.rowcount
            self.cursor.execute(INSERT_IMPORTED_HISTORY_SQL, chunk)
            self.cursor.execute(INSERT_IMPORTED_ACTIVITY_SQL, chunk)
            yield created
