"""Derive the state of threads from their messages: count, last message, whose turn it is.

A message makes it the other side's turn. One that only closes the conversation ("Thanks", "Done") ends the other side's
turn and begins none; what its own side still has open stays open. It is no one's turn between ourselves, or where only
machines wrote. The contact dates of their leads follow. No date goes backwards, whatever the order in which messages
arrive.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import Count, F, QuerySet
from django.db.models.functions import Left
from psycopg.types.json import Jsonb

from crm.models import Client
from crm.records.activity import SYSTEM_ACTOR, build_entry, save_entries
from crm.text.email_bodies.closing_words import MAX_CLOSING_LENGTH, only_closes, quotes_question
from crm.text.english.sentiment import detect_sentiment
from inbox.incoming.processing_queue import queue_changed_threads
from inbox.models import VERBATIM_SOURCES, Direction, Message, MessageState, Nature, Thread, ThreadSource, ThreadStatus
from inbox.notices import notify_answered
from leads.models import Lead

# Contact reached the other side or came from it; a note or a filed document did neither.
CONTACT_SOURCES = frozenset(ThreadSource.values) - {ThreadSource.NOTE, ThreadSource.DOCUMENT}
DELIVERED_STATES = (MessageState.RECEIVED, MessageState.SENT)
MAX_LOADED_BODY = 50_000
UPDATE_SENTIMENT_SQL = """
    UPDATE threads SET sentiment = felt.sentiment, metadata = metadata || jsonb_build_object('sentiment', felt.because),
           updated_at = now()
      FROM unnest(%s::uuid[], %s::text[], %s::jsonb[]) AS felt (id, sentiment, because)
     WHERE threads.id = felt.id
"""
# The columns that `store_threads` writes, with their database types.
STORED_COLUMNS = {
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
    "snoozed_until": "timestamptz",
    "snoozed_by_id": "uuid",
    "metadata": "jsonb",
}
STORE_THREADS_SQL = f"""
UPDATE threads SET {", ".join(f"{name} = given.{name}" for name in STORED_COLUMNS)}, updated_at = statement_timestamp()
  FROM jsonb_to_recordset(%s) AS given (id uuid, {", ".join(f"{name} {type}" for name, type in STORED_COLUMNS.items())})
 WHERE threads.id = given.id
"""
# Null where the threads of the lead have activity but no contact. Of two messages at the same moment, theirs counts as
# later, also in another thread.
IS_NEWER_SQL = """(leads.last_contact_at IS NULL AND held.at IS NOT NULL OR leads.last_contact_at < held.at
            OR leads.last_contact_at = held.at AND leads.awaiting_reply <> held.awaiting AND (
                NOT held.awaiting OR NOT EXISTS (
                    SELECT FROM threads WHERE threads.lead_id = leads.id AND threads.last_message_at = held.at
                       AND threads.last_direction = 'in' AND threads.deleted_at IS NULL)))"""
# Rows are locked in one order, so two transactions that touch the same leads cannot deadlock. An older message makes
# the lead due for evaluation too.
UPDATE_CONTACT_DATES_SQL = f"""
WITH held AS (
    SELECT id, at, awaiting, active
      FROM leads JOIN unnest(%s::uuid[], %s::timestamptz[], %s::boolean[], %s::timestamptz[])
           AS said (id, at, awaiting, active) USING (id)
     ORDER BY id FOR NO KEY UPDATE OF leads
)
UPDATE leads
   SET last_contact_at = CASE WHEN {IS_NEWER_SQL} THEN held.at ELSE leads.last_contact_at END,
       awaiting_reply = CASE WHEN {IS_NEWER_SQL} THEN held.awaiting ELSE leads.awaiting_reply END,
       updated_at = CASE WHEN {IS_NEWER_SQL} THEN statement_timestamp() ELSE leads.updated_at END,
       last_activity_at = greatest(leads.last_activity_at, held.active),
       next_look_at = CASE WHEN held.at IS NULL THEN leads.next_look_at ELSE statement_timestamp() END
  FROM held
 WHERE leads.id = held.id
