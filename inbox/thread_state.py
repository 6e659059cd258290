"""Where conversations stand: how much was said, who spoke last and when; on their leads too, and never backwards.

All of it follows from the messages alone, whatever the order in which they came. One message is a case of many.
"""

import json
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Count, F, QuerySet
from django.db.models.functions import Left
from psycopg.types.json import Jsonb

from crm.models import Client
from crm.records.activity import SYSTEM, keep, line
from crm.text.english.sentiment import judge
from inbox.models import IN_THEIR_WORDS, Direction, Message, MessageState, Nature, Thread, ThreadSource, ThreadStatus
from leads.models import Lead

# Contact is what reached the other side or came from it; a note or a filed document did neither.
CONTACT = frozenset(ThreadSource.values) - {ThreadSource.NOTE, ThreadSource.DOCUMENT}
SAID = (MessageState.RECEIVED, MessageState.SENT)
LONGEST_JUDGED = 50_000
FELT = """
    UPDATE threads SET sentiment = felt.sentiment, metadata = metadata || jsonb_build_object('sentiment', felt.because),
           triaged_at = NULL, updated_at = now()
      FROM unnest(%s::uuid[], %s::text[], %s::jsonb[]) AS felt (id, sentiment, because)
     WHERE threads.id = felt.id
"""
# What `store` writes of a conversation, with the types of the database.
COLUMNS = {
    "subject": "text",
    "status": "text",
    "lead_id": "uuid",
    "client_id": "uuid",
    "project_id": "uuid",
    "assigned_to_id": "uuid",
    "participant_emails": "text[]",
    "last_message_at": "timestamptz",
    "last_direction": "text",
    "message_count": "integer",
    "awaiting_reply": "boolean",
    "metadata": "jsonb",
}
STORE = f"""
UPDATE threads SET {", ".join(f"{name} = given.{name}" for name in COLUMNS)}, updated_at = statement_timestamp()
  FROM jsonb_to_recordset(%s) AS given (id uuid, {", ".join(f"{name} {type}" for name, type in COLUMNS.items())})
 WHERE threads.id = given.id
"""
NEWER = """(last_contact_at IS NULL OR last_contact_at < held.at
            OR last_contact_at = held.at AND awaiting_reply AND NOT held.awaiting)"""
# The rows are locked in one order, so that two who write to the same leads never wait for each other. What was said
# is news, even where something later was said elsewhere.
CONTACTED = f"""
WITH held AS (
    SELECT id, at, awaiting
      FROM leads JOIN unnest(%s::uuid[], %s::timestamptz[], %s::boolean[]) AS said (id, at, awaiting) USING (id)
     ORDER BY id FOR NO KEY UPDATE OF leads
)
UPDATE leads
   SET last_contact_at = CASE WHEN {NEWER} THEN held.at ELSE last_contact_at END,
       awaiting_reply = CASE WHEN {NEWER} THEN held.awaiting ELSE awaiting_reply END,
       updated_at = CASE WHEN {NEWER} THEN statement_timestamp() ELSE updated_at END,
       next_look_at = statement_timestamp()
  FROM held
 WHERE leads.id = held.id
"""


def is_contact(message: Message) -> bool:
    """Whether `message` was said by a person to a person, and has left or arrived."""
    return message.state in SAID and message.nature == Nature.PERSON


def is_theirs(message: Message) -> bool:
    return message.direction == Direction.IN and is_contact(message)


def follow(thread: Thread, at: datetime, direction: str) -> bool:
    """Move the dates of `thread` to what was said, if it is the newest; whether it was. In memory.

    The caller holds the row, and calls `store`. Of two at one moment theirs counts as the later one.
    """
    last = thread.last_message_at
    if last is not None and (at < last or (at == last and direction == Direction.OUT)):
        return False
    contact = thread.source in CONTACT
    thread.last_message_at = at
    thread.last_direction = direction if contact else ""
    thread.awaiting_reply = contact and direction == Direction.OUT
    return True


def advance(thread: Thread, message: Message) -> None:
    """Let `thread`, and its lead, know that `message` was said in it; the caller holds its row."""
    woken = hear(thread, [message])
    store([thread])
    contacted([thread])
    if is_theirs(message):
        feel([thread.pk])
    tell_open([thread] if woken else [])


def hear(thread: Thread, said: Iterable[Message]) -> bool:
    """Move the dates of `thread` to what of `said` is contact; whether that opened what was settled. In memory."""
    woken = False
    for one in sorted(filter(is_contact, said), key=lambda one: (one.sent_at, one.direction == Direction.IN)):
        if follow(thread, one.sent_at, one.direction) and thread.last_direction == Direction.IN and settled(thread):
            thread.status, woken = ThreadStatus.OPEN, True
    return woken


