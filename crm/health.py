"""Whether this CRM works, for proxies and monitors: `/healthz` and, without the workers, `/healthz/web`."""

import shutil
import threading
import time
from contextlib import closing
from functools import cache
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.backends.utils import CursorWrapper
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse

from crm.outages import report_outage, without_log_line
from crm.runtime.checks import migration_names

# The addresses, and what each of them checks.
PATHS = {
    "/healthz": ("database", "migrations", "worker", "disk"),
    # For a load balancer: pages work without a worker, so its death must not take the web server away.
    "/healthz/web": ("database", "migrations", "disk"),
}
# Seconds. An answer comes within the first, and is used for all who ask within the second.
TIMEOUT_SECONDS, FRESH_SECONDS = 5.0, 2.0
CONNECT_TIMEOUT_SECONDS, STATEMENT_TIMEOUT = 3, "3s"
MIN_FREE_BYTES = 500 * 1024 * 1024
WORKER_SQL = (
    "SELECT EXISTS (SELECT FROM procrastinate_workers WHERE last_heartbeat > now() - make_interval(secs => %s))"
)


class HealthCheck:
    """The latest check. There is one at a time, so a database that hangs is not asked again and again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._started_at = 0.0
        self._results: dict[str, bool] = {}

    def results(self) -> dict[str, bool]:
        """Return whether each item is well; one that was not checked in time is not."""
        with self._lock:
            age = time.monotonic() - self._started_at
            is_running = self._thread is not None and self._thread.is_alive()
            if not is_running and (self._thread is None or age >= FRESH_SECONDS):
                self._results, self._started_at, age = {}, time.monotonic(), 0.0
                self._thread = threading.Thread(target=check_all, args=[self._results], daemon=True)
                self._thread.start()
            thread, results = self._thread, self._results
        thread.join(max(0.0, TIMEOUT_SECONDS - age))
        return dict(results)


def check_all(results: dict[str, bool]) -> None:
    """Write into `results` what is well. Runs in a thread of its own, because any of it may hang."""
    results["disk"] = has_free_space()
    # A connection of its own, with limits that would be too strict for pages.
    probe = connection.copy()
    options = probe.settings_dict["OPTIONS"]
    options["connect_timeout"] = CONNECT_TIMEOUT_SECONDS
    options["options"] = f"{options.get('options', '')} -c statement_timeout={STATEMENT_TIMEOUT}"
    try:
        with closing(probe), probe.cursor() as cursor:
            results["database"] = True
            results["migrations"] = is_migrated(cursor)
            results["worker"] = has_worker(cursor)
    except DatabaseError as error:
        report_outage(error)


def has_free_space() -> bool:
    """Return whether the stored files can grow."""
    folder = Path(settings.MEDIA_ROOT)
    while not folder.exists():
        folder = folder.parent
    try:
        return shutil.disk_usage(folder).free >= MIN_FREE_BYTES
    except OSError:
        return False


@cache
def all_migrations() -> frozenset[tuple[str, str]]:
    """Return app and name of each migration that this version has."""
    return frozenset((config.label, name) for config in apps.get_app_configs() for name in migration_names(config))


def is_migrated(cursor: CursorWrapper) -> bool:
    cursor.execute("SELECT app, name FROM django_migrations")
    return all_migrations() <= set(cursor.fetchall())


def has_worker(cursor: CursorWrapper) -> bool:
    """Return whether a worker has shown itself before it would count as dead."""
    cursor.execute(WORKER_SQL, [settings.PROCRASTINATE_WORKER_DEFAULTS["stalled_worker_timeout"]])
    return cursor.fetchone()[0]


health_check = HealthCheck()


def answer(request: HttpRequest) -> HttpResponse:
    """Return the state of each item, and of all: status 200 or 503. No reason, because any stranger may ask."""
    if request.method not in {"GET", "HEAD"}:
        return HttpResponseNotAllowed(["GET", "HEAD"])
    results = health_check.results()
    items = {name: results.get(name, False) for name in PATHS[request.path_info]}
    is_well = all(items.values())
    states = {name: "ok" if value else "not ok" for name, value in {"status": is_well, **items}.items()}
    status = 200 if is_well else 503
    return without_log_line(JsonResponse(states, status=status, headers={"Cache-Control": "no-store"}))