"""


class ContactRow(NamedTuple):
    """A message between persons, reduced to what decides which side must reply."""

    at: datetime
    direction: str
    is_closing: bool


def is_contact(message: Message) -> bool:
    """Whether `message` went from one person to another and was delivered."""
    return message.state in DELIVERED_STATES and message.nature == Nature.PERSON


def is_inbound_contact(message: Message) -> bool:
    return message.direction == Direction.IN and is_contact(message)


def is_closing_email(message: Message) -> bool:
    """Return whether the email `message` only closes a conversation. An answer to a question of ours does not."""
    is_reply = bool(message.in_reply_to or message.references)
    if not is_reply or message.attachments or len(message.snippet) > MAX_CLOSING_LENGTH:
        return False
    if message.nature != Nature.PERSON or not only_closes(message.body_text):
        return False
    return message.direction == Direction.OUT or not quotes_question(message.body_text)


def next_turn(turn: str, direction: str, *, is_closing: bool) -> str:
    """Return the direction of the unanswered message after one in `direction`; before, it was `turn`."""
    if not is_closing:
        return direction
    return turn if turn == direction else ""


def turn_after(rows: Iterable[ContactRow]) -> str:
    """Return the direction of the unanswered message after all `rows`; empty if there is none.

    Of two at the same moment, theirs counts as later.
    """
    turn = ""
    for row in sorted(rows, key=lambda row: (row.at, row.direction == Direction.IN)):
        turn = next_turn(turn, row.direction, is_closing=row.is_closing)
    return turn


def set_turn(thread: Thread, turn: str) -> None:
    thread.last_direction = turn if thread.source in CONTACT_SOURCES else ""
    thread.awaiting_reply = thread.last_direction == Direction.OUT


def advance_dates(thread: Thread, row: ContactRow) -> bool:
    """Move the dates of `thread` to the message `row` if it is the newest; return whether it is. In memory.

    The caller holds the row and calls `store_threads`. Of two messages at the same moment, theirs counts as the later.
    """
    last = thread.last_message_at
    if last is not None and (row.at < last or (row.at == last and row.direction == Direction.OUT)):
        return False
    thread.last_message_at = row.at
    set_turn(thread, next_turn(thread.last_direction, row.direction, is_closing=row.is_closing))
    return True


def apply_message(thread: Thread, message: Message) -> None:
    """Update `thread` and its lead for a new `message`, and queue what follows; the caller holds the thread's row."""
    earlier = load_contact_rows([thread.pk]).get(thread.pk, []) if is_out_of_order(thread, [message]) else []
    is_reopened = apply_messages(thread, [message], earlier)
    store_threads([thread])
    update_contact_dates([thread])
    with_new_words = update_sentiment([thread.pk]) if is_inbound_contact(message) else set()
    record_reopened([thread] if is_reopened else [])
    notify_answered([message])
    record_woken([thread])
    queue_changed_threads([thread], with_new_words)


def apply_messages(thread: Thread, messages: Iterable[Message], earlier: Iterable[ContactRow] = ()) -> bool:
    """Move the dates of `thread` for `messages`; return whether it is reopened. In memory.

    `earlier` are the stored messages; they are needed if `messages` are out of order. Closing words reopen nothing.
    A new message from the other side ends a snooze.
    """
    is_reopened, messages = False, list(messages)
    delivered = [one.sent_at for one in messages if one.state in DELIVERED_STATES]
    thread.new_activity_at = max([*delivered, *filter(None, [thread.new_activity_at])], default=None)
    rows = [ContactRow(one.sent_at, one.direction, one.is_closing) for one in messages if is_contact(one)]
    for row in sorted(rows, key=lambda row: (row.at, row.direction == Direction.IN)):
        is_newest = advance_dates(thread, row)
        if is_newest and thread.last_direction == Direction.IN and not row.is_closing and is_closed(thread):
            thread.status, is_reopened = ThreadStatus.OPEN, True
        if is_newest and (row.direction == Direction.IN or thread.came_back_at):
            thread.was_woken = thread.was_woken or thread.is_snoozed
            thread.end_snooze()
    if earlier:
        set_turn(thread, turn_after([*earlier, *rows]))
    return is_reopened


def is_out_of_order(thread: Thread, messages: Iterable[Message]) -> bool:
    """Return whether one of `messages` may be older than the newest one of `thread`."""
    last = thread.last_message_at
    return last is not None and any(is_contact(one) and one.sent_at <= last for one in messages)


def is_closed(thread: Thread) -> bool:
    return thread.status != ThreadStatus.OPEN and not thread.is_deleted


def record_reopened(threads: Iterable[Thread]) -> None:
    """Record in the activity log that a new message reopened `threads`."""
    save_entries(
        [
            build_entry(
                one,
                "reopened",
                timeline_owner=timeline_owner_of(one),
                by=SYSTEM_ACTOR,
                summary=f"New message in “{one}”: open again",
            )
            for one in threads
        ]
    )


def record_woken(threads: Iterable[Thread]) -> None:
    """Record in the activity log the end of the snooze of those of `threads` that a new message woke."""
    save_entries(
        [
            build_entry(
                one,
                "woken",
                timeline_owner=timeline_owner_of(one),
                by=SYSTEM_ACTOR,
                summary=f"New message in “{one}”: no longer snoozed",
            )
            for one in threads
            if one.was_woken
        ]
    )


def timeline_owner_of(thread: Thread) -> Lead | Client | Thread:
    """Return the record that shows `thread` on its timeline."""
    return thread.lead or thread.client or thread


