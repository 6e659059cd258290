"""Wait until nothing can read what is about to be removed.

A request reads how its fields are promoted, and uses that in later statements: of the same transaction, or within the
seconds that the request takes. Once a change is no longer applied, a new request does not use it. So first the
requests that have no transaction get time to end; then all transactions are waited for that have read the requests or
the table, however long they take. The lists of locks show them to every role.
"""

from django.db import connection

from crm.schema.promotion.monitor import ChangeMonitor

# Longer than a page of a list or the start of an export takes: each of their statements has a limit of time.
GRACE_SECONDS = 60.0
OPEN_PAUSE_SECONDS = 0.5
READERS_SQL = """
SELECT DISTINCT virtualtransaction FROM pg_locks
 WHERE locktype = 'relation' AND relation IN (to_regclass('schema_changes'), to_regclass(%s)) AND granted
   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND pid IS DISTINCT FROM pg_backend_pid() AND mode <> 'ShareUpdateExclusiveLock'
"""


def wait_for_readers(db_table: str, monitor: ChangeMonitor) -> None:
    """Wait until the requests and transactions have ended that may know the change as applied."""
    monitor.step = "Waiting for requests that may still read it"
    monitor.wait(GRACE_SECONDS)
    waited_for = open_transactions(db_table)
    while waited_for:
        monitor.wait(OPEN_PAUSE_SECONDS)
        waited_for &= open_transactions(db_table)


def open_transactions(db_table: str) -> set[str]:
    """Return the transactions of others that have read the requests or the table."""
    with connection.cursor() as cursor:
        cursor.execute(READERS_SQL, [connection.ops.quote_name(db_table)])
        return {transaction for (transaction,) in cursor.fetchall()}
