"""The server's statistics of statements (pg_stat_statements): installed where the server has loaded them."""

from typing import Any

from django.db import connections

LIBRARY = "pg_stat_statements"
CAN_INSTALL_SQL = """
SELECT current_setting('shared_preload_libraries') LIKE '%%' || %s || '%%'
   AND (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
   AND EXISTS (SELECT FROM pg_available_extensions WHERE name = %s)
"""


def install_statement_statistics(using: str = "default", **kwargs: Any) -> None:
    """Create the extension after a migration, as on the embedded server. Elsewhere its administrator decides."""
    with connections[using].cursor() as cursor:
        cursor.execute(CAN_INSTALL_SQL, [LIBRARY, LIBRARY])
        if cursor.fetchone()[0]:
            cursor.execute(f"CREATE EXTENSION IF NOT EXISTS {LIBRARY}")
