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

LARGEST = 50 * 1024 * 1024


class Catcher(SMTP):
    """Takes whatever a mail program can send, long lines too."""

    line_length_limit = 1024 * 1024


class Files:
    """Writes each mail into `folder`, under a name that sorts by time, and tells `say` where."""

    def __init__(self, folder: Path, say: Callable[[str], object]) -> None:
        self.folder, self.say = folder, say

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        data = envelope.original_content or b""
        name = email.message_from_bytes(data)["Message-ID"] or "mail"
        name = re.sub(r"[^A-Za-z0-9.@_-]+", "", name)[:100]
        path = self.folder / f"{datetime.now():%Y-%m-%d %H.%M.%S.%f} {name}.eml"
        path.write_bytes(data)
        self.say(f"A mail to {', '.join(envelope.rcpt_tos)}: {path}")
        return "250 Caught"


def folder() -> Path:
    """Where caught mails are written."""
    return settings.DATA_DIR / "mail"


def catch(listener: socket.socket, say: Callable[[str], object]) -> None:
    """Catch mails on `listener` until told to end."""
    folder().mkdir(parents=True, exist_ok=True)
    files = Files(folder(), say)
    asyncio.run(serve(listener, lambda: Catcher(files, data_size_limit=LARGEST, enable_SMTPUTF8=True)))


async def serve(listener: socket.socket, make: Callable[[], Catcher]) -> None:
    """Answer on `listener` until SIGINT or SIGTERM."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    server = await loop.create_server(make, sock=listener)
    async with server:
        await ended.wait()
