"""Store a batch of emails of one mailbox: skip known ones, find the threads of the others, and write the rows."""

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
from inbox.incoming.participants import OwnerLookup, attribute_sender, external_participants
from inbox.incoming.processing_queue import queue_changed_threads
from inbox.incoming.thread_lookup import PendingThread, PendingThreads
from inbox.incoming.threading import threading_keys
from inbox.models import Direction, Mailbox, Message, MessageState, Nature, Thread, ThreadKey
from inbox.thread_state import (
    apply_messages,
    is_closing_email,
    is_inbound_contact,
    is_out_of_order,
    load_contact_rows,
    load_first_messages,
    record_reopened,
    store_threads,
    update_contact_dates,
    update_sentiment,
)
from leads.models import Lead

MAX_THREAD_SUBJECT_LENGTH = 500
# The columns written for new rows; the others take the defaults of the database.
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
MESSAGE_COLUMNS += (
    "references",
    "nature",
    "is_closing",
    "from_email",
    "from_name",
    "reply_to",
    "to_emails",
    "cc_emails",
    "subject",
)
MESSAGE_COLUMNS += ("body_text", "body_html", "snippet", "sent_at", "is_read", "attachments")
MERGE_REASON = "an email refers to both"
# One batch at a time per mailbox: the existing threads decide where the next email belongs.
LOCK_MAILBOX_SQL = "SELECT pg_advisory_xact_lock(hashtextextended('mailbox ' || %s, 0))"


@dataclass(frozen=True)
class ReceiveOutcome:
    """The result for one email. `message` is the stored message; None if the email was set aside, now or earlier."""

    message: Message | None = None
    is_new: bool = False
    is_aside: bool = False


def store_emails(
    mailbox: Mailbox, emails: Sequence[tuple[ParsedEmail, bool]], own_addresses: frozenset[str]
) -> list[ReceiveOutcome]:
    """Store `emails`, each with its read flag, in `mailbox`, at most once. Return the outcome of each.

    The caller opens the transaction.
    """
    with connection.cursor() as cursor:
        cursor.execute(LOCK_MAILBOX_SQL, [str(mailbox.pk)])
    known, elsewhere = find_existing_messages(mailbox, {mail.message_id for mail, _ in emails})
    adopt_sent_messages(mailbox, [row for row in known.values() if row.mailbox_id is None])
    new: dict[str, tuple[ParsedEmail, bool]] = {}
    for mail, is_read in emails:
        if mail.message_id not in known:
            new.setdefault(mail.message_id, (mail, is_read))
    stored = store_new_emails(mailbox, new.values(), elsewhere, own_addresses) if new else {}
    outcomes = []
    for mail, _ in emails:
        # If a batch contains the same email twice, only the first is new.
        is_new = new.pop(mail.message_id, None) is not None and mail.message_id not in known
        message = known.get(mail.message_id) or stored[mail.message_id]
        outcomes.append(ReceiveOutcome(message, is_new and message.mailbox_id == mailbox.pk))
    return outcomes


def find_existing_messages(
    mailbox: Mailbox, identifiers: Collection[str]
) -> tuple[dict[str, Message], dict[tuple[str, UUID], Message]]:
    """Return the messages with one of `identifiers` that `mailbox` has or that were sent here, and those elsewhere.

    The first are keyed by identifier, the second by identifier and thread.
    """
    known, elsewhere = {}, {}
    rows = Message.everything.filter(message_id__in=identifiers)
    for row in rows.only("message_id", "mailbox", "thread", "direction", "deleted_at", "subject"):
        if row.mailbox_id == mailbox.pk or (row.mailbox_id is None and row.direction == Direction.OUT):
            known.setdefault(row.message_id, row)
        elif not row.is_deleted:
            elsewhere[row.message_id, row.thread_id] = row
    return known, elsewhere


def adopt_sent_messages(mailbox: Mailbox, sent: Collection[Message]) -> None:
    """Assign to `mailbox` the emails sent here, which come back from its Sent folder."""
    if not sent:
        return
    Message.everything.filter(pk__in=[one.pk for one in sent]).update(mailbox=mailbox)
    keys = [ThreadKey(mailbox=mailbox, key=one.message_id, thread_id=one.thread_id) for one in sent]
    ThreadKey.objects.bulk_create(keys, ignore_conflicts=True)
    for one in sent:
        one.mailbox = mailbox


