"""Loopback mail servers for tests, with the faults of real servers."""

import asyncio
import contextlib
import email
import email.policy
import ssl
import threading
from collections.abc import Iterator
from email.message import EmailMessage

from aiosmtpd.smtp import SMTP, AuthResult

MAX_LINE_LENGTH = 1024 * 1024
# In seconds.
SLOW_SECONDS = 0.08


class SmtpSink:
    """A mail server that keeps accepted emails; `fault` selects its fault.

    Faults: "busy" (421 instead of a greeting), "late" (no greeting in time), "no such user" (550 for `unwelcome`),
    "try later" (451 after the data), "spam" (554 after the data), "cut" (the connection is closed instead of an
    answer), "silent" (no answer to the data), "slow" (a moment until it takes the data, and one until it says so), "no"
    (503 to DATA).
    """

    def __init__(self) -> None:
        self.fault, self.rejected_addresses, self.data, self.logins, self.received_commands = "", set(), [], [], []

    @property
    def emails(self) -> list[EmailMessage]:
        """Return the accepted emails, parsed by the standard library, with local line breaks."""
        plain = [data.replace(b"\r\n", b"\n") for data in self.data]
        return [email.message_from_bytes(data, policy=email.policy.default) for data in plain]

    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        session.host_name = hostname
        return responses

    async def handle_RCPT(self, server, session, envelope, address, options):
        self.received_commands.append(address)
        if address in self.rejected_addresses:
            return "550 5.1.1 no such user here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_RSET(self, server, session, envelope):
        self.received_commands.append("RSET")
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if self.fault == "try later":
            return "451 4.7.1 greylisted, try again later"
        if self.fault == "spam":
            return "554 5.7.1 this looks like spam"
        if self.fault == "silent":
            await asyncio.sleep(30)
        if self.fault == "slow":
            await asyncio.sleep(SLOW_SECONDS)
        self.data.append(envelope.original_content)
        if self.fault == "slow":
            await asyncio.sleep(SLOW_SECONDS)
        if self.fault == "taken and cut":
            server.transport.abort()
        return "250 taken"

    def check(self, server, session, envelope, mechanism, data):
        self.logins.append((data.login.decode(), data.password.decode()))
        return AuthResult(success=data.password == b"right", handled=False)


class Server(SMTP):
    """The SMTP server with the faults before and around the data."""

    line_length_limit = MAX_LINE_LENGTH

    async def _handle_client(self):
        if self.event_handler.fault == "busy":
            await self.push("421 4.3.2 too many connections")
            self.transport.close()
            return
        if self.event_handler.fault == "late":
            await asyncio.sleep(30)
        await super()._handle_client()

    async def smtp_DATA(self, arg):
        if self.event_handler.fault == "no":
            await self.push("503 5.5.1 not now")
        elif self.event_handler.fault == "cut":
            await self.push("354 go on")
            self.transport.abort()
        else:
            await super().smtp_DATA(arg)


class ServerThread:
    """An event loop in a thread of its own, in which servers answer."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def listen(self, make) -> int:
        """Serve each connection with a protocol from `make`; return the port."""
        listening = self.loop.create_server(make, "127.0.0.1", 0)
        self.server = asyncio.run_coroutine_threadsafe(listening, self.loop).result(10)
        return self.server.sockets[0].getsockname()[1]

    async def end(self) -> None:
        self.server.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self.end(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()


@contextlib.contextmanager
def mail_server(settings, *, tls: ssl.SSLContext | None = None, login: bool = False) -> Iterator[SmtpSink]:
    """Start a loopback mail server and point the settings to it."""
    sink = SmtpSink()
    controller_options = {"tls_context": tls, "require_starttls": bool(tls)}
    if login:
        controller_options |= {"authenticator": sink.check, "auth_require_tls": False, "auth_required": True}
    running = ServerThread()
    port = running.listen(lambda: Server(sink, **controller_options))
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    settings.EMAIL_TIMEOUT = 1
    try:
        yield sink
    finally:
        running.stop()
