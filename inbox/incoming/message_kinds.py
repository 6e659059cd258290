"""Classify an email as written by a person or by a machine. Pure: no database.

Only an email from a person counts as contact. Sources: RFC 3834 (Auto-Submitted), RFC 2919 (List-Id), RFC 3464
(bounces), and the headers that common mail programs add.
"""

import re
from collections.abc import Collection

from inbox.incoming.parsing import ParsedEmail
from inbox.models import Nature

POSTMASTER_SENDER = re.compile(r"^(mailer-daemon|postmaster|mail-daemon)@", re.IGNORECASE)
BOUNCE_SUBJECT = re.compile(
    r"^(undeliver|mail delivery (failed|failure|system)|delivery status notification|returned mail|failure notice"
    r"|unzustellbar|delivery failure|message could not be delivered)",
    re.IGNORECASE,
)
DELAY_SUBJECT = re.compile(
    r"\bdelayed\b|still being retried|^warning: (could not send|message)|verzögert|différé", re.IGNORECASE
)
# The envelope sender that mailing list programs use.
LIST_SENDER = re.compile(r"<?(owner-[^@]+|[^@]+-(owner|bounces?|request))([+=][^@]*)?@", re.IGNORECASE)
LIST_ID = re.compile(r"<([^<>\s]+)>")
NO_REPLY_SENDER = re.compile(r"(no|do[-_.]?not)[-_.]?reply([-_.+][^@]*)?@", re.IGNORECASE)
AUTO_REPLY_SUBJECT = re.compile(
    r"^(auto(matic|mated)?[ -]?(reply|response)|out of (the )?office|abwesenheit|automatische antwort"
    r"|réponse automatique|respuesta automática|risposta automatica|automatisch antwoord)",
    re.IGNORECASE,
)


def classify_message(mail: ParsedEmail, own_addresses: Collection[str] = ()) -> Nature:
    """Return the kind of `mail`, judged by its headers first and its subject last.

    One of our own addresses may be a group alias; email sent through it does not count as a mailing list.
    """
    headers = {name: value.casefold() for name, value in mail.headers.items()}
    if is_delivery_report(mail, headers):
        return Nature.AUTO_REPLY if is_delay_notice(mail, headers) else Nature.BOUNCE
    if is_spam(headers):
        return Nature.SPAM
    if is_automatic(mail, headers) and "list-id" not in headers:
        return Nature.AUTO_REPLY
    if is_from_list(headers) and not is_own_group(headers, own_addresses):
        return Nature.LIST
    return Nature.PERSON


def is_delivery_report(mail: ParsedEmail, headers: dict[str, str]) -> bool:
    """Return whether a mail server reports on the delivery of an email."""
    report = "report-type" in headers.get("content-type", "") and "delivery-status" in headers.get("content-type", "")
    empty = headers.get("return-path", "").strip() == "<>"
    daemon = bool(POSTMASTER_SENDER.match(mail.from_email))
    return (
        report or "x-failed-recipients" in headers or (daemon and (empty or bool(BOUNCE_SUBJECT.match(mail.subject))))
    )


def is_delay_notice(mail: ParsedEmail, headers: dict[str, str]) -> bool:
    """Return whether a delivery report says that delivery is still being attempted."""
    return bool(DELAY_SUBJECT.search(mail.subject)) or "warning-timeout" in headers.get("auto-submitted", "")


def is_from_list(headers: dict[str, str]) -> bool:
    listed = "list-id" in headers or "list-unsubscribe" in headers
    bulk = headers.get("precedence", "") in {"list", "bulk", "junk"}
    return listed or bulk or bool(LIST_SENDER.match(headers.get("return-path", "")))


def is_own_group(headers: dict[str, str], own_addresses: Collection[str]) -> bool:
    """Return whether the list is one of our own addresses, such as a group alias."""
    found = LIST_ID.search(headers.get("list-id", ""))
    return bool(found) and found[1] in {one.replace("@", ".") for one in own_addresses}


def is_spam(headers: dict[str, str]) -> bool:
    return headers.get("x-spam-flag", "").startswith("yes") or headers.get("x-spam-status", "").startswith("yes")


def is_automatic(mail: ParsedEmail, headers: dict[str, str]) -> bool:
    submitted = headers.get("auto-submitted", "no").split(";")[0].strip()
    return (
        submitted not in {"no", ""}
        or "x-autoreply" in headers
        or headers.get("precedence", "") == "auto_reply"
        or bool(AUTO_REPLY_SUBJECT.match(mail.subject))
        or bool(NO_REPLY_SENDER.match(mail.reply_to or mail.from_email))
        or "disposition-notification" in headers.get("content-type", "")
    )
