"""How far each folder of a mailbox has been read: kept in `sync_state`, written by compare-and-set.

{"folders": {"INBOX": {…FolderState…}}, "names": ["INBOX", "Sent"], "sent": "Sent", "filing": {"failed": 0, …}}
"""

from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from crm.exceptions import ActionRefused
from inbox.models import Mailbox, MailboxStatus


class MailboxBusy(ActionRefused):
    """Somebody else is at this mailbox, or it was disconnected: whoever finds this stops."""


@dataclass(frozen=True)
class FolderState:
    """How far a folder has been read.

    Mails are numbered upwards (UID) for as long as the folder keeps its `uidvalidity`; all up to `uid` have been
    looked at. `tries` says how often the batch that begins at number `tried` has been begun without coming to its end;
    up to number `alone` they are gone through one by one.
    """

    uidvalidity: int = 0
    uid: int = 0
    total: int = 0
    left: int = 0
    taken: int = 0
    known: int = 0
    aside: int = 0
    tried: int = 0
    tries: int = 0
    alone: int = 0
    # When it was last compared with what lies on the server, and what was lacking then.
    gaps: dict[str, Any] = field(default_factory=dict)


FOLDER_STATE_FIELDS = {one.name for one in fields(FolderState)}


def folder_state(mailbox: Mailbox, folder: str) -> FolderState:
    stored = mailbox.sync_state.get("folders", {}).get(folder, {})
    return FolderState(**{name: value for name, value in stored.items() if name in FOLDER_STATE_FIELDS})


def update_folder_state(mailbox: Mailbox, folder: str, **changes: Any) -> FolderState:
    """Set what is known of `folder`, in the transaction of what was done.

    Raises:
        Overtaken: the row no longer holds what `mailbox` holds, or is not active.
    """
    state = replace(folder_state(mailbox, folder), **changes)
    folders = {**mailbox.sync_state.get("folders", {}), folder: asdict(state)}
    save_sync_state(mailbox, {**mailbox.sync_state, "folders": folders})
    return state


def save_sync_state(mailbox: Mailbox, state: dict[str, Any]) -> None:
    """Compare-and-set the whole state.

    Raises:
        Overtaken: as `update_folder_state`.
    """
    if state == mailbox.sync_state:
        return
    rows = Mailbox.objects.filter(pk=mailbox.pk, status=MailboxStatus.ACTIVE, sync_state=mailbox.sync_state)
    if rows.update(sync_state=state) != 1:
        raise MailboxBusy(f"{mailbox} is being worked on elsewhere.")
    mailbox.sync_state = state
