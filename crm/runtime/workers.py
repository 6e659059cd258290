"""Running background jobs: what `manage.py worker` does, on as many machines as there are.

The jobs are rows of the same database (procrastinate). A task that is deferred inside a transaction is part
of it, in a web request and in another job alike.
"""

import asyncio
import contextlib
import logging
import time
from dataclasses import dataclass

import psycopg
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import OperationalError, connection, connections
from procrastinate.contrib.django import DjangoApp, app, connector_params
from procrastinate.exceptions import ConnectorException
from procrastinate.psycopg_connector import PsycopgConnector

logger = logging.getLogger(__name__)

CONNECTION_ERRORS = (ConnectorException, psycopg.OperationalError, OperationalError)
# Seconds between attempts to reach a database that went away: doubled each time, up to the longest.
FIRST_RETRY_DELAY, MAX_RETRY_DELAY = 0.5, 15.0
# A shift that lasted this many seconds had a working database: the next loss begins with short pauses again.
STABLE_AFTER_SECONDS = 60.0
# Beside one connection for each job: the heartbeat, and the question which jobs to abort.
SPARE_CONNECTIONS = 2


@dataclass(frozen=True)
class WorkerOptions:
    """What one worker process takes on."""

    queues: list[str] | None
    concurrency: int
    # Whether to wait for more when nothing is left to do.
    waits_when_empty: bool = True


async def run_worker(worker_options: WorkerOptions, stop: asyncio.Event) -> None:
    """Run jobs until `stop` is set, then let the running ones finish; a lost database is waited for."""
    retry_delay = FIRST_RETRY_DELAY
    while not stop.is_set():
        started_at = time.monotonic()
        try:
            await _run_until_disconnected(worker_options, stop)
            if not worker_options.waits_when_empty:
                return
        except CONNECTION_ERRORS as error:
            logger.warning("The database went away (%s): the worker tries again.", error)
        if time.monotonic() - started_at > STABLE_AFTER_SECONDS:
            retry_delay = FIRST_RETRY_DELAY
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), retry_delay)
        retry_delay = min(retry_delay * 2, MAX_RETRY_DELAY)


async def _run_until_disconnected(worker_options: WorkerOptions, stop: asyncio.Event) -> None:
    """Work until told to stop or until the database is lost."""
    await sync_to_async(_reconnect)()
    worker_app = _make_worker_app(worker_options.concurrency)
    async with worker_app.open_async():
        worker_task = asyncio.create_task(
            worker_app.run_worker_async(
                queues=worker_options.queues,
                concurrency=worker_options.concurrency,
                wait=worker_options.waits_when_empty,
                install_signal_handlers=False,
            )
        )
        stop_task = asyncio.create_task(stop.wait())
        await asyncio.wait({worker_task, stop_task}, return_when=asyncio.FIRST_COMPLETED)
        stop_task.cancel()
        # Cancelling is how a worker is asked to stop: it waits for the jobs it has begun.
        worker_task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await worker_task


def _make_worker_app(concurrency: int) -> DjangoApp:
    """An app for the worker's own queries, beside the one that tasks are deferred with.

    Swapping the connector of the one app, as procrastinate's own command does, would make a job that is
    deferred by a running job go through the worker's pool: outside the transaction, and left behind by a
    rollback.
    """
    connector = PsycopgConnector(
        # Asked anew for each connection, because asking is what starts an embedded server that was killed.
        kwargs=sync_to_async(connector_params),
        min_size=1,
        max_size=concurrency + SPARE_CONNECTIONS,
    )
    worker_app = DjangoApp(
        connector=connector,
        worker_defaults=settings.PROCRASTINATE_WORKER_DEFAULTS,
        periodic_defaults=settings.PROCRASTINATE_PERIODIC_DEFAULTS,
    )
    worker_app.tasks = app.tasks
    worker_app.periodic_registry = app.periodic_registry
    return worker_app


def _reconnect() -> None:
    # The thread's connection may be one that the database has dropped; periodic jobs are deferred through it.
    connections.close_all()
    connection.ensure_connection()
