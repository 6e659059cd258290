"""The staging table of an import: copy the rows in, and insert the records in chunks."""

from collections.abc import Iterable, Iterator
from typing import Any

from django.db import connection
from django.db.backends.utils import CursorWrapper

from leads.importing.tables.base import ImportTable

STAGING_CHUNK_SIZE = 50_000

# Temporary tables are not written to the WAL, and disappear with the transaction.
DROP_STAGING_SQL = """
    DROP TABLE IF EXISTS pg_temp.imported_rows, pg_temp.imported_matches, pg_temp.imported_duplicates,
                         pg_temp.formerly_imported, pg_temp.imported_targets, pg_temp.imported_updates
"""
CREATE_STAGING_SQL = """
    CREATE TEMPORARY TABLE imported_rows ON COMMIT DROP AS
    SELECT 0::bigint AS number, 0::bigint AS line, ''::text AS cells, ''::text AS phone_key, ''::text AS record_key,
           {columns} FROM {table} WITH NO DATA
"""
COPY_ROWS_SQL = "COPY imported_rows (number, line, cells, phone_key, record_key, {columns}) FROM STDIN"
INDEX_ROWS_SQL = "ALTER TABLE imported_rows ADD PRIMARY KEY (number); ANALYZE imported_rows"
# Without this, foreign keys are checked at commit, too late for a readable error.
CHECK_CONSTRAINTS_NOW_SQL = "SET CONSTRAINTS ALL IMMEDIATE"
NO_DUPLICATE_SQL = (
    "NOT EXISTS (SELECT FROM imported_duplicates AS duplicate WHERE duplicate.number = imported_rows.number)"
)
NEW_ROWS_SQL = f"""
      FROM imported_rows
     WHERE number > %(after)s AND number <= %(upto)s AND {NO_DUPLICATE_SQL}
     ORDER BY number
"""
SELECT_NEW_EXAMPLES_SQL = """
    SELECT line, {example} FROM imported_rows {join} WHERE {is_new} ORDER BY number LIMIT %s
"""


class StagingTable:
    """The rows of one import, inside the transaction of the caller."""

    def __init__(self, cursor: CursorWrapper, table: ImportTable) -> None:
        self.cursor, self.table = cursor, table
        # An earlier import in the same transaction leaves its tables behind.
        cursor.execute(DROP_STAGING_SQL)
        columns = [
            f"NULL::{table.staged[name]} AS {name}" if name in table.staged else name for name in table.database_columns
        ]
        database_table = connection.ops.quote_name(table.model._meta.db_table)
        cursor.execute(CREATE_STAGING_SQL.format(columns=", ".join(columns), table=database_table))

    def copy(self, parts: Iterable[Iterable[list[Any]]]) -> None:
        """Store the rows of all `parts`: the first columns of `COPY_ROWS_SQL` and the values of those of the table.

        Between two parts the connection is free for other statements.
        """
        statement = COPY_ROWS_SQL.format(columns=", ".join(self.table.database_columns))
        for rows in parts:
            with connection.wrap_database_errors, self.cursor.copy(statement) as copy:
                for row in rows:
                    copy.write_row(row)
        self.cursor.execute(INDEX_ROWS_SQL)

    def new_examples(self, count: int) -> list[tuple[int, str]]:
        """Return line and description of the first `count` rows that are no duplicates."""
        example, join = self.table.example, self.table.example_join
        statement = SELECT_NEW_EXAMPLES_SQL.format(example=example, join=join, is_new=NO_DUPLICATE_SQL)
        self.cursor.execute(statement, [count])
        return self.cursor.fetchall()

    def insert(self, last: int, **values: Any) -> Iterator[int]:
        """Insert the rows up to number `last`, except duplicates. Yield the number of records of each chunk.

        `values` are the other parameters of the statements: the time, the actor, the file and so on.
        """
        for statement in (CHECK_CONSTRAINTS_NOW_SQL, *self.table.statements_before):
            self.cursor.execute(statement, values)
        for after in range(0, last, STAGING_CHUNK_SIZE):
            chunk = {**values, "after": after, "upto": after + STAGING_CHUNK_SIZE}
            first, *others = self.table.insert_statements
            self.cursor.execute(first, chunk)
            created = self.cursor.rowcount
            for statement in others:
                self.cursor.execute(statement, chunk)
            yield created
        for statement in self.table.statements_after:
            self.cursor.execute(statement, values)
