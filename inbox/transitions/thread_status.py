"""Where a conversation stands, who answers it, and what of it has been seen."""

from django.db import transaction

from crm.exceptions import IllegalMove
from crm.models import User
from crm.records.activity import Actor, record
from inbox.models import TRANSITIONS, Direction, Thread, ThreadStatus
from inbox.thread_state import subject_of

DONE = {ThreadStatus.OPEN: "reopened", ThreadStatus.RESOLVED: "resolved", ThreadStatus.ARCHIVED: "archived"}


@transaction.atomic
def move(thread: Thread, to: str, *, by: Actor | User) -> None:
    """Resolve, archive or reopen a conversation.

    Raises:
        NotAllowed: `by` may not change conversations.
        IllegalMove: not possible from where it stands.
    """
    Actor.of(by).require("inbox.change_thread", "change a conversation")
    allowed = [was for was, following in TRANSITIONS.items() if to in following]
    if Thread.objects.filter(pk=thread.pk, status__in=allowed).update(status=to) != 1:
        stands = Thread.everything.get(pk=thread.pk)
        state = "deleted" if stands.is_deleted else stands.get_status_display().lower()
        raise IllegalMove(f"The conversation “{stands}” is already {state}.")
    thread.refresh_from_db()
    done = DONE[ThreadStatus(to)]
    record(thread, done, about=subject_of(thread), by=by, summary=f"Conversation “{thread}” {done}")


@transaction.atomic
def assign(thread: Thread, to: User | None, *, by: Actor | User) -> None:
    """Let `to` answer `thread`, whoever has its lead or client; None gives it back to them.

    What is nobody's or one's own is open to whoever may change conversations; a colleague's is a reassignment.

    Raises:
        NotAllowed: `by` may not.
        IllegalMove: the conversation is deleted, `to` has it already, or has left.
    """
    actor, locked = Actor.of(by), lock(thread)
    others = locked.owner_id is not None and (actor.user is None or locked.owner_id != actor.user.pk)
    actor.require(f"inbox.{'reassign' if others else 'change'}_thread", "give this conversation to somebody")
    was = locked.assigned_to
    if was == to:
        raise IllegalMove(f"The conversation “{locked}” is already assigned to {to or 'nobody'}.")
    if to is not None and not to.is_active:
        raise IllegalMove(f"{to} no longer works here.")
    Thread.everything.filter(pk=thread.pk).update(assigned_to=to)
    thread.refresh_from_db()
    said = f"Conversation “{thread}” assigned: {was or 'nobody'} → {to or 'nobody'}"
    keys = {"was": str(was.pk) if was else None, "now": str(to.pk) if to else None}
    record(thread, "assigned", about=subject_of(thread), by=by, summary=said, **keys)


@transaction.atomic
def mark_read(thread: Thread, *, by: Actor | User) -> int:
    """Everything they wrote in `thread` has been seen; returns how many messages were new.

    Raises:
        NotAllowed: `by` may not change conversations.
    """
    Actor.of(by).require("inbox.change_thread", "mark a conversation as read")
    return thread.messages.filter(direction=Direction.IN, is_read=False).update(is_read=True)


def lock(thread: Thread) -> Thread:
    """The row as it stands, held until the transaction ends.

    Raises:
        IllegalMove: it is deleted.
    """
    locked = Thread.everything.select_for_update().get(pk=thread.pk)
    if locked.is_deleted:
        raise IllegalMove(f"The conversation “{locked}” is deleted; restore it first.")
    return locked
