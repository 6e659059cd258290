"""Split a thread in two, or join two threads."""

from collections.abc import Collection, Sequence
from uuid import UUID

from django.db import connection, transaction

from crm.exceptions import IllegalTransition, InvalidInput
from crm.models import User
from crm.records.activity import Actor, record
from inbox.incoming.batch_storage import LOCK_MAILBOX_SQL, readable_subject
from inbox.incoming.merging import MAX_PARTICIPANTS, MAX_SPLIT_THREADS, merge_threads
from inbox.incoming.participants import external_participants, our_addresses
from inbox.incoming.processing_queue import queue_changed_threads
from inbox.incoming.threading import threading_keys
from inbox.models import Message, Thread, ThreadKey
from inbox.thread_state import (
    DELIVERED_STATES,
    recount_threads,
    store_threads,
    timeline_owner_of,
    update_contact_dates,
    update_sentiment,
)

APART_KEY = "apart_from"
JOINED_MANUALLY = "joined manually"


@transaction.atomic
def split(thread: Thread, messages: Collection[Message], *, by: Actor | User) -> Thread:
    """Move `messages` of `thread` into a new thread with the same owner, and return it.

    Later replies go to the half they reply to, and do not merge the halves again.

    Raises:
        NotPermitted: `by` may not change conversations.
        InvalidInput: `messages` is empty, includes all messages, one of another thread, or one that was not sent.
        IllegalTransition: the thread is deleted, or `by` may not see it.
    """
    actor = Actor.of(by)
    actor.require_permission("inbox.change_thread", "split a conversation")
    (locked,) = lock_threads([thread], actor)
    moved_messages = load_messages_to_split(locked, {one.pk for one in messages})
    new = create_split_thread(locked, moved_messages)
    keys = {one.pk for one in moved_messages}
    Message.objects.filter(pk__in=keys).update(thread=new)
    remaining_messages = list(
        Message.objects.filter(thread=locked).order_by("sent_at", "message_id").defer("body_html")
    )
    move_identifiers(locked, new, moved_messages, remaining_messages)
    locked.suggestions.filter(message__in=keys).update(thread=new)
    update_remaining_thread(locked, moved_messages, remaining_messages)
    store_thread_state([locked, new])
    count = message_count_label(len(moved_messages))
    summary = f"{count} of conversation “{locked}” moved to a new conversation, “{new}”"
    record(
        locked,
        "split",
        timeline_owner=timeline_owner_of(locked),
        by=by,
        summary=summary,
        other=str(new.pk),
        messages=[*map(str, keys)],
    )
    record(new, "began", by=by, summary=f"Split from conversation “{locked}”", other=str(locked.pk))
    thread.refresh_from_db()
    return new


@transaction.atomic
def join(thread: Thread, other: Thread, *, by: Actor | User) -> None:
    """Merge `other`, with its messages and related records, into `thread`. Splitting reverses it.

    Raises:
        NotPermitted: `by` may not change conversations.
        InvalidInput: they are the same thread, of different mailboxes or channels, or linked to different records.
        IllegalTransition: one of them is deleted, or `by` may not see it.
    """
    actor = Actor.of(by)
    actor.require_permission("inbox.change_thread", "join conversations")
    if thread.pk == other.pk:
        raise InvalidInput("Choose another conversation. A conversation cannot be joined to itself.")
    target, absorbed = lock_threads([thread, other], actor)
    if reason := reason_not_joinable(target, absorbed):
        raise InvalidInput(reason)
    merge_threads([(target, absorbed)], by=by, reason=JOINED_MANUALLY)
    apart_ids = [key for key in target.metadata.get(APART_KEY, []) if key not in {str(target.pk), str(absorbed.pk)}]
    target.metadata = {**target.metadata, APART_KEY: apart_ids}
    target.mailbox_id = target.mailbox_id or absorbed.mailbox_id
    Thread.objects.filter(pk=target.pk).update(mailbox=target.mailbox_id)
    store_thread_state([target])
    update_contact_dates([target])
    record(absorbed, "joined", by=by, summary=f"Joined to conversation “{target}”", other=str(target.pk))
    thread.refresh_from_db()


def lock_threads(threads: Sequence[Thread], actor: Actor) -> list[Thread]:
    """Reload and lock `threads` until the transaction ends. Their mailboxes receive no email meanwhile.

    Raises:
        IllegalTransition: one of them is deleted, or `actor` may not see it.
    """
    keys = [one.pk for one in threads]
    mailbox_ids = {*ThreadKey.objects.filter(thread__in=keys).values_list("mailbox", flat=True)}
    mailbox_ids |= {one.mailbox_id for one in threads}
    with connection.cursor() as cursor:
        for box in sorted(str(box) for box in mailbox_ids if box):
            cursor.execute(LOCK_MAILBOX_SQL, [box])
    rows = Thread.objects.filter(pk__in=keys).order_by("pk").select_for_update(of=("self",))
    if actor.user is not None:
        rows = rows.visible_to(actor.user)
    locked_by_id = {row.pk: row for row in rows}
    for one in threads:
        if one.pk not in locked_by_id:
            raise IllegalTransition(f"The conversation “{one}” is deleted, or you do not have access to it.")
    return [locked_by_id[key] for key in keys]


