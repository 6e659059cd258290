"""Catching our own mails where no mail server is set: each becomes a file, and nobody gets it."""

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
    """Takes whatever a mail program can send, long lines too."""

    line_length_limit = 1024 * 1024


class EmailFileWriter:
    """Writes each mail into `caught_emails_folder`, under a name that sorts by time, and tells `report` where."""

    def __init__(self, folder: Path, report: Callable[[str], object]) -> None:
        self.folder, self.report = folder, report

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        data = envelope.original_content or b""
        name = email.message_from_bytes(data)["Message-ID"] or "mail"
        name = re.sub(r"[^A-Za-z0-9.@_-]+", "", name)[:100]
        path = self.folder / f"{datetime.now():%Y-%m-%d %H.%M.%S.%f} {name}.eml"
        path.write_bytes(data)
        self.report(f"A mail to {', '.join(envelope.rcpt_tos)}: {path}")
        return "250 Caught"


def caught_emails_folder() -> Path:
    """Where caught mails are written."""
    return settings.DATA_DIR / "mail"


def run_catcher(listener: socket.socket, report: Callable[[str], object]) -> None:
    """Catch mails on `listener` until told to end."""
    caught_emails_folder().mkdir(parents=True, exist_ok=True)
    files = EmailFileWriter(caught_emails_folder(), report)
    asyncio.run(
        serve_until_signal(
            listener, lambda: CatcherProtocol(files, data_size_limit=MAX_EMAIL_BYTES, enable_SMTPUTF8=True)
        )
    )


async def serve_until_signal(listener: socket.socket, make_protocol: Callable[[], CatcherProtocol]) -> None:
    """Answer on `listener` until SIGINT or SIGTERM."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    server = await loop.create_server(make_protocol, sock=listener)
    async with server:
        await stop.wait()
