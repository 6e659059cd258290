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

LOST = (ConnectorException, psycopg.OperationalError, OperationalError)
# Seconds between attempts to reach a database that went away: doubled each time, up to the longest.
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0
# A shift that lasted this many seconds had a working database: the next loss begins with short pauses again.
A_GOOD_WHILE = 60.0
# Beside one connection for each job: the heartbeat, and the question which jobs to abort.
SPARE_CONNECTIONS = 2


@dataclass(frozen=True)
class Crew:
    """What one worker process takes on."""

    queues: list[str] | None
    concurrency: int
    # Whether to wait for more when nothing is left to do.
    stays: bool = True


async def work(crew: Crew, stop: asyncio.Event) -> None:
    """Run jobs until `stop` is set, then let the running ones finish; a lost database is waited for."""
    pause = FIRST_PAUSE
    while not stop.is_set():
        began = time.monotonic()
        try:
            await _shift(crew, stop)
            if not crew.stays:
                return
        except LOST as error:
            logger.warning("The database went away (%s): the worker tries again.", error)
        if time.monotonic() - began > A_GOOD_WHILE:
            pause = FIRST_PAUSE
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), pause)
        pause = min(pause * 2, LONGEST_PAUSE)


async def _shift(crew: Crew, stop: asyncio.Event) -> None:
    """Work until told to stop or until the database is lost."""
    await sync_to_async(_reconnect)()
    own = _workers_app(crew.concurrency)
    async with own.open_async():
        working = asyncio.create_task(
            own.run_worker_async(
                queues=crew.queues,
                concurrency=crew.concurrency,
                wait=crew.stays,
                install_signal_handlers=False,
            )
        )
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        # Cancelling is how a worker is asked to stop: it waits for the jobs it has begun.
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working


def _workers_app(concurrency: int) -> DjangoApp:
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
    own = DjangoApp(
        connector=connector,
        worker_defaults=settings.PROCRASTINATE_WORKER_DEFAULTS,
        periodic_defaults=settings.PROCRASTINATE_PERIODIC_DEFAULTS,
    )
    own.tasks = app.tasks
    own.periodic_registry = app.periodic_registry
    return own


def _reconnect() -> None:
    # The thread's connection may be one that the database has dropped; periodic jobs are deferred through it.
    connections.close_all()
    connection.ensure_connection()
