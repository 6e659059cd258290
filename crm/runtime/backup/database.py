"""The database of a backup: a dump of one moment, and its way back in one transaction."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from django.db import connection, transaction

from crm.runtime.backup.exceptions import BackupDamaged, BackupError
from crm.runtime.backup.programs import find_program, list_contents, script_of, start_dump, wait_for_dump

COPY_STATEMENT = re.compile(rb"COPY (\S+|\S*\".+\") \(.*\) FROM stdin;\n")
END_OF_ROWS = b"\\.\n"
COPY_BLOCK_BYTES = 256 * 1024
# Tables that are backed up without their rows.
WITHOUT_ROWS = {"public.user_sessions"}
# What the restoring user need not be allowed: extensions belong to the server, and their comments to its administrator.
NOT_RESTORED = re.compile(r"EXTENSION - pg_stat_statements |COMMENT - EXTENSION |SCHEMA - public |SCHEMA public ")
# A setting that a newer program sets first, by the version of the server that knows it.
NEWER_SETTINGS = {b"SET transaction_timeout = 0;\n": 17}
# The state of a schema `public` that `initdb` made.
EMPTY_SCHEMA_SQL = """
DROP SCHEMA public CASCADE;
CREATE SCHEMA public;
ALTER SCHEMA public OWNER TO pg_database_owner;
GRANT USAGE ON SCHEMA public TO PUBLIC;
COMMENT ON SCHEMA public IS 'standard public schema'
"""
TABLES_SQL = """
SELECT quote_ident(nspname) || '.' || quote_ident(relname)
  FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
 WHERE nspname = 'public' AND relkind IN ('r', 'p', 'v', 'm', 'f')
   AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_class.oid AND deptype = 'e')
 ORDER BY 1
"""
OTHER_SESSIONS_SQL = """
SELECT count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""
# How long the restore waits for a lock of a session that came after the check.
RESTORE_LOCK_TIMEOUT = "10s"


def server_version() -> int:
    """Return the major version of the server."""
    connection.ensure_connection()
    return connection.connection.info.server_version // 10_000


@contextmanager
def exported_snapshot() -> Iterator[str]:
    """Hold a read-only transaction and yield the name of its snapshot, so that a dump and counts see the same rows."""
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute("SELECT pg_export_snapshot()")
        yield cursor.fetchone()[0]


def dump_database(target: Path) -> tuple[dict[str, int], list[str]]:
    """Dump the database to `target`, and read the dump back.

    Returns:
        The number of rows by table, and the applied migrations as "app.name", both as of the dump.

    Raises:
        BackupError: the dump failed, or does not hold the rows that were counted.
    """
    if not has_tables():
        raise BackupError("The database is empty.")
    program, reader = (find_program(name, server_version()) for name in ("pg_dump", "pg_restore"))
    with exported_snapshot() as snapshot:
        dump = start_dump(program, target, snapshot)
        try:
            rows, migrations = count_rows(), applied_migrations()
            wait_for_dump(dump)
        finally:
            stop(dump)
    with restore_script(reader, target) as lines:
        found = {name: sum(1 for _ in copied) for name, copied in rows_of_tables(lines)}
    compare_counts(rows, found)
    return rows, migrations


def stop(dump: subprocess.Popen[bytes]) -> None:
    if dump.poll() is None:
        dump.kill()
        dump.communicate()


def count_rows() -> dict[str, int]:
    """Return the number of backed up rows of each table."""
    rows = {}
    with connection.cursor() as cursor:
        cursor.execute(TABLES_SQL)
        for (name,) in cursor.fetchall():
            cursor.execute(f"SELECT count(*) FROM {name}")
            rows[name] = 0 if name in WITHOUT_ROWS else cursor.fetchone()[0]
    return rows


def applied_migrations() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT app || '.' || name FROM django_migrations ORDER BY id")
        return [name for (name,) in cursor.fetchall()]


