"""Made sure of before work begins: a recent database, patience with live workers, keys for what is kept secret."""

from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.db.backends.base.base import BaseDatabaseWrapper

from crm.runtime.encryption import NO_KEYS_MESSAGE
from crm.runtime.startup_errors import DatabaseUnusable

MIN_POSTGRES_VERSION = 15
# A worker is taken for dead after so many missed heartbeats. With fewer a busy one is taken for dead, too,
# and its job is run by a second worker while the first still runs it.
MIN_MISSED_HEARTBEATS = 3


def require_supported_server(sender: Any, connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    """Stop at the first connection to a server older than what the migrations need."""
    major = connection.connection.info.server_version // 10_000
    if major < MIN_POSTGRES_VERSION:
        connection.close()
        raise DatabaseUnusable(
            f"The server of DATABASE_URL is PostgreSQL {major}: version {MIN_POSTGRES_VERSION} or newer is needed."
        )


def check_stalled_worker_timeout(app_configs: list[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """A worker must be allowed to miss some heartbeats before its jobs are given to another."""
    options = settings.PROCRASTINATE_WORKER_DEFAULTS
    needed = MIN_MISSED_HEARTBEATS * options["update_heartbeat_interval"]
    if options["stalled_worker_timeout"] >= needed:
        return []
    return [
        Error(
            f"A live worker could be taken for dead, and its jobs run twice: stalled_worker_timeout is "
            f"{options['stalled_worker_timeout']} s and must be at least {needed} s.",
            hint=f"Give it {MIN_MISSED_HEARTBEATS} to {2 * MIN_MISSED_HEARTBEATS} times update_heartbeat_interval.",
            obj="PROCRASTINATE_WORKER_DEFAULTS",
            id="crm.E001",
        )
    ]


def check_credentials_keys(app_configs: list[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """In production passwords of mailboxes need keys of their own."""
    if settings.CREDENTIALS_KEYS:
        return []
    return [Error(NO_KEYS_MESSAGE, hint="Keep the keys apart from the database and its backups.", id="crm.E002")]
