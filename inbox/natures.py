"""What sort of mail it is: from a person, or from a machine. Pure: no database.

Only what a person wrote counts as contact. Sources: RFC 3834 (Auto-Submitted), RFC 2919 (List-Id), RFC 3464 (bounces),
and the header lines that the common programs set besides.
"""

import re

from inbox.models import Nature
from inbox.parsing import Mail

POSTMASTERS = re.compile(r"^(mailer-daemon|postmaster|mail-daemon)@", re.IGNORECASE)
BOUNCED = re.compile(
    r"^(undeliver|mail delivery (failed|failure|system)|delivery status notification|returned mail|failure notice"
    r"|unzustellbar|delivery failure|message could not be delivered)",
    re.IGNORECASE,
)
AWAY = re.compile(
    r"^(auto(matic|mated)?[ -]?(reply|response)|out of (the )?office|abwesenheit|automatische antwort"
    r"|réponse automatique|respuesta automática|risposta automatica|automatisch antwoord)",
    re.IGNORECASE,
)


def nature_of(mail: Mail) -> Nature:
    """What `mail` is, by its header lines first and its subject last."""
    said = {name: value.casefold() for name, value in mail.headers.items()}
    if is_bounce(mail, said):
        return Nature.BOUNCE
    if is_spam(said):
        return Nature.SPAM
    if "list-id" in said or "list-unsubscribe" in said or said.get("precedence", "") in {"list", "bulk", "junk"}:
        return Nature.LIST
    if is_automatic(mail, said):
        return Nature.AUTO_REPLY
    return Nature.PERSON


def is_bounce(mail: Mail, said: dict[str, str]) -> bool:
    report = "report-type" in said.get("content-type", "") and "delivery-status" in said.get("content-type", "")
    empty = said.get("return-path", "").strip() == "<>"
    daemon = bool(POSTMASTERS.match(mail.from_email))
    return (
        report or "x-failed-recipients" in said or (daemon and bool(BOUNCED.match(mail.subject))) or (empty and daemon)
    )


def is_spam(said: dict[str, str]) -> bool:
    return said.get("x-spam-flag", "").startswith("yes") or said.get("x-spam-status", "").startswith("yes")


def is_automatic(mail: Mail, said: dict[str, str]) -> bool:
    submitted = said.get("auto-submitted", "no").split(";")[0].strip()
    return (
        submitted not in {"no", ""}
        or "x-autoreply" in said
        or said.get("precedence", "") == "auto_reply"
        or bool(AWAY.match(mail.subject))
    )
