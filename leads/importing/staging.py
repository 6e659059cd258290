"""The rows of a file in the database before they are leads: copied in, compared, inserted in sets."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from django.db.backends.utils import CursorWrapper

from leads.importing.rows import COLUMNS
from leads.models import OPEN_CATEGORIES, Lead

CHUNK = 50_000
NAMES = ", ".join(Lead._meta.get_field(field).column for field in COLUMNS)

# Of the transaction's own, written without a log, and gone with it whatever happens.
DROP = "DROP TABLE IF EXISTS pg_temp.imported_rows, pg_temp.imported_duplicates"
CREATE = f"""
    CREATE TEMPORARY TABLE imported_rows ON COMMIT DROP AS
    SELECT 0::bigint AS number, 0::bigint AS line, ''::text AS cells, {NAMES} FROM leads WITH NO DATA
"""
COPY = f"COPY imported_rows (number, line, cells, {NAMES}) FROM STDIN"
PREPARE = "ALTER TABLE imported_rows ADD PRIMARY KEY (number); ANALYZE imported_rows"
# Of two imports at a time, the second compares its rows with the leads of the first.
ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtext('leads.importing'))"

# Two open leads may not share an address; closed ones may, like the deals of a customer one after another.
FIND_DUPLICATES = """
    CREATE TEMPORARY TABLE imported_duplicates ON COMMIT DROP AS
    WITH addressed AS (
        SELECT number, line, lower(contact_email) AS address
          FROM imported_rows JOIN lead_statuses ON code = status_id
         WHERE contact_email <> '' AND category = ANY(%(open)s)
    ), compared AS (
        SELECT number, address, first_value(number) OVER same AS first, first_value(line) OVER same AS first_line
          FROM addressed WINDOW same AS (PARTITION BY address ORDER BY number)
    )
    SELECT number, leads.id AS lead_id, first_line
      FROM compared
      LEFT JOIN leads ON lower(leads.contact_email) = address AND leads.contact_email <> ''
           AND leads.deleted_at IS NULL AND leads.closed_at IS NULL
     WHERE leads.id IS NOT NULL OR number <> first
"""
DUPLICATES = """
    SELECT line, contact_email, lead_id, first_line, cells
      FROM imported_duplicates JOIN imported_rows USING (number) ORDER BY number
"""

# Without this the foreign keys are looked at when all is committed, too late for a sentence.
CHECK_AT_ONCE = "SET CONSTRAINTS ALL IMMEDIATE"
NEW = """
      FROM imported_rows
     WHERE number > %(after)s AND number <= %(upto)s
       AND NOT EXISTS (SELECT FROM imported_duplicates twin WHERE twin.number = imported_rows.number)
     ORDER BY number
"""
# Nobody reads the answers to a line's form out of a file, so only a line that asks nothing can fit: asked once, not
# of every row.
SIGNALS = """
    CASE WHEN source_type = 'REFERRAL' OR insurance_type_id IN (
             SELECT line.id FROM insurance_types AS line, unnest('{Individual,Business}'::text[]) AS type,
                    lead_fit(type, line.id, 'any', '', '{}', '{}', '{}', '{}') AS fit WHERE fit.share IS NOT NULL)
         THEN signals || lead_shown_by_fields(%(weights)s, %(at)s, %(at)s, source_type, client_type, insurance_type_id,
                                              contact_email, contact_phone, '{}', '{}', '{}', '{}')
         ELSE signals END
"""
INSERT_LEADS = f"""
    INSERT INTO leads (created_at, updated_at, last_activity_at, rank, {NAMES})
    SELECT %(at)s, %(at)s, %(at)s, -extract(epoch FROM %(at)s::timestamptz),
           {NAMES.replace("signals", SIGNALS)} {NEW}
"""
# A lead has one such row in each table, so its own key serves there too: ordered by time, and at no cost.
INSERT_HISTORY = f"""
    INSERT INTO lead_stage_history (id, lead_id, to_status_id, at, by_id)
    SELECT id, id, status_id, %(at)s, %(user)s {NEW}
"""
INSERT_ACTIVITY = f"""
    INSERT INTO activity_logs (id, actor_type, actor_id, verb, summary, target_type, target_id,
                               about_type, about_id, metadata, occurred_at, created_at)
    SELECT id, %(actor_type)s, %(user)s, 'created', format('Imported from %%s, line %%s', %(file)s::text, line),
           'leads.lead', id, 'leads.lead', id,
           %(metadata)s::jsonb || jsonb_build_object('status', status_id, 'line', line),
           %(at)s, %(at)s {NEW}
"""


class Duplicate(NamedTuple):
    """A row whose address an open lead has (`lead_id`), or an earlier row of the file (`first_line`)."""

    line: int
    address: str
    lead_id: UUID | None
    first_line: int
    cells: str

    @property
    def kind(self) -> str:
        other = "an earlier row" if self.lead_id is None else "an open lead"
        return f"Duplicate: {other} has the same address."

    @property
    def reason(self) -> str:
        other = f"line {self.first_line}" if self.lead_id is None else f"the open lead {self.lead_id}"
        return f"Duplicate: {other} has the address {self.address} already."


class Staging:
    """The staged rows of one import, inside the transaction of the caller."""

    def __init__(self, cursor: CursorWrapper) -> None:
        self.cursor = cursor
        # Those of an earlier import, where the caller's transaction goes on.
        cursor.execute(DROP)
        cursor.execute(CREATE)

    def copy(self, rows: Iterable[list[Any]]) -> None:
        """Take in `rows`, each a number, a line, the cells as JSON, and the values of `COLUMNS`."""
        with connection.wrap_database_errors, self.cursor.copy(COPY) as copy:
            for row in rows:
                copy.write_row(row)
        self.cursor.execute(PREPARE)

    def find_duplicates(self) -> int:
        """Compare the addresses of the rows with each other and with the open leads; how many there are."""
        self.cursor.execute(ONE_AT_A_TIME)
        self.cursor.execute(FIND_DUPLICATES, {"open": list(OPEN_CATEGORIES)})
        self.cursor.execute("SELECT count(*) FROM imported_duplicates")
        return self.cursor.fetchone()[0]

    def duplicates(self) -> Iterator[Duplicate]:
        """The duplicates in the order of the file."""
        with connection.chunked_cursor() as cursor:
            cursor.execute(DUPLICATES)
            while found := cursor.fetchmany(1000):
                yield from map(Duplicate._make, found)

    def insert(self, last: int, **values: Any) -> Iterator[int]:
        """Make leads of the rows up to the `last` that are no duplicates; after each chunk, how many it made.

        `values` are those of the statements: when, by whom, from which file.
        """
        self.cursor.execute(CHECK_AT_ONCE)
        for after in range(0, last, CHUNK):
            chunk = {**values, "after": after, "upto": after + CHUNK}
            self.cursor.execute(INSERT_LEADS, chunk)
            made = self.cursor.rowcount
            self.cursor.execute(INSERT_HISTORY, chunk)
            self.cursor.execute(INSERT_ACTIVITY, chunk)
            yield made
