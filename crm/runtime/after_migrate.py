"""What `migrate` leaves in the database beside tables: cheap functions of the row audit, statistics of statements."""

from typing import Any

from django.db import connections

# The libraries catch the error of a missing setting, which begins a subtransaction for each row. Its end walks through
# all deferred checks of the transaction, so a bulk update took the square of its rows. Every new trigger brings the
# function of its library back.
AUDIT_FUNCTIONS_SQL = """
CREATE OR REPLACE FUNCTION _pgtrigger_should_ignore(trigger_name name) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    RETURN coalesce(trigger_name = ANY (nullif(current_setting('pgtrigger.ignore', true), '')::text[]), false);
END $$;
CREATE OR REPLACE FUNCTION _pgh_attach_context() RETURNS pghistory_context.id%TYPE LANGUAGE plpgsql AS $$
DECLARE
    context_id uuid := nullif(current_setting('pghistory.context_id', true), '');
    context_metadata jsonb := nullif(current_setting('pghistory.context_metadata', true), '');
BEGIN
    IF context_id IS NULL OR context_metadata IS NULL THEN
        RETURN NULL;
    END IF;
    INSERT INTO pghistory_context (id, metadata, created_at, updated_at)
         VALUES (context_id, context_metadata, now(), now())
    ON CONFLICT (id) DO UPDATE SET metadata = EXCLUDED.metadata, updated_at = EXCLUDED.updated_at
          WHERE pghistory_context.metadata <> EXCLUDED.metadata;
    RETURN context_id;
END $$
"""
# pg_stat_statements, where the server has loaded it. Only a superuser may read what is loaded.
LIBRARY = "pg_stat_statements"
CAN_INSTALL_SQL = """
SELECT CASE WHEN (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
       current_setting('shared_preload_libraries') LIKE '%%' || %s || '%%'
   AND EXISTS (SELECT FROM pg_available_extensions WHERE name = %s)
       ELSE false END
"""


def replace_audit_functions(*, using: str, **_signal: Any) -> None:
    """Replace the functions of the libraries. Called after `migrate`, which may have stopped before they exist."""
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT to_regclass('pghistory_context') IS NOT NULL")
        if cursor.fetchone()[0]:
            cursor.execute(AUDIT_FUNCTIONS_SQL)


def install_statement_statistics(using: str = "default", **kwargs: Any) -> None:
    """Create the extension after a migration, as on the embedded server. Elsewhere its administrator decides."""
    with connections[using].cursor() as cursor:
        cursor.execute(CAN_INSTALL_SQL, [LIBRARY, LIBRARY])
        if cursor.fetchone()[0]:
            cursor.execute(f"CREATE EXTENSION IF NOT EXISTS {LIBRARY}")