def store_threads(threads: Iterable[Thread]) -> None:
    """Write the state of `threads` to the database; the caller holds their rows."""
    payload = [{"id": one.pk, **{name: getattr(one, name) for name in STORED_COLUMNS}} for one in threads]
    if payload:
        with connection.cursor() as cursor:
            cursor.execute(STORE_THREADS_SQL, [json.dumps(payload, default=str)])


def update_contact_dates(threads: Iterable[Thread]) -> None:
    """Move the contact dates of the leads of `threads` to the newest message, if it is newer.

    The leads become due for evaluation. What is no contact, such as a note or an automatic reply, moves the last
    activity alone.
    """
    contacts: dict[UUID, tuple[datetime, bool]] = {}
    activities: dict[UUID, datetime] = {}
    for one in threads:
        if one.lead_id and one.last_message_at and one.source in CONTACT_SOURCES:
            last_contact = (one.last_message_at, not one.awaiting_reply)
            contacts[one.lead_id] = max(last_contact, contacts.get(one.lead_id, last_contact))
        if one.lead_id and (active := max(filter(None, [one.last_message_at, one.new_activity_at]), default=None)):
            activities[one.lead_id] = max(active, activities.get(one.lead_id, active))
    if activities:
        newest = [contacts.get(lead, (None, False)) for lead in activities]
        values = [list(activities), [at for at, _ in newest], [not theirs for _, theirs in newest]]
        with connection.cursor() as cursor:
            cursor.execute(UPDATE_CONTACT_DATES_SQL, [*values, list(activities.values())])


def newest_inbound_messages(threads: Collection[UUID]) -> QuerySet[Message]:
    """Return the newest message from an outside person in each of `threads`."""
    rows = Message.objects.filter(
        thread__in=threads, direction=Direction.IN, nature=Nature.PERSON, thread__source__in=VERBATIM_SOURCES
    )
    return rows.order_by("thread", "-sent_at", "-message_id", "-id").distinct("thread")


def update_sentiment(threads: Collection[UUID]) -> set[UUID]:
    """Detect the sentiment of their newest message in each of `threads`; return the threads where it is a new one.

    A sentiment that was detected for the same message, or set by a person since, stays. The reason is stored in
    `metadata["sentiment"]`: {"message": key, "judged": positive/neutral/negative/urgent or None, "reason": text}.
    """
    known = F("thread__metadata__sentiment__message")
    updates = []
    rows = newest_inbound_messages(threads).values_list("id", "thread", Left("body_text", MAX_LOADED_BODY), known)
    for key, thread, text, before in rows:
        if before != str(key):
            found = detect_sentiment(text)
            sentiment, reason = (found.sentiment, found.reason) if found else (None, "")
            updates.append((thread, sentiment, {"message": str(key), "judged": sentiment, "reason": reason}))
    if updates:
        with connection.cursor() as cursor:
            cursor.execute(
                UPDATE_SENTIMENT_SQL,
                [[one[0] for one in updates], [one[1] for one in updates], [Jsonb(one[2]) for one in updates]],
            )
    return {one[0] for one in updates}


# From the messages


def load_first_messages(threads: Collection[UUID]) -> dict[UUID, tuple[datetime, str, str]]:
    """Return time, Message-ID and subject of the first message of each thread."""
    rows = Message.objects.filter(thread__in=threads).order_by("thread_id", "sent_at", "message_id")
    found = rows.distinct("thread_id").values_list("thread_id", "sent_at", "message_id", "subject")
    return {thread: (sent_at, message_id, subject) for thread, sent_at, message_id, subject in found}


def recount_threads(threads: Iterable[Thread]) -> None:
    """Recompute counts and dates of `threads` from their messages, in memory, after messages moved."""
    by_key: dict[UUID, Thread] = {one.pk: one for one in threads}
    rows = Message.objects.filter(thread__in=by_key)
    counts = dict(rows.order_by().values_list("thread_id").annotate(Count("pk")))
    contact = load_contact_rows(by_key)
    for key, thread in by_key.items():
        thread.message_count = counts.get(key, 0)
        thread.last_message_at = max((row.at for row in contact.get(key, ())), default=None)
        set_turn(thread, turn_after(contact.get(key, ())))


def load_contact_rows(threads: Collection[UUID]) -> dict[UUID, list[ContactRow]]:
    """Return the messages between persons of each of `threads`."""
    rows = Message.objects.filter(thread__in=threads, state__in=DELIVERED_STATES, nature=Nature.PERSON).order_by()
    found: dict[UUID, list[ContactRow]] = defaultdict(list)
    for key, *row in rows.values_list("thread_id", "sent_at", "direction", "is_closing"):
        found[key].append(ContactRow(*row))
    return found