def store_new_emails(
    mailbox: Mailbox,
    emails: Collection[tuple[ParsedEmail, bool]],
    elsewhere: dict[tuple[str, UUID], Message],
    own_addresses: frozenset[str],
) -> dict[str, Message]:
    """Add `emails`, which `mailbox` does not have yet, to their threads. Return the messages by identifier."""
    emails = [(attribute_sender(mail, own_addresses), is_read) for mail, is_read in emails]
    owners = OwnerLookup({one for mail, _ in emails for one in mail.participants} - own_addresses)
    keys = {mail.message_id: threading_keys(mail) for mail, _ in emails}
    all_keys = [key for some in keys.values() for key in some]
    conversations = PendingThreads(mailbox, set(all_keys))
    for mail, is_read in emails:
        one = conversations.find_or_create(keys[mail.message_id], readable_subject(mail.subject))
        nature = classify_message(mail, own_addresses, owners.owners_by_address)
        one.messages.append(build_message(mailbox, mail, nature, is_read=is_read, own_addresses=own_addresses))
    found = {}
    for one in conversations.all():
        duplicates = [elsewhere.get((message.message_id, key)) for message in one.messages for key in one.thread_ids]
        found |= {message.message_id: message for message in duplicates if message is not None}
        one.messages = [message for message in one.messages if message.message_id not in found]
    changed = [one for one in conversations.all() if one.messages or one.merged_threads]
    merge_threads([(one.thread, gone) for one in changed for gone in one.merged_threads], reason=MERGE_REASON)
    reopened = update_threads(changed, own_addresses, owners)
    save_threads_and_messages(conversations, changed, all_keys)
    record_reopened(reopened)
    return found | {message.message_id: message for one in changed for message in one.messages}


def update_threads(
    changed: Collection[PendingThread], own_addresses: frozenset[str], owners: OwnerLookup
) -> list[Thread]:
    """Update the changed threads in memory: participants, owner, subject, counts. Return the reopened ones."""
    first = load_first_messages([one.thread.pk for one in changed if not one.is_new])
    out_of_order = [one.thread.pk for one in changed if is_out_of_order(one.thread, one.messages)]
    earlier = load_contact_rows(out_of_order) if out_of_order else {}
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
        if apply_messages(thread, one.messages, earlier.get(thread.pk, ())):
            reopened.append(thread)
    return reopened


def message_order(message: Message) -> tuple[datetime, str]:
    """Return the sort key of a message within its thread. It does not depend on the order of arrival."""
    return message.sent_at, message.message_id


def save_threads_and_messages(
    conversations: PendingThreads, changed: Collection[PendingThread], keys: Collection[str]
) -> None:
    """Write threads, messages and identifiers, then update the leads' contact dates and the sentiment."""
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


# Building the rows


def build_message(
    mailbox: Mailbox, mail: ParsedEmail, nature: Nature, *, is_read: bool, own_addresses: frozenset[str]
) -> Message:
    """Return `mail`, which is of the kind `nature`, as an unsaved message without a thread."""
    is_outgoing = mail.from_email in own_addresses
    message = Message(
        mailbox=mailbox,
        direction=Direction.OUT if is_outgoing else Direction.IN,
        state=MessageState.SENT if is_outgoing else MessageState.RECEIVED,
        message_id=mail.message_id,
        in_reply_to=mail.in_reply_to,
        references=list(mail.references),
        nature=nature,
        from_email=mail.from_email,
        from_name=mail.from_name,
        reply_to=mail.reply_to,
        to_emails=[one for one in mail.to if one],
        cc_emails=[one for one in mail.cc if one],
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
    message.is_closing = is_closing_email(message)
    return message


def readable_subject(subject: str) -> str:
    """Return `subject` as the title of a thread: as written, but without a leading "Re:"."""
    stripped, low = " ".join(subject.split()), normalize_subject(subject)
    start = stripped.casefold().rfind(low) if low else -1
    return (stripped[start : start + len(low)] if start >= 0 else stripped)[:MAX_THREAD_SUBJECT_LENGTH]


def clamp_to_now(moment: datetime | None) -> datetime:
    """Return the sending time to store: never in the future, whatever the email says."""
    now = timezone.now()
    return min(moment, now) if moment else now