def compare_counts(expected: dict[str, int], found: dict[str, int]) -> None:
    """Compare the rows of a dump with those that were counted.

    Raises:
        BackupDamaged: a table has more or fewer rows.
    """
    for name, count in expected.items():
        if found.get(name, 0) != count:
            raise BackupDamaged(f"The dump has {found.get(name, 0):,} rows of {name} instead of {count:,}.")


@contextmanager
def restore_script(program: Path, dump: Path) -> Iterator[Iterator[bytes]]:
    """Yield the lines of the script that restores `dump`, without what belongs to the server."""
    contents = dump.with_suffix(".list")
    lines = [line for line in list_contents(program, dump) if not NOT_RESTORED.search(line)]
    contents.write_text("\n".join(lines))
    with script_of(program, dump, contents) as script:
        yield script


def rows_of_tables(lines: Iterator[bytes]) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Yield the name and the rows of each table in a script; read the rows before the next table."""
    for line in lines:
        if match := COPY_STATEMENT.fullmatch(line):
            yield match.group(1).decode(), rows_of_table(lines)


def rows_of_table(lines: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the rows that follow a COPY statement.

    Raises:
        BackupDamaged: the script ends among them.
    """
    for line in lines:
        if line == END_OF_ROWS:
            return
        yield line
    raise BackupDamaged("The dump of the database ends early.")


def other_sessions() -> int:
    """Return the number of other sessions in the database."""
    with connection.cursor() as cursor:
        cursor.execute(OTHER_SESSIONS_SQL)
        return cursor.fetchone()[0]


def has_tables() -> bool:
    """Return whether the database has any table or view."""
    with connection.cursor() as cursor:
        cursor.execute(TABLES_SQL)
        return cursor.fetchone() is not None


def restore_database(program: Path, dump: Path, expected: dict[str, int]) -> None:
    """Replace the contents of the database with a dump, in the caller's transaction.

    Raises:
        BackupError: the server refuses a statement, or the rows are not those `expected`.
    """
    if has_tables():
        run_sql(f"SET LOCAL lock_timeout = '{RESTORE_LOCK_TIMEOUT}'; {EMPTY_SCHEMA_SQL}".encode())
    with restore_script(program, dump) as lines:
        rows = run_script(lines)
    compare_counts(expected, rows)
    # The script has changed settings of the session; hooks and the caller read with the usual ones.
    run_sql(b"RESET search_path; RESET row_security; RESET check_function_bodies")


def run_script(lines: Iterator[bytes]) -> dict[str, int]:
    """Execute the script that restores a dump; return the number of rows by table."""
    version, statements, rows = server_version(), [], {}
    for line in lines:
        match = COPY_STATEMENT.fullmatch(line)
        if match:
            run_sql(b"".join(statements))
            statements = []
            rows[match.group(1).decode()] = copy_rows(line, rows_of_table(lines))
        # `\restrict` and `\unrestrict` are for psql.
        elif not line.startswith(b"\\") and version >= NEWER_SETTINGS.get(line, 0):
            statements.append(line)
    run_sql(b"".join(statements))
    return rows


def run_sql(statements: bytes) -> None:
    """Execute statements as they are, without keeping them as `connection.queries`."""
    with refusals_as_sentences(), connection.connection.cursor() as cursor:
        cursor.execute(statements)


def copy_rows(statement: bytes, rows: Iterator[bytes]) -> int:
    """Copy rows in PostgreSQL's text format; return their number."""
    count, block, size = 0, [], 0
    with (
        refusals_as_sentences(),
        connection.connection.cursor() as cursor,
        cursor.copy(statement.rstrip(b";\n")) as copy,
    ):
        for row in rows:
            block.append(row)
            count, size = count + 1, size + len(row)
            if size > COPY_BLOCK_BYTES:
                copy.write(b"".join(block))
                block, size = [], 0
        copy.write(b"".join(block))
    return count


@contextmanager
def refusals_as_sentences() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        reason = (str(error).splitlines() or ["no reason"])[0].rstrip(".")
        raise BackupError(f"The database did not accept the backup: {reason}.") from error
