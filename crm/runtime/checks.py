"""System checks at the start: database version, worker timeouts and encryption keys."""

from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.db.backends.base.base import BaseDatabaseWrapper

from crm.runtime.encryption import NO_KEYS_MESSAGE
from crm.runtime.startup_errors import DatabaseUnusable

MIN_POSTGRES_VERSION = 15
# A worker counts as dead after this many missed heartbeats. With fewer, a busy worker would count as dead,
# and a second worker would run its job at the same time.
MIN_MISSED_HEARTBEATS = 3


def require_supported_server(sender: Any, connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    """Refuse the first connection to a server that is too old for the migrations."""
    major = connection.connection.info.server_version // 10_000
    if major < MIN_POSTGRES_VERSION:
        connection.close()
        raise DatabaseUnusable(
            f"The server of DATABASE_URL runs PostgreSQL {major}. Version {MIN_POSTGRES_VERSION} or newer is required."
        )


def check_stalled_worker_timeout(app_configs: list[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check that a worker may miss some heartbeats before its jobs are requeued."""
    options = settings.PROCRASTINATE_WORKER_DEFAULTS
    needed = MIN_MISSED_HEARTBEATS * options["update_heartbeat_interval"]
    if options["stalled_worker_timeout"] >= needed:
        return []
    return [
        Error(
            f"Jobs of a live worker could run twice: stalled_worker_timeout is "
            f"{options['stalled_worker_timeout']} s and must be at least {needed} s.",
            hint=f"Set it to {MIN_MISSED_HEARTBEATS} to {2 * MIN_MISSED_HEARTBEATS} times update_heartbeat_interval.",
            obj="PROCRASTINATE_WORKER_DEFAULTS",
            id="crm.E001",
        )
    ]


def check_credentials_keys(app_configs: list[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check that production sets its own keys for mailbox passwords."""
    if settings.CREDENTIALS_KEYS:
        return []
    return [Error(NO_KEYS_MESSAGE, hint="Store the keys separately from the database and its backups.", id="crm.E002")]
