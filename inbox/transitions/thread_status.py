"""The status, assignee and read state of a thread."""

from django.db import transaction

from crm.exceptions import IllegalTransition
from crm.models import User
from crm.records.activity import Actor, record
from crm.records.notifications.notify import notify_assigned
from inbox.models import THREAD_TRANSITIONS, Direction, Thread, ThreadStatus
from inbox.thread_state import timeline_owner_of

STATUS_VERBS = {ThreadStatus.OPEN: "reopened", ThreadStatus.RESOLVED: "resolved", ThreadStatus.ARCHIVED: "archived"}


@transaction.atomic
def change_thread_status(thread: Thread, status: str, *, by: Actor | User) -> None:
    """Resolve, archive or reopen a thread; its snooze ends.

    Raises:
        NotPermitted: `by` may not change conversations.
        IllegalTransition: the current status does not allow it.
    """
    Actor.of(by).require_permission("inbox.change_thread", "change a conversation")
    allowed = [was for was, targets in THREAD_TRANSITIONS.items() if status in targets]
    changes = {"status": status, "snoozed_until": None, "snoozed_by": None}
    if Thread.objects.filter(pk=thread.pk, status__in=allowed).update(**changes) != 1:
        current = Thread.everything.get(pk=thread.pk)
        state = "deleted" if current.is_deleted else current.get_status_display().lower()
        raise IllegalTransition(f"The conversation “{current}” is already {state}.")
    thread.refresh_from_db()
    verb = STATUS_VERBS[ThreadStatus(status)]
    record(thread, verb, timeline_owner=timeline_owner_of(thread), by=by, summary=f"Conversation “{thread}” {verb}")


@transaction.atomic
def assign(thread: Thread, assignee: User | None, *, by: Actor | User) -> None:
    """Assign `thread` to `assignee`; None returns it to the owner of its lead or client.

    The permission to change conversations suffices for an unassigned thread or one's own. Assigning a colleague's
    thread needs the permission to reassign.

    Raises:
        NotPermitted: `by` may not assign this thread.
        IllegalTransition: the thread is deleted or already assigned to `assignee`, or `assignee` is inactive.
    """
    actor = Actor.of(by)
    locked = lock_thread(thread, by=actor)
    is_reassignment = locked.owner_id is not None and (actor.user is None or locked.owner_id != actor.user.pk)
    actor.require_permission(f"inbox.{'reassign' if is_reassignment else 'change'}_thread", "assign this conversation")
    was = locked.assigned_to
    if was == assignee:
        state = f"assigned to {assignee}" if assignee else "unassigned"
        raise IllegalTransition(f"The conversation “{locked}” is already {state}.")
    if assignee is not None and not assignee.is_active:
        raise IllegalTransition(f"The account of {assignee} is inactive. Choose another user.")
    Thread.everything.filter(pk=thread.pk).update(assigned_to=assignee)
    thread.refresh_from_db()
    summary = f"Conversation “{thread}” assigned: {was or 'unassigned'} → {assignee or 'unassigned'}"
    metadata = {"was": str(was.pk) if was else None, "now": str(assignee.pk) if assignee else None}
    record(thread, "assigned", timeline_owner=timeline_owner_of(thread), by=by, summary=summary, **metadata)
    notify_assigned(thread, by=by)


@transaction.atomic
def mark_read(thread: Thread, *, by: Actor | User) -> int:
    """Mark all incoming messages of `thread` as read. Return how many were unread.

    Raises:
        NotPermitted: `by` may not change conversations.
    """
    Actor.of(by).require_permission("inbox.change_thread", "mark a conversation as read")
    return thread.messages.filter(direction=Direction.IN, is_read=False).update(is_read=True)


def lock_thread(thread: Thread, *, by: Actor | User) -> Thread:
    """Return `thread` freshly loaded and locked until the transaction ends.

    Raises:
        IllegalTransition: the thread is deleted.
        NotPermitted: `by` may not see it.
    """
    locked = Thread.everything.select_for_update().get(pk=thread.pk)
    if locked.is_deleted:
        raise IllegalTransition(f"The conversation “{locked}” is deleted; restore it first.")
    Actor.of(by).require_visible(locked)
    return locked
