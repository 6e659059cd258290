"""Django's PostgreSQL backend over the embedded server; Django looks for it under this name."""

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
    """Have the server up, or say in Django's own terms why not."""
    try:
        server.ensure_running()
    except EmbeddedPostgresError as error:
        raise DatabaseUnusable(str(error)) from error


class DatabaseClient(PostgresClient):
    """`manage.py dbshell`, with the psql that belongs to the server."""

    def runshell(self, parameters: Iterable[str]) -> None:
        ensure_running()
        self.executable_name = str(cluster.programs_folder() / "psql")
        super().runshell(parameters)


class DatabaseWrapper(PostgresWrapper):
    """A connection to the embedded server."""

    client_class = DatabaseClient

    def get_connection_params(self) -> dict[str, Any]:
        """Where to connect, with the server up: everyone who connects asks here first, procrastinate too."""
        ensure_running()
        return super().get_connection_params()
