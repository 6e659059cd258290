"""Django's PostgreSQL backend for the embedded server; Django requires this module name."""

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.db.backends.postgresql.base import DatabaseWrapper as PostgresWrapper
from django.db.backends.postgresql.client import DatabaseClient as PostgresClient

from crm.runtime.embedded import cluster
from crm.runtime.embedded.place import EmbeddedPostgresError, Place
from crm.runtime.embedded.server import EmbeddedServer
from crm.runtime.startup_errors import DatabaseUnusable

server = EmbeddedServer(Place(settings.DATA_DIR))


def ensure_running() -> None:
    """Start the server if needed; raise Django's own error if it cannot start."""
    try:
        server.ensure_running()
    except EmbeddedPostgresError as error:
        raise DatabaseUnusable(str(error)) from error


class DatabaseClient(PostgresClient):
    """Run `manage.py dbshell` with the server's own psql."""

    def runshell(self, parameters: Iterable[str]) -> None:
        ensure_running()
        self.executable_name = str(cluster.programs_folder() / "psql")
        super().runshell(parameters)


class DatabaseWrapper(PostgresWrapper):
    """A connection to the embedded server."""

    client_class = DatabaseClient

    def get_connection_params(self) -> dict[str, Any]:
        """Return the connection parameters and start the server first; procrastinate's connections ask here too."""
        ensure_running()
        return super().get_connection_params()
