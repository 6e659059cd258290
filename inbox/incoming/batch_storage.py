"""Taking in many mails of one mailbox at once: what is there already, where the rest belongs, what is written."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection
from django.urls import reverse
from django.utils import timezone

from crm.runtime.bulk_copy import copy_rows
from inbox.attachments import store_received_file
from inbox.incoming.merging import MAX_PARTICIPANTS, merge_threads
from inbox.incoming.message_kinds import classify_message
from inbox.incoming.parsing import ParsedEmail, normalize_subject
from inbox.incoming.participants import OwnerLookup, external_participants
from inbox.incoming.processing_queue import queue_changed_threads
from inbox.incoming.thread_lookup import PendingThread, PendingThreads
from inbox.incoming.threading import threading_keys
from inbox.models import Direction, Mailbox, Message, MessageState, Thread, ThreadKey
from inbox.thread_state import (
    apply_messages,
    is_inbound_contact,
    load_first_messages,
    record_reopened,
    store_threads,
    update_contact_dates,
    update_sentiment,
)
from leads.models import Lead

MAX_THREAD_SUBJECT_LENGTH = 500
# What is written of new rows; the rest is as the database says.
THREAD_COLUMNS = ("id", "created_at", "updated_at", "mailbox", "source", "subject", "status", "lead", "client")
THREAD_COLUMNS += ("participant_emails", "last_message_at", "last_direction", "message_count", "awaiting_reply")
MESSAGE_COLUMNS = (
    "id",
    "created_at",
    "updated_at",
    "thread",
    "mailbox",
    "direction",
    "state",
    "message_id",
    "in_reply_to",
)
MESSAGE_COLUMNS += ("references", "nature", "from_email", "from_name", "reply_to", "to_emails", "cc_emails", "subject")
MESSAGE_COLUMNS += ("body_text", "body_html", "snippet", "sent_at", "is_read", "attachments")
MERGE_REASON = "a mail ties them together"
# One at a time for a mailbox: which conversations there are decides where the next mail belongs.
LOCK_MAILBOX_SQL = "SELECT pg_advisory_xact_lock(hashtextextended('mailbox ' || %s, 0))"


@dataclass(frozen=True)
class ReceiveOutcome:
    """What became of one mail: `message` is the one that is kept; none where it was set aside, now or earlier."""

    message: Message | None = None
    is_new: bool = False
    is_aside: bool = False


def store_emails(
    mailbox: Mailbox, mails: Sequence[tuple[ParsedEmail, bool]], own_addresses: frozenset[str]
) -> list[ReceiveOutcome]:
    """Take `mails`, each with whether it was read, into `mailbox`, at most once; what became of each.

    The caller has opened the transaction.
    """
    with connection.cursor() as cursor:
        cursor.execute(LOCK_MAILBOX_SQL, [str(mailbox.pk)])
    known, elsewhere = find_existing_messages(mailbox, {mail.message_id for mail, _ in mails})
    adopt_sent_messages(mailbox, [row for row in known.values() if row.mailbox_id is None])
    new: dict[str, tuple[ParsedEmail, bool]] = {}
    for mail, is_read in mails:
        if mail.message_id not in known:
            new.setdefault(mail.message_id, (mail, is_read))
    stored = store_new_emails(mailbox, new.values(), elsewhere, own_addresses) if new else {}
    outcomes = []
    for mail, _ in mails:
        # Of two in one batch the first is new.
        is_new = new.pop(mail.message_id, None) is not None and mail.message_id not in known
        message = known.get(mail.message_id) or stored[mail.message_id]
        outcomes.append(ReceiveOutcome(message, is_new and message.mailbox_id == mailbox.pk))
    return outcomes


def find_existing_messages(
    mailbox: Mailbox, identifiers: Collection[str]
) -> tuple[dict[str, Message], dict[tuple[str, UUID], Message]]:
    """What `mailbox` has of `identifiers`, or has been sent from here; and what lies in which other conversations."""
    known, elsewhere = {}, {}
    rows = Message.everything.filter(message_id__in=identifiers)
    for row in rows.only("message_id", "mailbox", "thread", "direction", "deleted_at", "subject"):
        if row.mailbox_id == mailbox.pk or (row.mailbox_id is None and row.direction == Direction.OUT):
            known.setdefault(row.message_id, row)
        elif not row.is_deleted:
            elsewhere[row.message_id, row.thread_id] = row
    return known, elsewhere


def adopt_sent_messages(mailbox: Mailbox, sent: Collection[Message]) -> None:
    """Let `mailbox` have our own mails, which come back from its folder of what was sent."""
    if not sent:
        return
    Message.everything.filter(pk__in=[one.pk for one in sent]).update(mailbox=mailbox)
    keys = [ThreadKey(mailbox=mailbox, key=one.message_id, thread_id=one.thread_id) for one in sent]
    ThreadKey.objects.bulk_create(keys, ignore_conflicts=True)
    for one in sent:
        one.mailbox = mailbox


def store_new_emails(
    mailbox: Mailbox,
    mails: Collection[tuple[ParsedEmail, bool]],
    elsewhere: dict[tuple[str, UUID], Message],
    own_addresses: frozenset[str],
) -> dict[str, Message]:
    """Add `mails`, which `mailbox` has not, to their conversations; the messages by identifier."""
    keys = {mail.message_id: threading_keys(mail) for mail, _ in mails}
    all_keys = [key for some in keys.values() for key in some]
    conversations = PendingThreads(mailbox, set(all_keys))
    for mail, is_read in mails:
        one = conversations.find_or_create(keys[mail.message_id], readable_subject(mail.subject))
        one.messages.append(build_message(mailbox, mail, is_read=is_read, own_addresses=own_addresses))
    found = {}
    for one in conversations.all():
        duplicates = [elsewhere.get((message.message_id, key)) for message in one.messages for key in one.thread_ids]
        found |= {message.message_id: message for message in duplicates if message is not None}
        one.messages = [message for message in one.messages if message.message_id not in found]
    changed = [one for one in conversations.all() if one.messages or one.merged_threads]
    merge_threads([(one.thread, gone) for one in changed for gone in one.merged_threads], reason=MERGE_REASON)
    reopened = update_threads(changed, own_addresses)
    save_threads_and_messages(conversations, changed, all_keys)
    record_reopened(reopened)
    return found | {message.message_id: message for one in changed for message in one.messages}


def update_threads(changed: Collection[PendingThread], own_addresses: frozenset[str]) -> list[Thread]:
    """Let conversations know what was said in them, by whom and whose they are; those that it opened. In memory."""
    first = load_first_messages([one.thread.pk for one in changed if not one.is_new])
    participants = {
        person
        for one in changed
        for message in one.messages
        for person in external_participants(message, own_addresses)
    }
    owners = OwnerLookup(participants)
    reopened = []
    for one in changed:
        thread = one.thread
        one.messages.sort(key=lambda message: (message.sent_at, message.message_id))
        for message in one.messages:
            message.thread = thread
            others = external_participants(message, own_addresses)
            thread.participant_emails = list(dict.fromkeys([*thread.participant_emails, *others]))[:MAX_PARTICIPANTS]
            if thread.lead_id is None and thread.client_id is None and (owner := owners.find_owner(others)):
                setattr(thread, "lead" if isinstance(owner, Lead) else "client", owner)
        first_message = first.get(thread.pk)
        if one.messages and (first_message is None or message_order(one.messages[0]) < first_message[:2]):
            thread.subject = readable_subject(one.messages[0].subject)
        thread.message_count += len(one.messages)
        if apply_messages(thread, one.messages):
            reopened.append(thread)
    return reopened


def message_order(message: Message) -> tuple[datetime, str]:
    """What comes first in a conversation: of two of one moment the same one, whichever came in first."""
    return message.sent_at, message.message_id


def save_threads_and_messages(
    conversations: PendingThreads, changed: Collection[PendingThread], keys: Collection[str]
) -> None:
    """Write conversations, messages and identifiers down; the dates of the leads and how it sounds follow."""
    copy_rows([one.thread for one in changed if one.is_new], THREAD_COLUMNS)
    store_threads([one.thread for one in changed if not one.is_new])
    copy_rows([message for one in changed for message in one.messages], MESSAGE_COLUMNS)
    new, redirected = conversations.keys_to_write(keys)
    copy_rows(new, ("mailbox", "key", "thread"))
    for row in redirected:
        ThreadKey.objects.filter(mailbox=row.mailbox, key=row.key).update(thread=row.thread)
    update_contact_dates(one.thread for one in changed)
    with_new_words = update_sentiment(
        [one.thread.pk for one in changed if one.merged_threads or any(map(is_inbound_contact, one.messages))]
    )
    queue_changed_threads([one.thread for one in changed], with_new_words)


# What is written down


def build_message(mailbox: Mailbox, mail: ParsedEmail, *, is_read: bool, own_addresses: frozenset[str]) -> Message:
    """`mail` as a message that belongs to no conversation yet."""
    is_outgoing = mail.from_email in own_addresses
    message = Message(
        mailbox=mailbox,
        direction=Direction.OUT if is_outgoing else Direction.IN,
        state=MessageState.SENT if is_outgoing else MessageState.RECEIVED,
        message_id=mail.message_id,
        in_reply_to=mail.in_reply_to,
        references=list(mail.references),
        nature=classify_message(mail, own_addresses),
        from_email=mail.from_email,
        from_name=mail.from_name,
        reply_to=mail.reply_to,
        to_emails=list(mail.to),
        cc_emails=list(mail.cc),
        subject=mail.subject,
        body_text=mail.text,
        body_html=mail.html,
        snippet=mail.snippet,
        sent_at=clamp_to_now(mail.sent_at),
        is_read=is_read or is_outgoing,
    )
    message.attachments = [
        store_received_file(
            file.name, file.type, file.data, reverse("admin:inbox_thread_file", args=[message.pk, index])
        )
        for index, file in enumerate(mail.files)
    ]
    return message


def readable_subject(subject: str) -> str:
    """`subject` as a conversation is called: as it was written, without "Re:" before it."""
    stripped, low = " ".join(subject.split()), normalize_subject(subject)
    start = stripped.casefold().rfind(low) if low else -1
    return (stripped[start : start + len(low)] if start >= 0 else stripped)[:MAX_THREAD_SUBJECT_LENGTH]


def clamp_to_now(moment: datetime | None) -> datetime:
    """When a mail counts as written: never in the future, whatever it says."""
    now = timezone.now()
    return min(moment, now) if moment else now
