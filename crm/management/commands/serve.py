"""Serve the CRM from this machine."""

import argparse
import signal
import socket
import threading
from contextlib import ExitStack
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from crm.runtime import mail_catcher
from crm.runtime.environment import port_number
from crm.runtime.serving import (
    WEB_SERVER,
    CannotServe,
    ProcessGroup,
    is_serving,
    open_listener,
    single_instance_lock,
)


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
        # The sockets stay open, so that a server that is started again goes on with the requests that wait there.
        with ExitStack() as sockets:
            try:
                process_group.start_web(sockets.enter_context(open_listener(host, port)))
                if with_worker:
                    process_group.start_worker()
                if settings.MAIL_IS_CAUGHT and (listener := self._listen_for_mail()):
                    process_group.start_catcher(sockets.enter_context(listener))
                self._watch(process_group, host, port, address, stop)
            finally:
                process_group.stop_all(kill_now)
        self.stdout.write("Stopped.")

    def _listen_for_mail(self) -> socket.socket | None:
        """Return the socket of the mail catcher, or None if another program listens on its port."""
        try:
            listener = open_listener(*settings.MAIL_CATCHER)
        except CannotServe:
            catcher_address = "{}:{}".format(*settings.MAIL_CATCHER)
            self.stdout.write(
                f"Outgoing email is not caught: another program listens on {catcher_address} and receives it."
            )
            return None
        self.stdout.write(f"Outgoing email is not sent but written to {mail_catcher.caught_emails_folder()}.")
        return listener

    def _watch(self, process_group: ProcessGroup, host: str, port: int, address: str, stop: threading.Event) -> None:
        """Print the address once the server answers, start again what ends, and return when stopped.

        A web server that never answered is not tried again: the console says why it does not start.
        """
        announced = False
        while not stop.wait(0.1):
            web_server = process_group.processes[WEB_SERVER]
            if not announced and web_server.has_ended:
                code = web_server.child.returncode
                raise CannotServe(
                    f"The {WEB_SERVER} ended before it answered (exit code {code}). "
                    "All processes are stopped; see above."
                )
            for line in process_group.restart_ended():
                self.stdout.write(line)
                self.stdout.flush()
            if not announced and is_serving(host, port):
                announced = True
                self.stdout.write(f"The CRM runs at {address} (press Ctrl-C to stop).")
