"""Which folders of a mailbox are synced, and which of them is the Sent folder."""

from collections.abc import Mapping

from inbox.imap.connection import ImapSession
from inbox.imap.folder_state import save_sync_state
from inbox.models import Mailbox

INBOX = "INBOX"
SENT_FLAG = "\\sent"
# Common names of the Sent folder in lower case, for servers that do not flag it (RFC 6154).
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
    """Return the Sent folder, found by its flag or else by its name; empty if there is none."""
    flagged = [name for name, flags in folders.items() if SENT_FLAG in flags]
    if flagged:
        return flagged[0]
    last_parts = {name: name.replace(".", "/").rpartition("/")[2].casefold() for name in folders}
    matches = [name for sent_name in SENT_NAMES for name in folders if last_parts[name] == sent_name]
    return matches[0] if matches else ""


def save_folder_names(session: ImapSession, mailbox: Mailbox) -> None:
    """Store in `mailbox` the names of the folders on its server, and which one is the Sent folder."""
    found = session.folders()
    names = [name for name in sorted(found) if len(name) <= 200 and name.isprintable()][:MAX_FOLDER_NAMES]
    save_sync_state(mailbox, {**mailbox.sync_state, "names": names, "sent": find_sent_folder(found)})


def get_sent_folder(mailbox: Mailbox) -> str:
    """Return the Sent folder: the one a person chose, else the one detected; empty if unknown."""
    return mailbox.sent_folder or mailbox.sync_state.get("sent", "")


def folders_to_read(mailbox: Mailbox) -> list[str]:
    """Return the folders to sync, without duplicates."""
    return [name for name in dict.fromkeys([INBOX, get_sent_folder(mailbox), *mailbox.folders]) if name]
