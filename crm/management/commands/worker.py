"""Run background jobs."""

import argparse
import asyncio
import signal
from typing import Any

from django.core.management.base import BaseCommand
from django.db import connection, connections

from crm.runtime.workers import WorkerOptions, run_worker


def positive_int(text: str) -> int:
    """A whole number above zero, as `argparse` wants to be told."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


class Command(BaseCommand):
    """One worker; start as many as there is work for, on any machine that reaches the database."""

    help = "Run background jobs until Ctrl-C or SIGTERM; the jobs that have begun are finished first."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--concurrency", type=positive_int, default=4, help="Jobs at a time (4).")
        parser.add_argument("--until-empty", action="store_true", help="One job at a time, until none is waiting.")
        parser.add_argument("--queue", action="append", dest="queues", help="Only this queue; may be repeated.")

    def handle(self, *, concurrency: int, queues: list[str] | None, until_empty: bool, **options: Any) -> None:
        # Here and not in the loop, which would wait for ever for a database that is not configured right.
        connection.ensure_connection()
        connections.close_all()
        # With more than one at a time it would end while what runs has still to defer the next.
        worker_options = WorkerOptions(
            queues=queues, concurrency=1 if until_empty else concurrency, waits_when_empty=not until_empty
        )
        self.stdout.write(
            f"Working on {', '.join(queues) if queues else 'every queue'}, {worker_options.concurrency} at a time."
        )
        asyncio.run(_run_until_signal(worker_options))
        self.stdout.write("The worker has stopped.")


async def _run_until_signal(worker_options: WorkerOptions) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def handle_signal() -> None:
        stop.set()
        for number in (signal.SIGINT, signal.SIGTERM):
            # A second signal no longer waits for the jobs.
            loop.remove_signal_handler(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, handle_signal)
    await run_worker(worker_options, stop)
