"""Snooze a thread until a time, and end the snooze sooner."""

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from crm.exceptions import IllegalTransition, InvalidInput
from crm.models import User
from crm.records.activity import Actor, record
from crm.records.local_time import format_agency_moment
from inbox.models import MAX_SNOOZE, Thread, ThreadStatus
from inbox.thread_state import timeline_owner_of
from inbox.transitions.thread_status import lock_thread


@transaction.atomic
def snooze(thread: Thread, until: datetime, *, by: Actor | User) -> None:
    """Take `thread` out of the queues until `until`, or until the other side writes.

    Raises:
        NotPermitted: `by` may not change conversations.
        InvalidInput: `until` is not in the future, or more than a year ahead.
        IllegalTransition: the thread is deleted, resolved or archived.
    """
    actor = Actor.of(by)
    actor.require_permission("inbox.change_thread", "snooze a conversation")
    now = timezone.now()
    if until <= now:
        raise InvalidInput("Snooze until a time in the future.")
    if until > now + MAX_SNOOZE:
        raise InvalidInput("Snooze for at most a year.")
    locked = lock_thread(thread, by=actor)
    if locked.status != ThreadStatus.OPEN:
        state = locked.get_status_display().lower()
        raise IllegalTransition(f"The conversation “{locked}” is {state}. Reopen it before you snooze it.")
    store_snooze(thread, until, actor)
    summary = f"Conversation “{thread}” snoozed until {format_agency_moment(until)}"
    record(thread, "snoozed", timeline_owner=timeline_owner_of(thread), by=by, summary=summary, until=until.isoformat())


@transaction.atomic
def wake(thread: Thread, *, by: Actor | User) -> None:
    """End the snooze of `thread` now.

    Raises:
        NotPermitted: `by` may not change conversations.
        IllegalTransition: the thread is deleted or not snoozed.
    """
    actor = Actor.of(by)
    actor.require_permission("inbox.change_thread", "end the snooze of a conversation")
    locked = lock_thread(thread, by=actor)
    if not locked.is_snoozed:
        raise IllegalTransition(f"The conversation “{locked}” is not snoozed.")
    store_snooze(thread, None, None)
    summary = f"Snooze of conversation “{thread}” ended"
    record(thread, "woken", timeline_owner=timeline_owner_of(thread), by=by, summary=summary)


def store_snooze(thread: Thread, until: datetime | None, actor: Actor | None) -> None:
    Thread.everything.filter(pk=thread.pk).update(snoozed_until=until, snoozed_by=actor.user if actor else None)
    thread.refresh_from_db()
