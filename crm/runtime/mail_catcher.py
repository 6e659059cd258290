"""The mail catcher: writes each outgoing email to a file instead of sending it, for development."""

import asyncio
import email
import re
import signal
import socket
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session
from django.conf import settings

MAX_EMAIL_BYTES = 50 * 1024 * 1024


class CatcherProtocol(SMTP):
    """An SMTP protocol that accepts long lines."""

    line_length_limit = 1024 * 1024


class EmailFileWriter:
    """Writes each email into `caught_emails_folder`, with a name sorted by time, and reports the path."""

    def __init__(self, folder: Path, report: Callable[[str], object]) -> None:
        self.folder, self.report = folder, report

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        data = envelope.original_content or b""
        name = email.message_from_bytes(data)["Message-ID"] or "mail"
        name = re.sub(r"[^A-Za-z0-9.@_-]+", "", name)[:100]
        path = self.folder / f"{datetime.now():%Y-%m-%d %H.%M.%S.%f} {name}.eml"
        path.write_bytes(data)
        self.report(f"Email to {', '.join(envelope.rcpt_tos)}: {path}")
        return "250 Caught"


def caught_emails_folder() -> Path:
    """Return the folder of caught email."""
    return settings.DATA_DIR / "mail"


def run_catcher(listener: socket.socket, report: Callable[[str], object]) -> None:
    """Catch email on `listener` until stopped."""
    caught_emails_folder().mkdir(parents=True, exist_ok=True)
    files = EmailFileWriter(caught_emails_folder(), report)
    asyncio.run(
        serve_until_signal(
            listener, lambda: CatcherProtocol(files, data_size_limit=MAX_EMAIL_BYTES, enable_SMTPUTF8=True)
        )
    )


async def serve_until_signal(listener: socket.socket, make_protocol: Callable[[], CatcherProtocol]) -> None:
    """Serve on `listener` until SIGINT or SIGTERM."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    server = await loop.create_server(make_protocol, sock=listener)
    async with server:
        await stop.wait()
