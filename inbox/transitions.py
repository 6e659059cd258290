"""What can be done to a conversation, and the one way a message comes in."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F, Q
from django.db.models.expressions import DatabaseDefault
from django.db.models.functions import Left
from django.utils import timezone
from psycopg.types.json import Jsonb

from crm.activity import SYSTEM, Actor, record
from crm.models import Client, User
from crm.refusals import BadInput, IllegalMove, refusing
from inbox.models import TRANSITIONS, Direction, Message, MessageState, Nature, Thread, ThreadSource, ThreadStatus
from inbox.quotes import own_words
from inbox.sentiment import judge
from leads.models import Lead

# Contact is what reached the other side or came from it; a note or a filed document did neither.
CONTACT = frozenset(ThreadSource.values) - {ThreadSource.NOTE, ThreadSource.DOCUMENT}
SAID = (MessageState.RECEIVED, MessageState.SENT)
# Where their own words are kept; what is noted of a call or a meeting are ours.
IN_THEIR_WORDS = (ThreadSource.EMAIL, ThreadSource.SMS, ThreadSource.CHAT, ThreadSource.FORM)
LONGEST_JUDGED = 50_000
FELT = """
    UPDATE threads SET sentiment = felt.sentiment, metadata = metadata || jsonb_build_object('sentiment', felt.because),
           updated_at = now()
      FROM unnest(%s::uuid[], %s::text[], %s::jsonb[]) AS felt (id, sentiment, because)
     WHERE threads.id = felt.id
