"""Handing an email to the mail server, step by step, so that it is known whether the server took it.

Until the server has answered the end of the data it has not taken the email. A connection that breaks while that
answer is due is the one case in which the delivery is unconfirmed.
"""

import re
import smtplib
import ssl
from collections.abc import Callable
from contextlib import suppress

from django.conf import settings

from crm.runtime.delivery import Delivery, DeliveryOutcome
from crm.text.addresses import agency_domain

MAX_SMTP_REPLY_LENGTH = 200


class SmtpRejected(Exception):
    """The mail server ended the session before the data; `delivery` is the outcome."""

    def __init__(self, outcome: DeliveryOutcome, explanation: str) -> None:
        self.delivery = Delivery(outcome, explanation)
        super().__init__(explanation)


def send_via_smtp(
    email_bytes: bytes, sender: str, recipients: list[str], final_check: Callable[[], Delivery | None]
) -> Delivery:
    """Hand `email_bytes` to the mail server of the settings.

    `final_check` is called when only the data is left to send; if it returns an outcome, no data is sent.
    """
    if not settings.EMAIL_HOST:
        return Delivery(DeliveryOutcome.REJECTED, "There is no mail server: set EMAIL_URL, then try again.")
    try:
        server = open_smtp_session(sender, recipients)
    except SmtpRejected as rejection:
        return rejection.delivery
    try:
        if (early_result := final_check()) is not None:
            return early_result
        return send_data(server, email_bytes)
    finally:
        close_session(server)


def open_smtp_session(sender: str, recipients: list[str]) -> smtplib.SMTP:
    """Return a session in which the server has accepted the sender and every recipient.

    Raises:
        SmtpRejected: it has not accepted them; no recipient gets the email.
    """
    server = None
    try:
        server = connect_smtp()
        send_envelope(server, sender, recipients)
    except (smtplib.SMTPException, OSError, ValueError) as error:
        close_session(server)
        raise rejection_from_error(error) from error
    except SmtpRejected:
        close_session(server)
        raise
    return server


def connect_smtp() -> smtplib.SMTP:
    """Return a connection to the mail server, encrypted and logged in according to the settings."""
    connection_args = {
        "host": settings.EMAIL_HOST,
        "port": settings.EMAIL_PORT,
        "timeout": settings.EMAIL_TIMEOUT,
        # Our own host name; without it smtplib asks the name servers, which can take long.
        "local_hostname": agency_domain(),
    }
    server = (
        smtplib.SMTP_SSL(**connection_args, context=ssl.create_default_context())
        if settings.EMAIL_USE_SSL
        else smtplib.SMTP(**connection_args)
    )
    try:
        server.ehlo_or_helo_if_needed()
        if settings.EMAIL_USE_TLS:
            server.starttls(context=ssl.create_default_context())
            server.ehlo_or_helo_if_needed()
        if settings.EMAIL_HOST_USER:
            server.login(settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD)
    except (smtplib.SMTPException, OSError):
        server.close()
        raise
    return server


def send_envelope(server: smtplib.SMTP, sender: str, recipients: list[str]) -> None:
    """Send the sender and the recipients; if the server rejects one of them, no recipient gets the email."""
    code, reply = server.mail(sender)
    if code >= 300:
        raise SmtpRejected(*classify_reply(code, "The mail server rejected our address", reply))
    for recipient in recipients:
        code, reply = server.rcpt(recipient)
        if code >= 300:
            with suppress(smtplib.SMTPException, OSError):
                server.rset()
            raise SmtpRejected(
                *classify_reply(code, f"The mail server rejected {recipient}, so no recipient got the email", reply)
            )


def send_data(server: smtplib.SMTP, email_bytes: bytes) -> Delivery:
    """Send the email itself; from here on a broken connection leaves the delivery unconfirmed."""
    try:
        code, reply = server.docmd("DATA")
    except (smtplib.SMTPException, OSError) as error:
        return rejection_from_error(error).delivery
    if code != 354:
        return Delivery(*classify_reply(code, "The mail server rejected the email", reply))
    try:
        # A line that begins with a dot gets another one: a dot alone ends the email.
        server.send(re.sub(rb"(?m)^\.", b"..", email_bytes) + b".\r\n")
        code, reply = server.getreply()
    except (smtplib.SMTPException, OSError):
        explanation = "The connection broke while the mail server was taking the email: delivery unconfirmed."
        return Delivery(DeliveryOutcome.UNCONFIRMED, explanation)
    if 200 <= code < 300:
        return Delivery(DeliveryOutcome.DELIVERED)
    if 400 <= code < 600:
        return Delivery(*classify_reply(code, "The mail server rejected the email", reply))
    return Delivery(DeliveryOutcome.UNCONFIRMED, "The mail server gave no clear answer: delivery unconfirmed.")


def classify_reply(code: int, prefix: str, reply: bytes) -> tuple[DeliveryOutcome, str]:
    """Return the outcome of a rejection with `code`, and the sentence that explains it."""
    outcome = DeliveryOutcome.RETRY_LATER if 400 <= code < 500 else DeliveryOutcome.REJECTED
    return outcome, f"{prefix}: {code} {readable_reply(reply)}".rstrip() + "."


def readable_reply(reply: bytes | str) -> str:
    """Return the reply of the server as one printable line, shortened for a sentence."""
    text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:MAX_SMTP_REPLY_LENGTH].rstrip(".")


def rejection_from_error(error: Exception) -> SmtpRejected:
    """Return the rejection for an `error` before any data was sent: no recipient got the email."""
    server_name = f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}"
    if isinstance(error, smtplib.SMTPAuthenticationError):
        # Without its reply, which may repeat our password.
        outcome = DeliveryOutcome.RETRY_LATER if error.smtp_code < 500 else DeliveryOutcome.REJECTED
        return SmtpRejected(outcome, f"The mail server rejected our login: {error.smtp_code}.")
    if isinstance(error, smtplib.SMTPResponseException):
        return SmtpRejected(*classify_reply(error.smtp_code, "The mail server refused the session", error.smtp_error))
    if isinstance(error, ssl.SSLCertVerificationError):
        return SmtpRejected(
            DeliveryOutcome.REJECTED,
            f"The certificate of the mail server {server_name} is not trusted; nothing was sent.",
        )
    if isinstance(error, smtplib.SMTPNotSupportedError | ValueError):
        return SmtpRejected(
            DeliveryOutcome.REJECTED,
            "The mail server does not support what EMAIL_URL asks for (encryption or a login).",
        )
    return SmtpRejected(
        DeliveryOutcome.RETRY_LATER,
        f"The mail server {server_name} could not be reached: {readable_reply(str(error)) or 'no answer'}.",
    )


def close_session(server: smtplib.SMTP | None) -> None:
    """End the session; what the server has taken stays taken."""
    if server is None:
        return
    with suppress(smtplib.SMTPException, OSError):
        server.quit()
    server.close()
