"""Which folders of a mailbox are read, and which of them holds what was sent."""

from collections.abc import Mapping

from inbox.imap.connection import ImapSession
from inbox.imap.folder_state import save_sync_state
from inbox.models import Mailbox

INBOX = "INBOX"
SENT_FLAG = "\\sent"
# What mail programs and servers call it, in lower case, where no flag says so (RFC 6154).
SENT_NAMES = (
    "sent",
    "sent items",
    "sent mail",
    "sent messages",
    "gesendet",
    "gesendete objekte",
    "gesendete elemente",
    "envoyés",
    "éléments envoyés",
    "messages envoyés",
    "enviados",
    "elementos enviados",
    "posta inviata",
    "inviati",
    "verzonden",
    "verzonden items",
    "wysłane",
    "skickat",
    "sendt",
    "odeslané",
    "отправленные",
)
MAX_FOLDER_NAMES = 200


def find_sent_folder(folders: Mapping[str, tuple[str, ...]]) -> str:
    """The folder of what was sent: by its flag, else by its name; empty where none is found."""
    flagged = [name for name, flags in folders.items() if SENT_FLAG in flags]
    if flagged:
        return flagged[0]
    last_parts = {name: name.replace(".", "/").rpartition("/")[2].casefold() for name in folders}
    matches = [name for sent_name in SENT_NAMES for name in folders if last_parts[name] == sent_name]
    return matches[0] if matches else ""


def save_folder_names(session: ImapSession, mailbox: Mailbox) -> None:
    """Keep in `mailbox` which folders there are on its server, and which holds what was sent."""
    found = session.folders()
    names = [name for name in sorted(found) if len(name) <= 200 and name.isprintable()][:MAX_FOLDER_NAMES]
    save_sync_state(mailbox, {**mailbox.sync_state, "names": names, "sent": find_sent_folder(found)})


def get_sent_folder(mailbox: Mailbox) -> str:
    """Where what was sent lies: as a person chose, else as it was found; empty where nobody knows."""
    return mailbox.sent_folder or mailbox.sync_state.get("sent", "")


def folders_to_read(mailbox: Mailbox) -> list[str]:
    """The folders that are read, none twice."""
    return [name for name in dict.fromkeys([INBOX, get_sent_folder(mailbox), *mailbox.folders]) if name]