"""
DONE = {ThreadStatus.OPEN: "reopened", ThreadStatus.RESOLVED: "resolved", ThreadStatus.ARCHIVED: "archived"}


@transaction.atomic
def take_in(message: Message) -> Message:
    """Add `message` to its thread and move the dates of thread and lead, never backwards.

    A message whose Message-ID the thread already has changes nothing; the one kept is returned.

    Raises:
        BadInput: a field or constraint refuses it.
    """
    fill_in(message)
    thread = Thread.everything.select_for_update().get(pk=message.thread_id)
    if message.message_id:
        known = thread.messages.filter(message_id=message.message_id).first()
        if known:
            return known
    message.snippet = message.snippet or " ".join((message.summary or own_words(message.body_text)).split())[:200]
    with refusing():
        message.full_clean()
        message.save(force_insert=True)
    Thread.everything.filter(pk=thread.pk).update(message_count=F("message_count") + 1)
    if message.state in SAID and message.nature == Nature.PERSON:
        advance(thread, message)
    return message


def fill_in(message: Message) -> None:
    """Make texts of what was left to the database, until saved neither empty nor text, and of what it cannot keep."""
    for field in message._meta.concrete_fields:
        value = getattr(message, field.attname)
        if isinstance(value, str):
            setattr(message, field.attname, value.replace("\x00", ""))
        elif field.db_default == "" and isinstance(value, DatabaseDefault):
            setattr(message, field.attname, "")


def advance(thread: Thread, message: Message) -> None:
    """Move the contact dates of `thread` and its lead to `message`, if it is the newest."""
    contact = thread.source in CONTACT
    moved = Thread.everything.filter(newer("last_message_at", message), pk=thread.pk).update(
        last_message_at=message.sent_at,
        last_direction=message.direction if contact else "",
        awaiting_reply=contact and message.direction == Direction.OUT,
    )
    if moved and contact and message.direction == Direction.IN:
        wake(thread)
    if thread.lead_id and contact:
        contacted(thread.lead_id, message)
    if message.direction == Direction.IN:
        feel([thread.pk])


def feel(threads: Collection[UUID]) -> None:
    """Judge how the newest that they wrote sounds in each of `threads`, whatever the order in which it came in.

    Where that is what was judged last, the judgement stands, or what a person has put in its place. The reason is kept
    in `metadata["sentiment"]`: {"message": key, "judged": positive/neutral/negative/urgent or None, "reason": words}.
    """
    rows = Message.objects.filter(
        thread__in=threads, direction=Direction.IN, nature=Nature.PERSON, thread__source__in=IN_THEIR_WORDS
    )
    newest = rows.order_by("thread", "-sent_at", "-message_id", "-id").distinct("thread")
    known = F("thread__metadata__sentiment__message")
    felt = []
    for key, thread, text, before in newest.values_list("id", "thread", Left("body_text", LONGEST_JUDGED), known):
        if before != str(key):
            found = judge(text)
            sounds, reason = (found.sentiment.value, found.reason) if found else (None, "")
            felt.append((thread, sounds, {"message": str(key), "judged": sounds, "reason": reason}))
    if felt:
        with connection.cursor() as cursor:
            cursor.execute(FELT, [[one[0] for one in felt], [one[1] for one in felt], [Jsonb(one[2]) for one in felt]])


def wake(thread: Thread) -> None:
    """Open `thread` again, in which they have written once more."""
    if Thread.objects.filter(pk=thread.pk).exclude(status=ThreadStatus.OPEN).update(status=ThreadStatus.OPEN):
        record(
            thread, "reopened", about=subject_of(thread), by=SYSTEM, summary=f"New message in “{thread}”: open again"
        )


def subject_of(thread: Thread) -> Lead | Client | Thread:
    """Whose timeline a conversation stands on."""
    return thread.lead or thread.client or thread


def contacted(lead_id: UUID, message: Message) -> None:
    """Move the contact date of a lead to `message`, if it is the newest."""
    Lead.everything.filter(newer("last_contact_at", message), pk=lead_id).update(
        last_contact_at=message.sent_at, awaiting_reply=message.direction == Direction.OUT
    )


def newer(column: str, message: Message) -> Q:
    """Rows whose date in `column` lies before `message`; of two at one moment theirs counts as the later one."""
    comparison = "lte" if message.direction == Direction.IN else "lt"
    return Q(**{f"{column}__isnull": True}) | Q(**{f"{column}__{comparison}": message.sent_at})


@transaction.atomic
def log_conversation(
    about: Lead | Client,
    *,
    source: str,
    direction: str,
    subject: str,
    body: str,
    at: datetime | None = None,
    resolved: bool = False,
    by: Actor | User,
) -> Thread:
    """Write down a call, meeting, text or the like that happened outside the program.

    `resolved` says that nobody owes an answer to it.

    Raises:
        NotAllowed: `by` may not add conversations.
        BadInput: nothing was said, a date in the future, whom `by` may not see, or a field refuses it.
    """
    actor = Actor.of(by)
    actor.require("inbox.add_thread", "log a conversation")
    about = reachable(about, actor)
    at, body, subject = at or timezone.now(), body.replace("\x00", "").strip(), subject.replace("\x00", "").strip()
    if not body:
        raise BadInput("Say what was said.")
    if at > timezone.now():
        raise BadInput("What happens in the future is a task, not a conversation.")
    whose = {"lead": about} if isinstance(about, Lead) else {"client": about}
    thread = Thread(source=source, subject=subject, **whose)
    with refusing():
        thread.full_clean()
        thread.save(force_insert=True)
    state = MessageState.SENT if direction == Direction.OUT else MessageState.RECEIVED
    take_in(Message(thread=thread, direction=direction, state=state, body_text=body, sent_at=at, is_read=True))
    thread.refresh_from_db()
    record(thread, "logged", about=about, by=by, at=at, summary=f"{thread.get_source_display()}: {thread}")
    if resolved:
        move(thread, ThreadStatus.RESOLVED, by=by)
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
    done = DONE[ThreadStatus(to)]
    record(thread, done, about=subject_of(thread), by=by, summary=f"Conversation “{thread}” {done}")


@transaction.atomic
def link(thread: Thread, *, lead: Lead | None = None, client: Client | None = None, by: Actor | User) -> None:
    """Say whose conversation `thread` is; a lead's contact date follows, never backwards.

    Raises:
        NotAllowed: `by` may not change conversations.
        BadInput: not exactly one of `lead` and `client`, or one that is deleted or that `by` may not see.
        IllegalMove: the conversation is deleted, or already theirs.
    """
    actor = Actor.of(by)
    actor.require("inbox.change_thread", "link a conversation")
    if (lead is None) == (client is None):
        raise BadInput("Choose a lead or a client to link the conversation to.")
    field = "client" if lead is None else "lead"
    target = reachable(lead or client, actor)
    was = getattr(lock(thread), field)
    if was == target:
        raise IllegalMove(f"The conversation “{thread}” is already linked to {target}.")
    Thread.everything.filter(pk=thread.pk).update(**{field: target})
    thread.refresh_from_db()
    if lead is not None and thread.source in CONTACT:
        last = thread.messages.filter(state__in=SAID).order_by("-sent_at", "direction").first()
        if last is not None:
            contacted(lead.pk, last)
    said = f"Conversation “{thread}” linked to {target}" + (f" instead of {was}" if was else "")
    metadata = {field: str(target.pk), "was": str(was.pk) if was else None}
    record(thread, "linked", about=target, by=by, summary=said, **metadata)


@transaction.atomic
def unlink(thread: Thread, whose: Lead | Client | None = None, *, by: Actor | User) -> None:
    """Take `thread` from its lead and its client, or from `whose` alone; contact dates stay: they never go backwards.

    Raises:
        NotAllowed: `by` may not change conversations.
        IllegalMove: it is deleted, or linked to nobody, or not to `whose`.
    """
    Actor.of(by).require("inbox.change_thread", "unlink a conversation")
    locked = lock(thread)
    linked = {"lead": locked.lead, "client": locked.client}
    taken = {field: one for field, one in linked.items() if one is not None and whose in (None, one)}
    if not taken:
        nobody = f"not linked to {whose}" if whose else "linked to nobody"
        raise IllegalMove(f"The conversation “{thread}” is {nobody}.")
    Thread.everything.filter(pk=thread.pk).update(**dict.fromkeys(taken))
    thread.refresh_from_db()
    said = f"Conversation “{thread}” is no longer linked to {' and '.join(str(one) for one in taken.values())}"
    for about in taken.values():
        record(thread, "unlinked", about=about, by=by, summary=said)


def lock(thread: Thread) -> Thread:
    """The row as it stands, held until the transaction ends.

    Raises:
        IllegalMove: it is deleted.
    """
    locked = Thread.everything.select_for_update().get(pk=thread.pk)
    if locked.is_deleted:
        raise IllegalMove(f"The conversation “{locked}” is deleted; restore it first.")
    return locked


def reachable(target: Lead | Client, actor: Actor) -> Lead | Client:
    """`target` as it stands, if it is live and `actor` may see it.

    Raises:
        BadInput: it is not.
    """
    rows = type(target).objects.filter(pk=target.pk)
    if actor.user is not None:
        rows = rows.visible_to(actor.user)
    found = rows.first()
    if found is None:
        raise BadInput(f"There is no such {target._meta.verbose_name}, or it is deleted or not yours to see.")
    return found


@transaction.atomic
def mark_read(thread: Thread, *, by: Actor | User) -> int:
    """Everything they wrote in `thread` has been seen; returns how many messages were new.

    Raises:
        NotAllowed: `by` may not change conversations.
    """
    Actor.of(by).require("inbox.change_thread", "mark a conversation as read")
    return thread.messages.filter(direction=Direction.IN, is_read=False).update(is_read=True)
