"""Background workers (`manage.py worker`); any number, on any number of machines.

Jobs are rows of the same database (procrastinate). A task deferred inside a transaction is part of it, in a web
request as in another job.
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

from crm.runtime.job_queue import WorkerJobManager

logger = logging.getLogger(__name__)

CONNECTION_ERRORS = (ConnectorException, psycopg.OperationalError, OperationalError)
# Seconds between attempts to reconnect to the database: doubled each time, up to the maximum.
FIRST_RETRY_DELAY, MAX_RETRY_DELAY = 0.5, 15.0
# After this many seconds of work the database counts as stable, and the next loss starts with short pauses.
STABLE_AFTER_SECONDS = 60.0
# In addition to one connection a job: the heartbeat, and the query for jobs to abort.
SPARE_CONNECTIONS = 2


@dataclass(frozen=True)
class WorkerOptions:
    """The options of one worker process."""

    queues: list[str] | None
    concurrency: int
    # Whether to wait for more jobs when the queue is empty.
    waits_when_empty: bool = True


async def run_worker(worker_options: WorkerOptions, stop: asyncio.Event) -> None:
    """Run jobs until `stop` is set, then finish the running ones; reconnect if the database goes down."""
    retry_delay = FIRST_RETRY_DELAY
    while not stop.is_set():
        started_at = time.monotonic()
        try:
            await _run_until_disconnected(worker_options, stop)
            if not worker_options.waits_when_empty:
                return
        except CONNECTION_ERRORS as error:
            logger.warning("Lost the database connection (%s). The worker reconnects.", error)
        if time.monotonic() - started_at > STABLE_AFTER_SECONDS:
            retry_delay = FIRST_RETRY_DELAY
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), retry_delay)
        retry_delay = min(retry_delay * 2, MAX_RETRY_DELAY)


async def _run_until_disconnected(worker_options: WorkerOptions, stop: asyncio.Event) -> None:
    """Work until stopped or until the database connection is lost."""
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
        # Cancelling asks a worker to stop; it waits for its running jobs.
        worker_task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await worker_task


def _make_worker_app(concurrency: int) -> DjangoApp:
    """Return an app for the worker's own queries, separate from the one that defers tasks.

    Swapping the connector of the shared app, as procrastinate's command does, would send jobs deferred by
    a running job through the worker's pool: outside the transaction, so a rollback would not remove them.
    """
    connector = PsycopgConnector(
        # Computed for each connection, because this restarts an embedded server that was killed.
        kwargs=sync_to_async(connector_params),
        min_size=1,
        max_size=concurrency + SPARE_CONNECTIONS,
    )
    worker_app = DjangoApp(
        connector=connector,
        worker_defaults=settings.PROCRASTINATE_WORKER_DEFAULTS,
        periodic_defaults=settings.PROCRASTINATE_PERIODIC_DEFAULTS,
    )
    worker_app.job_manager = WorkerJobManager(connector)
    app.perform_import_paths()
    worker_app.tasks = app.tasks
    worker_app.periodic_registry = app.periodic_registry
    return worker_app


def _reconnect() -> None:
    # The thread's connection may have been dropped; periodic jobs are deferred through it.
    connections.close_all()
    connection.ensure_connection()
