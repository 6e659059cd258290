"""What can be done to a conversation, and the one way a message comes in."""

from datetime import datetime

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from crm.activity import Actor, record
from crm.models import Client, User
from crm.refusals import BadInput, IllegalMove, refusing
from inbox.models import TRANSITIONS, Direction, Message, MessageState, Thread, ThreadSource, ThreadStatus
from leads.models import Lead

# Contact is what reached the other side or came from it; a note or a filed document did neither.
CONTACT = frozenset(ThreadSource.values) - {ThreadSource.NOTE, ThreadSource.DOCUMENT}
SAID = (MessageState.RECEIVED, MessageState.SENT)


@transaction.atomic
def take_in(message: Message) -> Message:
    """Add `message` to its thread and move the dates of thread and lead, never backwards.

    A message whose Message-ID the thread already has changes nothing; the one kept is returned.

    Raises:
        BadInput: a field or constraint refuses it.
    """
    thread = Thread.everything.select_for_update().get(pk=message.thread_id)
    if message.message_id:
        known = thread.messages.filter(message_id=message.message_id).first()
        if known:
            return known
    message.snippet = message.snippet or " ".join((message.summary or message.body_text).split())[:200]
    with refusing():
        message.full_clean()
        message.save(force_insert=True)
    Thread.everything.filter(pk=thread.pk).update(message_count=F("message_count") + 1)
    if message.state in SAID:
        advance(thread, message)
    return message


def advance(thread: Thread, message: Message) -> None:
    """Move the contact dates of `thread` and its lead to `message`, if it is the newest."""
    ours = message.direction == Direction.OUT
    contact = thread.source in CONTACT
    newer = Q(last_message_at__isnull=True) | Q(last_message_at__lt=message.sent_at)
    Thread.everything.filter(newer, pk=thread.pk).update(
        last_message_at=message.sent_at,
        last_direction=message.direction if contact else "",
        awaiting_reply=ours and contact,
    )
    if thread.lead_id and contact:
        later = Q(last_contact_at__isnull=True) | Q(last_contact_at__lt=message.sent_at)
        Lead.everything.filter(later, pk=thread.lead_id).update(
            last_contact_at=message.sent_at, awaiting_reply=ours
        )


@transaction.atomic
def log_conversation(
    about: Lead | Client,
    *,
    source: str,
    direction: str,
    subject: str,
    body: str,
    at: datetime | None = None,
    by: Actor | User,
) -> Thread:
    """Write down a call, meeting, text or the like that happened outside the program.

    Raises:
        NotAllowed: `by` may not add conversations.
        BadInput: nothing was said, a date in the future, or a field refuses it.
    """
    Actor.of(by).require("inbox.add_thread", "log a conversation")
    at = at or timezone.now()
    if not body.strip():
        raise BadInput("Say what was said.")
    if at > timezone.now():
        raise BadInput("What happens in the future is a task, not a conversation.")
    whose = {"lead": about} if isinstance(about, Lead) else {"client": about}
    thread = Thread(source=source, subject=subject.strip(), **whose)
    with refusing():
        thread.full_clean()
        thread.save(force_insert=True)
    state = MessageState.SENT if direction == Direction.OUT else MessageState.RECEIVED
    take_in(
        Message(
            thread=thread, direction=direction, state=state, body_text=body.strip(), sent_at=at, is_read=True
        )
    )
    thread.refresh_from_db()
    record(thread, "logged", about=about, by=by, at=at, summary=f"{thread.get_source_display()}: {thread}")
    return thread


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
    label = ThreadStatus(to).label.lower()
    about = thread.lead or thread.client or thread
    record(thread, label, about=about, by=by, summary=f"Conversation “{thread}” {label}")


@transaction.atomic
def mark_read(thread: Thread) -> int:
    """Everything in `thread` has been seen; returns how many messages were new."""
    return thread.messages.filter(is_read=False).update(is_read=True)
