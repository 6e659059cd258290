"""Catch outgoing email in development, where no mail server is configured."""

import argparse
import socket
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from crm.runtime.environment import port_number
from crm.runtime.mail_catcher import caught_emails_folder, run_catcher
from crm.runtime.serving import CannotServe, open_listener


class Command(BaseCommand):
    """Started by `manage.py serve` while EMAIL_URL is not set; can also run on its own."""

    help = "Catch email on this machine and write each message to a file, until Ctrl-C."
    requires_system_checks = []

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        host, port = settings.MAIL_CATCHER
        parser.add_argument("--port", type=port_number, default=port, help=f"The port on {host} ({port}).")
        parser.add_argument("--fd", type=int, help="An already listening socket to use instead.")

    def handle(self, *, port: int, fd: int | None, **options: Any) -> None:
        try:
            listener = open_listener(settings.MAIL_CATCHER[0], port) if fd is None else socket.socket(fileno=fd)
        except CannotServe as error:
            raise CommandError(f"Port {port} is in use by another program. Choose another with --port.") from error
        if fd is None:
            self.stdout.write(f"Email to 127.0.0.1:{port} is written to {caught_emails_folder()}.")
        run_catcher(listener, self.report)

    def report(self, message: str) -> None:
        self.stdout.write(message)
        self.stdout.flush()
