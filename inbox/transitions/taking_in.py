"""The one way a message comes in, and the dates that move with it."""

from collections.abc import Collection
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F, Q
from django.db.models.expressions import DatabaseDefault
from django.db.models.functions import Left
from psycopg.types.json import Jsonb

from crm.activity import SYSTEM, record
from crm.models import Client
from crm.refusals import refusing
from inbox.models import Direction, Message, MessageState, Nature, Thread, ThreadSource, ThreadStatus
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