def load_messages_to_split(thread: Thread, keys: set[UUID]) -> list[Message]:
    """Return the messages of `thread` with these keys, oldest first.

    Raises:
        InvalidInput: they cannot be split off.
    """
    rows = Message.objects.filter(thread=thread)
    messages = list(rows.filter(pk__in=keys).order_by("sent_at", "message_id").defer("body_html"))
    if not messages or len(messages) != len(keys):
        raise InvalidInput("Choose messages of this conversation.")
    if any(one.state not in DELIVERED_STATES for one in messages):
        raise InvalidInput("An email that has not been sent cannot be moved to another conversation.")
    if not rows.exclude(pk__in=keys).exists():
        raise InvalidInput("Leave at least one message in this conversation.")
    return messages


def create_split_thread(thread: Thread, moved_messages: list[Message]) -> Thread:
    """Create a thread for `moved_messages`. It and `thread` remember that they were split from each other."""
    apart_ids = thread.metadata.get(APART_KEY, [])
    new = Thread(
        mailbox_id=thread.mailbox_id,
        source=thread.source,
        status=thread.status,
        subject=readable_subject(moved_messages[0].subject) or thread.subject,
        lead_id=thread.lead_id,
        client_id=thread.client_id,
        project_id=thread.project_id,
        assigned_to_id=thread.assigned_to_id,
        metadata={APART_KEY: [*apart_ids, str(thread.pk)][-MAX_SPLIT_THREADS:]},
    )
    own_addresses = our_addresses()
    people = [person for one in moved_messages for person in external_participants(one, own_addresses)]
    new.participant_emails = list(dict.fromkeys(people))[:MAX_PARTICIPANTS]
    new.save(force_insert=True)
    thread.metadata = {**thread.metadata, APART_KEY: [*apart_ids, str(new.pk)][-MAX_SPLIT_THREADS:]}
    return new


def move_identifiers(
    thread: Thread, new: Thread, moved_messages: list[Message], remaining_messages: list[Message]
) -> None:
    """Point the identifiers of `moved_messages`, and those that only they refer to, to `new`."""
    moved_keys = {key for one in moved_messages for key in threading_keys(one)}
    remaining_keys = {key for one in remaining_messages for key in threading_keys(one)}
    keys_to_move = {one.message_id for one in moved_messages} | (moved_keys - remaining_keys)
    ThreadKey.objects.filter(thread=thread, key__in=keys_to_move).update(thread=new)


def update_remaining_thread(thread: Thread, moved_messages: list[Message], remaining_messages: list[Message]) -> None:
    """Remove from `thread`, in memory, the participants and the subject that came only from `moved_messages`."""
    own_addresses = our_addresses()
    departed = {person for one in moved_messages for person in external_participants(one, own_addresses)}
    departed -= {person for one in remaining_messages for person in external_participants(one, own_addresses)}
    thread.participant_emails = [person for person in thread.participant_emails if person not in departed]
    first_moved, first_remaining = moved_messages[0], remaining_messages[0]
    if (
        first_moved.sent_at <= first_remaining.sent_at
        and thread.subject == readable_subject(first_moved.subject)
        and first_remaining.subject
    ):
        thread.subject = readable_subject(first_remaining.subject)


def store_thread_state(threads: list[Thread]) -> None:
    """Recount and store `threads`. Their sentiment is judged again from the messages that remain."""
    recount_threads(threads)
    store_threads(threads)
    for one in threads:
        judged_message = one.metadata.get("sentiment", {}).get("message")
        if judged_message and not Message.objects.filter(pk=judged_message, thread=one).exists():
            metadata = {name: value for name, value in one.metadata.items() if name != "sentiment"}
            Thread.objects.filter(pk=one.pk).update(sentiment=None, metadata=metadata)
    queue_changed_threads(threads, update_sentiment([one.pk for one in threads]))
    for one in threads:
        one.refresh_from_db()


def reason_not_joinable(target: Thread, absorbed: Thread) -> str:
    """Return a sentence that says why the two threads cannot be joined; empty if they can."""
    if target.source != absorbed.source:
        channels = f"{target.get_source_display()} and {absorbed.get_source_display()}"
        return f"The conversations use different channels: {channels}."
    if target.mailbox_id and absorbed.mailbox_id and target.mailbox_id != absorbed.mailbox_id:
        return f"The conversations are in different mailboxes: {target.mailbox} and {absorbed.mailbox}."
    pairs = [(target.lead, absorbed.lead), (target.client, absorbed.client)]
    if any(one and another and one != another for one, another in pairs) or (
        any(one for one, _ in pairs)
        and any(another for _, another in pairs)
        and not any(one and one == another for one, another in pairs)
    ):
        owners = f"{timeline_owner_of(target)} and {timeline_owner_of(absorbed)}"
        return f"The conversations are linked to different people: {owners}. Unlink one first."
    return ""


def message_count_label(number: int) -> str:
    return f"{number} message{'' if number == 1 else 's'}"
