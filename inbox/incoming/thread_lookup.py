"""Find the thread of each email. The threads that a batch touches are kept in memory until they are written."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.utils import timezone

from inbox.models import Direction, Mailbox, Message, Thread, ThreadKey, ThreadSource


class PendingThread:
    """A thread, with the messages that the batch adds to it."""

    def __init__(self, thread: Thread, *, new: bool = False) -> None:
        self.thread, self.is_new = thread, new
        # Stored threads that were merged into this one.
        self.merged_threads: list[Thread] = []
        self.keys: set[str] = set()
        self.messages: list[Message] = []

    @property
    def thread_ids(self) -> set[UUID]:
        return {self.thread.pk, *(one.pk for one in self.merged_threads)}

    @property
    def creation_order(self) -> tuple[datetime, UUID]:
        return self.thread.created_at, self.thread.pk

    def split_from_ids(self) -> set[str]:
        """Return the IDs of the threads that a person split from this one."""
        return {key for one in (self.thread, *self.merged_threads) for key in one.metadata.get("apart_from", [])}


class PendingThreads:
    """The threads of `mailbox` that `keys` lead to. Their rows are locked until the transaction ends."""

    def __init__(self, mailbox: Mailbox, keys: Collection[str]) -> None:
        self.mailbox = mailbox
        stored_keys = ThreadKey.objects.filter(mailbox=mailbox, key__in=keys).values_list("key", "thread_id")
        self.stored_keys: dict[str, UUID] = dict(stored_keys)
        # A reply to an email sent here may arrive before that email comes back from the Sent folder.
        sent = Message.objects.filter(mailbox=None, direction=Direction.OUT, message_id__in=keys)
        thread_ids_by_key = {
            **dict(sent.order_by("-sent_at").values_list("message_id", "thread_id")),
            **self.stored_keys,
        }
        rows = Thread.objects.filter(pk__in=set(thread_ids_by_key.values())).order_by("pk").select_for_update()
        found = {row.pk: PendingThread(row) for row in rows}
        self.threads_by_key: dict[str, PendingThread] = {}
        for key, thread in thread_ids_by_key.items():
            # A deleted thread receives no new messages.
            if thread in found:
                self.map_key(found[thread], key)

    def find_or_create(self, keys: list[str], subject: str) -> PendingThread:
        """Return the thread that `keys` lead to, merging several into one, or a new thread with `subject`."""
        known = dict.fromkeys(self.threads_by_key[key] for key in keys if key in self.threads_by_key)
        found = sorted(known, key=lambda one: one.creation_order)
        if has_split_threads(found):
            found = mergeable_with(self.nearest_thread(keys), found)
        if not found:
            thread = Thread(mailbox=self.mailbox, source=ThreadSource.EMAIL, subject=subject, created_at=timezone.now())
            found = [PendingThread(thread, new=True)]
        for other in found[1:]:
            self.merge_pending(found[0], other)
        for key in keys:
            if key not in self.threads_by_key:
                self.map_key(found[0], key)
        return found[0]

    def nearest_thread(self, keys: list[str]) -> PendingThread:
        """Return the thread that an email with `keys` (nearest first) replies to. Split threads stay separate."""
        return next(self.threads_by_key[key] for key in keys if key in self.threads_by_key)

    def map_key(self, pending: PendingThread, key: str) -> None:
        self.threads_by_key[key] = pending
        pending.keys.add(key)

    def merge_pending(self, target: PendingThread, other: PendingThread) -> None:
        """Merge `other` into `target`, the older of the two."""
        for key in other.keys:
            self.threads_by_key[key] = target
        target.keys |= other.keys
        target.messages += other.messages
        target.merged_threads += [*([] if other.is_new else [other.thread]), *other.merged_threads]

    def all(self) -> list[PendingThread]:
        """Return all threads, oldest first."""
        return sorted(dict.fromkeys(self.threads_by_key.values()), key=lambda one: one.creation_order)

    def keys_to_write(self, keys: Collection[str]) -> tuple[list[ThreadKey], list[ThreadKey]]:
        """Return the new ones of `keys`, and those to redirect because their thread was deleted."""
        new, redirected = [], []
        for key in dict.fromkeys(keys):
            one = self.threads_by_key[key]
            row = ThreadKey(mailbox=self.mailbox, key=key, thread=one.thread)
            if key not in self.stored_keys:
                new.append(row)
            elif self.stored_keys[key] not in one.thread_ids:
                redirected.append(row)
        return new, redirected


def mergeable_with(nearest: PendingThread, found: list[PendingThread]) -> list[PendingThread]:
    """Return `nearest` and those of `found` that were not split from it or from each other, oldest first."""
    mergeable = [nearest]
    for one in found:
        if one is not nearest and not has_split_threads([*mergeable, one]):
            mergeable.append(one)
    return sorted(mergeable, key=lambda one: one.creation_order)


def has_split_threads(found: list[PendingThread]) -> bool:
    """Return whether a person split two of `found` from each other."""
    keys = {str(key): one for one in found for key in one.thread_ids}
    return any(keys[key] is not one for one in found for key in one.split_from_ids() & keys.keys())
