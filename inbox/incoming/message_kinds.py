"""What sort of mail it is: from a person, or from a machine. Pure: no database.

Only what a person wrote counts as contact. Sources: RFC 3834 (Auto-Submitted), RFC 2919 (List-Id), RFC 3464 (bounces),
and the header lines that the common programs set besides.
"""

import re
from collections.abc import Collection

from inbox.incoming.parsing import Mail
from inbox.models import Nature

POSTMASTERS = re.compile(r"^(mailer-daemon|postmaster|mail-daemon)@", re.IGNORECASE)
BOUNCED = re.compile(
    r"^(undeliver|mail delivery (failed|failure|system)|delivery status notification|returned mail|failure notice"
    r"|unzustellbar|delivery failure|message could not be delivered)",
    re.IGNORECASE,
)
DELAYED = re.compile(
    r"\bdelayed\b|still being retried|^warning: (could not send|message)|verzögert|différé", re.IGNORECASE
)
# Who sends what a list sends, as the list programs call it.
LISTS = re.compile(r"<?(owner-[^@]+|[^@]+-(owner|bounces?|request))([+=][^@]*)?@", re.IGNORECASE)
IDENTIFIED = re.compile(r"<([^<>\s]+)>")
NOBODY = re.compile(r"(no|do[-_.]?not)[-_.]?reply([-_.+][^@]*)?@", re.IGNORECASE)
AWAY = re.compile(
    r"^(auto(matic|mated)?[ -]?(reply|response)|out of (the )?office|abwesenheit|automatische antwort"
    r"|réponse automatique|respuesta automática|risposta automatica|automatisch antwoord)",
    re.IGNORECASE,
)


def nature_of(mail: Mail, ours: Collection[str] = ()) -> Nature:
    """What `mail` is, by its header lines first and its subject last.

    Behind an address of ours may stand a mailing list of our own: what comes through it is not from a list.
    """
    said = {name: value.casefold() for name, value in mail.headers.items()}
    if is_report(mail, said):
        return Nature.AUTO_REPLY if is_delay(mail, said) else Nature.BOUNCE
    if is_spam(said):
        return Nature.SPAM
    if is_automatic(mail, said) and "list-id" not in said:
        return Nature.AUTO_REPLY
    if is_listed(said) and not is_through(said, ours):
        return Nature.LIST
    return Nature.PERSON


def is_report(mail: Mail, said: dict[str, str]) -> bool:
    """Whether a mail server tells what became of a mail."""
    report = "report-type" in said.get("content-type", "") and "delivery-status" in said.get("content-type", "")
    empty = said.get("return-path", "").strip() == "<>"
    daemon = bool(POSTMASTERS.match(mail.from_email))
    return report or "x-failed-recipients" in said or (daemon and (empty or bool(BOUNCED.match(mail.subject))))


def is_delay(mail: Mail, said: dict[str, str]) -> bool:
    """Whether that is that it is still being tried."""
    return bool(DELAYED.search(mail.subject)) or "warning-timeout" in said.get("auto-submitted", "")


def is_listed(said: dict[str, str]) -> bool:
    listed = "list-id" in said or "list-unsubscribe" in said
    bulk = said.get("precedence", "") in {"list", "bulk", "junk"}
    return listed or bulk or bool(LISTS.match(said.get("return-path", "")))


def is_through(said: dict[str, str], ours: Collection[str]) -> bool:
    """Whether the list is one of our own addresses, as of a group of colleagues."""
    found = IDENTIFIED.search(said.get("list-id", ""))
    return bool(found) and found[1] in {one.replace("@", ".") for one in ours}


def is_spam(said: dict[str, str]) -> bool:
    return said.get("x-spam-flag", "").startswith("yes") or said.get("x-spam-status", "").startswith("yes")


def is_automatic(mail: Mail, said: dict[str, str]) -> bool:
    submitted = said.get("auto-submitted", "no").split(";")[0].strip()
    return (
        submitted not in {"no", ""}
        or "x-autoreply" in said
        or said.get("precedence", "") == "auto_reply"
        or bool(AWAY.match(mail.subject))
        or bool(NOBODY.match(mail.reply_to or mail.from_email))
        or "disposition-notification" in said.get("content-type", "")
    )
