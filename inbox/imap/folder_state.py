"""How far each folder of a mailbox has been synced: stored in `sync_state`, written by compare-and-set.

{"folders": {"INBOX": {…FolderState…}}, "names": ["INBOX", "Sent"], "sent": "Sent", "filing": {"failed": 0, …}}
"""

from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from crm.exceptions import ActionRefused
from inbox.models import Mailbox, MailboxStatus


class MailboxBusy(ActionRefused):
    """Another process is working on this mailbox, or it was disconnected; the current run stops."""


@dataclass(frozen=True)
class FolderState:
    """How far a folder has been synced.

    The server numbers emails in ascending order (UID) while the folder keeps its `uidvalidity`; all emails up to `uid`
    have been processed. `tries` counts the unfinished attempts at the batch that starts at UID `tried`; emails up to
    UID `alone` are fetched one at a time.
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
    # When the folder was last compared with the server, and how many emails were missing.
    gaps: dict[str, Any] = field(default_factory=dict)


FOLDER_STATE_FIELDS = {one.name for one in fields(FolderState)}


def folder_state(mailbox: Mailbox, folder: str) -> FolderState:
    stored = mailbox.sync_state.get("folders", {}).get(folder, {})
    return FolderState(**{name: value for name, value in stored.items() if name in FOLDER_STATE_FIELDS})


def update_folder_state(mailbox: Mailbox, folder: str, **changes: Any) -> FolderState:
    """Change the stored state of `folder`, in the transaction that stores its emails.

    Raises:
        MailboxBusy: another process changed the state since `mailbox` was loaded, or the mailbox is not active.
    """
    state = replace(folder_state(mailbox, folder), **changes)
    folders = {**mailbox.sync_state.get("folders", {}), folder: asdict(state)}
    save_sync_state(mailbox, {**mailbox.sync_state, "folders": folders})
    return state


def save_sync_state(mailbox: Mailbox, state: dict[str, Any]) -> None:
    """Compare-and-set the whole sync state.

    Raises:
        MailboxBusy: as in `update_folder_state`.
    """
    if state == mailbox.sync_state:
        return
    rows = Mailbox.objects.filter(pk=mailbox.pk, status=MailboxStatus.ACTIVE, sync_state=mailbox.sync_state)
    if rows.update(sync_state=state) != 1:
        raise MailboxBusy(f"Another process is syncing {mailbox}, or it was disconnected.")
    mailbox.sync_state = state
