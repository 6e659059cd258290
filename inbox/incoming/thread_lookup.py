"""Which conversation a mail belongs to: those of a mailbox that a batch touches, in memory until they are written."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.utils import timezone

from inbox.models import Direction, Mailbox, Message, Thread, ThreadKey, ThreadSource


class PendingThread:
    """One conversation, with what the batch adds to it."""

    def __init__(self, thread: Thread, *, new: bool = False) -> None:
        self.thread, self.is_new = thread, new
        # Those in the database that have become part of it.
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
        """The conversations that somebody has taken from this one by hand."""
        return {key for one in (self.thread, *self.merged_threads) for key in one.metadata.get("apart_from", [])}


class PendingThreads:
    """The conversations of `mailbox` that `keys` lead to; their rows are held until the transaction ends."""

    def __init__(self, mailbox: Mailbox, keys: Collection[str]) -> None:
        self.mailbox = mailbox
        stored_keys = ThreadKey.objects.filter(mailbox=mailbox, key__in=keys).values_list("key", "thread_id")
        self.stored_keys: dict[str, UUID] = dict(stored_keys)
        # What we have written ourselves is answered before it comes back from the folder of what was sent.
        sent = Message.objects.filter(mailbox=None, direction=Direction.OUT, message_id__in=keys)
        thread_ids_by_key = {
            **dict(sent.order_by("-sent_at").values_list("message_id", "thread_id")),
            **self.stored_keys,
        }
        rows = Thread.objects.filter(pk__in=set(thread_ids_by_key.values())).order_by("pk").select_for_update()
        found = {row.pk: PendingThread(row) for row in rows}
        self.threads_by_key: dict[str, PendingThread] = {}
        for key, thread in thread_ids_by_key.items():
            # One that was deleted takes nothing more in.
            if thread in found:
                self.map_key(found[thread], key)

    def find_or_create(self, keys: list[str], subject: str) -> PendingThread:
        """The one that `keys` lead to, several made one; a new one called `subject` where they lead to none."""
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
        """The one that a mail with `keys`, the nearest first, answers: what was taken apart by hand stays apart."""
        return next(self.threads_by_key[key] for key in keys if key in self.threads_by_key)

    def map_key(self, pending: PendingThread, key: str) -> None:
        self.threads_by_key[key] = pending
        pending.keys.add(key)

    def merge_pending(self, target: PendingThread, other: PendingThread) -> None:
        """Make `other` part of `target`, which is the older one."""
        for key in other.keys:
            self.threads_by_key[key] = target
        target.keys |= other.keys
        target.messages += other.messages
        target.merged_threads += [*([] if other.is_new else [other.thread]), *other.merged_threads]

    def all(self) -> list[PendingThread]:
        """In the order in which they began."""
        return sorted(dict.fromkeys(self.threads_by_key.values()), key=lambda one: one.creation_order)

    def keys_to_write(self, keys: Collection[str]) -> tuple[list[ThreadKey], list[ThreadKey]]:
        """Of `keys` those that are new, and those that lead to a deleted conversation and shall lead elsewhere."""
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
    """`nearest_thread` and those of `found` that nobody has taken apart from it or from each other, the oldest first."""
    mergeable = [nearest]
    for one in found:
        if one is not nearest and not has_split_threads([*mergeable, one]):
            mergeable.append(one)
    return sorted(mergeable, key=lambda one: one.creation_order)


def has_split_threads(found: list[PendingThread]) -> bool:
    """Whether somebody has taken two of `found` apart by hand."""
    keys = {str(key): one for one in found for key in one.thread_ids}
    return any(keys[key] is not one for one in found for key in one.split_from_ids() & keys.keys())
