"""Which conversation a mail belongs to: those of a mailbox that a batch touches, in memory until they are written."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.utils import timezone

from inbox.models import Direction, Mailbox, Message, Thread, ThreadKey, ThreadSource


class Conversation:
    """One conversation, with what the batch adds to it."""

    def __init__(self, thread: Thread, *, new: bool = False) -> None:
        self.thread, self.new = thread, new
        # Those in the database that have become part of it.
        self.united: list[Thread] = []
        self.keys: set[str] = set()
        self.messages: list[Message] = []

    @property
    def threads(self) -> set[UUID]:
        return {self.thread.pk, *(one.pk for one in self.united)}

    @property
    def age(self) -> tuple[datetime, UUID]:
        return self.thread.created_at, self.thread.pk

    def apart_from(self) -> set[str]:
        """The conversations that somebody has taken from this one by hand."""
        return {key for one in (self.thread, *self.united) for key in one.metadata.get("apart_from", [])}


class Conversations:
    """The conversations of `mailbox` that `keys` lead to; their rows are held until the transaction ends."""

    def __init__(self, mailbox: Mailbox, keys: Collection[str]) -> None:
        self.mailbox = mailbox
        stored = ThreadKey.objects.filter(mailbox=mailbox, key__in=keys).values_list("key", "thread_id")
        self.stored: dict[str, UUID] = dict(stored)
        # What we have written ourselves is answered before it comes back from the folder of what was sent.
        sent = Message.objects.filter(mailbox=None, direction=Direction.OUT, message_id__in=keys)
        leading = {**dict(sent.order_by("-sent_at").values_list("message_id", "thread_id")), **self.stored}
        rows = Thread.objects.filter(pk__in=set(leading.values())).order_by("pk").select_for_update()
        found = {row.pk: Conversation(row) for row in rows}
        self.by_key: dict[str, Conversation] = {}
        for key, thread in leading.items():
            # One that was deleted takes nothing more in.
            if thread in found:
                self.lead_to(found[thread], key)

    def of(self, keys: list[str], subject: str) -> Conversation:
        """The one that `keys` lead to, several made one; a new one called `subject` where they lead to none."""
        known = dict.fromkeys(self.by_key[key] for key in keys if key in self.by_key)
        found = sorted(known, key=lambda one: one.age)
        if any_apart(found):
            found = that_go_with(self.nearest(keys), found)
        if not found:
            thread = Thread(mailbox=self.mailbox, source=ThreadSource.EMAIL, subject=subject, created_at=timezone.now())
            found = [Conversation(thread, new=True)]
        for other in found[1:]:
            self.join(found[0], other)
        for key in keys:
            if key not in self.by_key:
                self.lead_to(found[0], key)
        return found[0]

    def nearest(self, keys: list[str]) -> Conversation:
        """The one that a mail with `keys`, the nearest first, answers: what was taken apart by hand stays apart."""
        return next(self.by_key[key] for key in keys if key in self.by_key)

    def lead_to(self, conversation: Conversation, key: str) -> None:
        self.by_key[key] = conversation
        conversation.keys.add(key)

    def join(self, kept: Conversation, other: Conversation) -> None:
        """Make `other` part of `kept`, which is the older one."""
        for key in other.keys:
            self.by_key[key] = kept
        kept.keys |= other.keys
        kept.messages += other.messages
        kept.united += [*([] if other.new else [other.thread]), *other.united]

    def all(self) -> list[Conversation]:
        """In the order in which they began."""
        return sorted(dict.fromkeys(self.by_key.values()), key=lambda one: one.age)

    def keys_to_write(self, keys: Collection[str]) -> tuple[list[ThreadKey], list[ThreadKey]]:
        """Of `keys` those that are new, and those that lead to a deleted conversation and shall lead elsewhere."""
        new, turned = [], []
        for key in dict.fromkeys(keys):
            one = self.by_key[key]
            row = ThreadKey(mailbox=self.mailbox, key=key, thread=one.thread)
            if key not in self.stored:
                new.append(row)
            elif self.stored[key] not in one.threads:
                turned.append(row)
        return new, turned


def that_go_with(nearest: Conversation, found: list[Conversation]) -> list[Conversation]:
    """`nearest` and those of `found` that nobody has taken apart from it or from each other, the oldest first."""
    together = [nearest]
    for one in found:
        if one is not nearest and not any_apart([*together, one]):
            together.append(one)
    return sorted(together, key=lambda one: one.age)


def any_apart(found: list[Conversation]) -> bool:
    """Whether somebody has taken two of `found` apart by hand."""
    keys = {str(key): one for one in found for key in one.threads}
    return any(keys[key] is not one for one in found for key in one.apart_from() & keys.keys())
