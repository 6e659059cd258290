"""Handing a mail to the mail server, step by step, so that it is always known whether it was taken.

Until the server has answered the end of the data nobody has the mail; a connection that breaks while that answer
is due is the one case of which nobody can tell.
"""

import re
import smtplib
import ssl
from collections.abc import Callable
from contextlib import suppress

from django.conf import settings

from crm.runtime.delivery import Delivery, Outcome
from crm.text.addresses import domain

LONGEST_REPLY = 200


class Turned(Exception):
    """The mail server did not get as far as the data; `delivery` says how it ended."""

    def __init__(self, outcome: Outcome, said: str) -> None:
        self.delivery = Delivery(outcome, said)
        super().__init__(said)


def hand_over(letter: bytes, sender: str, recipients: list[str], last_call: Callable[[], Delivery | None]) -> Delivery:
    """Give `letter` to the mail server of the settings.

    `last_call` is asked when nothing but the data is left to be said; what it returns, if anything, ends it there.
    """
    if not settings.EMAIL_HOST:
        return Delivery(Outcome.REFUSED, "No mail server is set (EMAIL_URL), so nothing can be sent.")
    try:
        server = begun(sender, recipients)
    except Turned as turned:
        return turned.delivery
    try:
        if (held := last_call()) is not None:
            return held
        return data(server, letter)
    finally:
        goodbye(server)


def begun(sender: str, recipients: list[str]) -> smtplib.SMTP:
    """A connection in which the server has taken the sender and every recipient.

    Raises:
        Turned: it has not; nobody got anything.
    """
    server = None
    try:
        server = connected()
        envelope(server, sender, recipients)
    except (smtplib.SMTPException, OSError, ValueError) as error:
        goodbye(server)
        raise turned(error) from error
    except Turned:
        goodbye(server)
        raise
    return server


def connected() -> smtplib.SMTP:
    """A connection to the mail server, encrypted and logged in as the settings say."""
    at = {
        "host": settings.EMAIL_HOST,
        "port": settings.EMAIL_PORT,
        "timeout": settings.EMAIL_TIMEOUT,
        # How we call ourselves; otherwise it is asked of the name servers, which may take long.
        "local_hostname": domain(),
    }
    trusted = ssl.create_default_context()
    server = smtplib.SMTP_SSL(**at, context=trusted) if settings.EMAIL_USE_SSL else smtplib.SMTP(**at)
    try:
        server.ehlo_or_helo_if_needed()
        if settings.EMAIL_USE_TLS:
            server.starttls(context=trusted)
            server.ehlo_or_helo_if_needed()
        if settings.EMAIL_HOST_USER:
            server.login(settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD)
    except (smtplib.SMTPException, OSError):
        server.close()
        raise
    return server


def envelope(server: smtplib.SMTP, sender: str, recipients: list[str]) -> None:
    """Name the sender and the recipients; if one of them is refused, nobody gets the mail."""
    code, reply = server.mail(sender)
    if code >= 300:
        raise Turned(*verdict(code, "The mail server refused our address", reply))
    for recipient in recipients:
        code, reply = server.rcpt(recipient)
        if code >= 300:
            with suppress(smtplib.SMTPException, OSError):
                server.rset()
            raise Turned(*verdict(code, f"The mail server refused {recipient}, so nobody got it", reply))


def data(server: smtplib.SMTP, letter: bytes) -> Delivery:
    """Say the mail itself; from here on a broken connection leaves it open whether it was taken."""
    try:
        code, reply = server.docmd("DATA")
    except (smtplib.SMTPException, OSError) as error:
        return turned(error).delivery
    if code != 354:
        return Delivery(*verdict(code, "The mail server refused the mail", reply))
    try:
        # A line that begins with a dot gets another: one alone ends the mail.
        server.send(re.sub(rb"(?m)^\.", b"..", letter) + b".\r\n")
        code, reply = server.getreply()
    except (smtplib.SMTPException, OSError):
        said = "The connection broke while the mail server was taking the mail: nobody knows whether it arrived."
        return Delivery(Outcome.UNKNOWN, said)
    if 200 <= code < 300:
        return Delivery(Outcome.DONE)
    if 400 <= code < 600:
        return Delivery(*verdict(code, "The mail server refused the mail", reply))
    return Delivery(Outcome.UNKNOWN, "The mail server gave no clear answer: nobody knows whether the mail arrived.")


def verdict(code: int, what: str, reply: bytes) -> tuple[Outcome, str]:
    """How a refusal with `code` ends it, and the sentence that says so."""
    outcome = Outcome.LATER if 400 <= code < 500 else Outcome.REFUSED
    return outcome, f"{what}: {code} {told(reply)}".rstrip() + "."


def told(reply: bytes | str) -> str:
    """What the server replied, as far as it belongs into a sentence."""
    text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:LONGEST_REPLY].rstrip(".")


def turned(error: Exception) -> Turned:
    """How it ended when `error` came before any data: nobody got anything."""
    where = f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}"
    if isinstance(error, smtplib.SMTPAuthenticationError):
        # Not what it replied, which may repeat what we said.
        outcome = Outcome.LATER if error.smtp_code < 500 else Outcome.REFUSED
        return Turned(outcome, f"The mail server refused our login: {error.smtp_code}.")
    if isinstance(error, smtplib.SMTPResponseException):
        return Turned(*verdict(error.smtp_code, "The mail server refused to talk", error.smtp_error))
    if isinstance(error, ssl.SSLCertVerificationError):
        return Turned(Outcome.REFUSED, f"The certificate of the mail server {where} is not trusted; nothing was said.")
    if isinstance(error, smtplib.SMTPNotSupportedError | ValueError):
        return Turned(
            Outcome.REFUSED, "The mail server does not offer what EMAIL_URL asks for (encryption or a login)."
        )
    return Turned(Outcome.LATER, f"The mail server {where} could not be reached: {told(str(error)) or 'no answer'}.")


def goodbye(server: smtplib.SMTP | None) -> None:
    """End the connection politely if the server still listens; what was taken stays taken."""
    if server is None:
        return
    with suppress(smtplib.SMTPException, OSError):
        server.quit()
    server.close()
