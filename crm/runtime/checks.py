"""System checks at the start: database version, worker timeouts and encryption keys."""

from pathlib import Path
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from crm.runtime.encryption import NO_KEYS_MESSAGE
from crm.runtime.startup_errors import DatabaseUnusable

MIN_POSTGRES_VERSION = 15
# A worker counts as dead after this many missed heartbeats. With fewer, a busy worker would count as dead,
# and a second worker would run its job at the same time.
MIN_MISSED_HEARTBEATS = 3
KNOWN_MIGRATIONS_UID = "crm.require_known_migrations"
EMBEDDED_ENGINE = "crm.runtime.embedded"
APPLIED_MIGRATIONS = "SELECT app, name FROM django_migrations WHERE app = ANY(%s) ORDER BY id"


def require_supported_server(sender: Any, connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    """Refuse the first connection to a server that is too old for the migrations."""
    major = connection.connection.info.server_version // 10_000
    if major < MIN_POSTGRES_VERSION:
        connection.close()
        raise DatabaseUnusable(
            f"The server of DATABASE_URL runs PostgreSQL {major}. Version {MIN_POSTGRES_VERSION} or newer is required."
        )


def require_known_migrations(sender: Any, connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    """Stop at the first connection to a database with migrations that this version does not have."""
    known = {config.label: migration_names(config) for config in apps.get_app_configs() if is_own_app(config)}
    with connection.connection.cursor() as cursor:
        if not cursor.execute("SELECT to_regclass('django_migrations')").fetchone()[0]:
            return
        applied = cursor.execute(APPLIED_MIGRATIONS, [list(known)]).fetchall()
    unknown = [f"{app}.{name}" for app, name in applied if name not in known[app]]
    if not unknown:
        # Once in a process is enough: what is applied later comes from the migrations that were found here.
        connection_created.disconnect(dispatch_uid=KNOWN_MIGRATIONS_UID)
        return
    connection.close()
    reason = f"was made by another version of the CRM: it has the migration {unknown[0]}, which this version lacks."
    if connection.settings_dict["ENGINE"] == EMBEDDED_ENGINE:
        folder = settings.DATA_DIR
        raise DatabaseUnusable(
            f"The database in {folder} {reason} Move it away (mv {folder} {folder}.old) and run make demo again."
        )
    raise DatabaseUnusable(f"The database of DATABASE_URL {reason} Use a new, empty database.")


def is_own_app(config: AppConfig) -> bool:
    return Path(config.path).parent == settings.BASE_DIR


def migration_names(config: AppConfig) -> set[str]:
    return {path.stem for path in Path(config.path, "migrations").glob("[0-9]*.py")}


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