def settled(thread: Thread) -> bool:
    return thread.status != ThreadStatus.OPEN and not thread.is_deleted


def tell_open(threads: Iterable[Thread]) -> None:
    """Write down that they have written again, which opened `threads`."""
    keep(
        [
            line(one, "reopened", about=subject_of(one), by=SYSTEM, summary=f"New message in “{one}”: open again")
            for one in threads
        ]
    )


def subject_of(thread: Thread) -> Lead | Client | Thread:
    """Whose timeline a conversation stands on."""
    return thread.lead or thread.client or thread


def store(threads: Iterable[Thread]) -> None:
    """Write down where `threads` stand; the caller holds their rows."""
    given = [{"id": one.pk, **{name: getattr(one, name) for name in COLUMNS}} for one in threads]
    if given:
        with connection.cursor() as cursor:
            cursor.execute(STORE, [json.dumps(given, default=str)])


def contacted(threads: Iterable[Thread]) -> None:
    """Move the contact dates of the leads of `threads` to what was last said in those, where that is newer.

    What to do next about them is looked for anew.
    """
    newest: dict[UUID, tuple[datetime, bool]] = {}
    for one in threads:
        if one.lead_id and one.last_message_at and one.source in CONTACT:
            said = (one.last_message_at, one.last_direction == Direction.IN)
            newest[one.lead_id] = max(said, newest.get(one.lead_id, said))
    if newest:
        dates = list(newest.values())
        with connection.cursor() as cursor:
            cursor.execute(CONTACTED, [list(newest), [at for at, _ in dates], [not theirs for _, theirs in dates]])


def newest_words(threads: Collection[UUID]) -> QuerySet[Message]:
    """For each of `threads` the newest that a person outside has written in it."""
    rows = Message.objects.filter(
        thread__in=threads, direction=Direction.IN, nature=Nature.PERSON, thread__source__in=IN_THEIR_WORDS
    )
    return rows.order_by("thread", "-sent_at", "-message_id", "-id").distinct("thread")


def feel(threads: Collection[UUID]) -> None:
    """Judge how the newest that they wrote sounds in each of `threads`, whatever the order in which it came in.

    Where that is what was judged last, the judgement stands, or what a person has put in its place. The reason is kept
    in `metadata["sentiment"]`: {"message": key, "judged": positive/neutral/negative/urgent or None, "reason": words}.
    Whose a conversation with new words could be is looked at again, too.
    """
    known = F("thread__metadata__sentiment__message")
    felt = []
    rows = newest_words(threads).values_list("id", "thread", Left("body_text", LONGEST_JUDGED), known)
    for key, thread, text, before in rows:
        if before != str(key):
            found = judge(text)
            sounds, reason = (found.sentiment.value, found.reason) if found else (None, "")
            felt.append((thread, sounds, {"message": str(key), "judged": sounds, "reason": reason}))
    if felt:
        with connection.cursor() as cursor:
            cursor.execute(FELT, [[one[0] for one in felt], [one[1] for one in felt], [Jsonb(one[2]) for one in felt]])


# From the messages


def earliest(threads: Collection[UUID]) -> dict[UUID, tuple[datetime, str, str]]:
    """When the first message of each conversation was written, its identifier and its subject."""
    rows = Message.objects.filter(thread__in=threads).order_by("thread_id", "sent_at", "message_id")
    found = rows.distinct("thread_id").values_list("thread_id", "sent_at", "message_id", "subject")
    return {thread: (sent_at, message_id, subject) for thread, sent_at, message_id, subject in found}


def recount(threads: Iterable[Thread]) -> None:
    """Set, in memory, what is counted and dated of `threads` from their messages, after some came or went."""
    by_key: dict[UUID, Thread] = {one.pk: one for one in threads}
    rows = Message.objects.filter(thread__in=by_key)
    counts = dict(rows.order_by().values_list("thread_id").annotate(Count("pk")))
    said = rows.filter(state__in=SAID, nature=Nature.PERSON).order_by("thread_id", "-sent_at", "direction")
    last: dict[UUID, tuple[Any, ...]] = {
        row[0]: row[1:] for row in said.distinct("thread_id").values_list("thread_id", "sent_at", "direction")
    }
    for key, thread in by_key.items():
        thread.message_count = counts.get(key, 0)
        thread.last_message_at, thread.last_direction, thread.awaiting_reply = None, "", False
        if key in last:
            follow(thread, *last[key])
