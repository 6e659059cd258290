"""Serve the CRM from this machine."""

import argparse
import signal
import threading
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from crm.runtime import mail_catcher
from crm.runtime.environment import port_number
from crm.runtime.serving import CannotServe, ProcessGroup, is_serving, open_listener, single_instance_lock


class Command(BaseCommand):
    """Run the web server and one worker on a laptop. ARCHITECTURE.md describes production."""

    help = "Serve the CRM and run one worker, until Ctrl-C."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--port", type=port_number, default=settings.PORT, help="The port (default: PORT, else 8000)."
        )
        parser.add_argument("--host", default="127.0.0.1", help="The address to listen on (default: 127.0.0.1).")
        parser.add_argument("--no-worker", action="store_true", help="Run the web server without a worker.")

    def handle(self, *, host: str, port: int, no_worker: bool, **options: Any) -> None:
        address = f"http://{f'[{host}]' if ':' in host else host}:{port}/"
        self._check_migrations()
        try:
            with single_instance_lock(settings.DATA_DIR / "serve.lock", address):
                self._serve(host, port, address, with_worker=not no_worker)
        except CannotServe as error:
            raise CommandError(str(error)) from error

    def _check_migrations(self) -> None:
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
        connection.close()
        if missing:
            raise CommandError(f"{len(missing)} migrations are not applied. Run manage.py migrate first.")

    def _serve(self, host: str, port: int, address: str, *, with_worker: bool) -> None:
        stop, kill_now = threading.Event(), threading.Event()

        def handle_signal(number: int, frame: FrameType | None) -> None:
            (kill_now if stop.is_set() else stop).set()

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, handle_signal)
        process_group = ProcessGroup(settings.BASE_DIR)
        try:
            with open_listener(host, port) as listener:
                process_group.start_web(listener)
            if with_worker:
                process_group.start_worker()
            if settings.MAIL_IS_CAUGHT:
                self._catch_mail(process_group)
            self._watch(process_group, host, port, address, stop)
        finally:
            process_group.stop_all(kill_now)
        self.stdout.write("Stopped.")

    def _catch_mail(self, process_group: ProcessGroup) -> None:
        """Start the mail catcher, unless another program listens on its port."""
        try:
            with open_listener(*settings.MAIL_CATCHER) as listener:
                process_group.start_catcher(listener)
        except CannotServe:
            catcher_address = "{}:{}".format(*settings.MAIL_CATCHER)
            self.stdout.write(
                f"Outgoing email is not caught: another program listens on {catcher_address} and receives it."
            )
        else:
            self.stdout.write(f"Outgoing email is not sent but written to {mail_catcher.caught_emails_folder()}.")

    def _watch(self, process_group: ProcessGroup, host: str, port: int, address: str, stop: threading.Event) -> None:
        """Print the address once the server answers, and return when stopped."""
        announced = False
        while not stop.wait(0.2):
            if name := process_group.find_ended_process():
                code = process_group.processes[name].returncode
                raise CannotServe(
                    f"The {name} ended unexpectedly (exit code {code}). All processes are stopped; see above."
                )
            if line := process_group.restart_worker():
                self.stdout.write(line)
                self.stdout.flush()
            if not announced and is_serving(host, port):
                announced = True
                self.stdout.write(f"The CRM runs at {address} (press Ctrl-C to stop).")
