"""Run background jobs."""

import argparse
import asyncio
import signal
from typing import Any

from django.core.management.base import BaseCommand
from django.db import connection, connections

from crm.runtime.workers import WorkerOptions, run_worker


def positive_int(text: str) -> int:
    """Parse a positive integer for `argparse`."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


class Command(BaseCommand):
    """Run one worker. Start as many as needed, on any machine that reaches the database."""

    help = "Run background jobs until Ctrl-C or SIGTERM; running jobs are finished first."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--concurrency", type=positive_int, default=4, help="Jobs to run at a time (default: 4).")
        parser.add_argument(
            "--until-empty", action="store_true", help="Run one job at a time and exit when none is waiting."
        )
        parser.add_argument("--queue", action="append", dest="queues", help="Process only this queue; may be repeated.")

    def handle(self, *, concurrency: int, queues: list[str] | None, until_empty: bool, **options: Any) -> None:
        # Checked before the loop, which would retry forever on a misconfigured database.
        connection.ensure_connection()
        connections.close_all()
        # With more concurrency it would exit while a running job still has to defer the next.
        worker_options = WorkerOptions(
            queues=queues, concurrency=1 if until_empty else concurrency, waits_when_empty=not until_empty
        )
        self.stdout.write(
            f"Working on {', '.join(queues) if queues else 'every queue'}, {worker_options.concurrency} at a time."
        )
        asyncio.run(_run_until_signal(worker_options))
        self.stdout.write("Worker stopped.")


async def _run_until_signal(worker_options: WorkerOptions) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def handle_signal() -> None:
        stop.set()
        for number in (signal.SIGINT, signal.SIGTERM):
            # A second signal stops without waiting for the jobs.
            loop.remove_signal_handler(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, handle_signal)
    await run_worker(worker_options, stop)
