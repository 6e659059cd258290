"""Store a batch of emails of one mailbox: skip known ones, find the threads of the others, and write the rows."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.db import connection
from django.urls import reverse
from django.utils import timezone

from crm.runtime.bulk_copy import copy_rows
from inbox.attachments import store_received_file
from inbox.incoming.arrivals import Arrival
from inbox.incoming.copies import DATE_UNKNOWN, identity_of_email, identity_of_message
from inbox.incoming.merging import MAX_PARTICIPANTS, merge_threads
from inbox.incoming.message_kinds import classify_message
from inbox.incoming.parsing import EARLIEST_DATE, ParsedEmail, normalize_subject
from inbox.incoming.participants import OwnerLookup, attribute_sender, external_participants
from inbox.incoming.processing_queue import queue_changed_threads
from inbox.incoming.sources import StoredSource, digest_of, store_sources
from inbox.incoming.thread_lookup import PendingThread, PendingThreads
from inbox.incoming.threading import threading_keys
from inbox.models import Direction, Mailbox, Message, MessageState, Nature, Thread, ThreadKey
from inbox.notices import notify_answered
from inbox.thread_state import (
    apply_messages,
    is_closing_email,
    is_inbound_contact,
    is_out_of_order,
    load_contact_rows,
    load_first_messages,
    record_reopened,
    record_woken,
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
MESSAGE_COLUMNS += ("references", "nature", "is_closing", "from_email", "from_name", "reply_to", "to_emails")
MESSAGE_COLUMNS += ("cc_emails", "subject", "body_text", "body_html", "snippet", "sent_at", "is_read", "attachments")
MESSAGE_COLUMNS += ("media", "variant", "source_path", "source_start", "source_size", "source_digest")
# What is read of stored messages to tell whether an email is a copy of one.
COMPARED_COLUMNS = ("from_email", "subject", "body_text", "sent_at", "created_at", "attachments", "media")
COMPARED_COLUMNS += ("source_digest",)
MessageKey = tuple[str, str]
MERGE_REASON = "an email refers to both"
# One batch at a time per mailbox: the existing threads decide where the next email belongs.
LOCK_MAILBOX_SQL = "SELECT pg_advisory_xact_lock(hashtextextended('mailbox ' || %s, 0))"


@dataclass(frozen=True)
class ReceiveOutcome:
    """The result for one email. `message` is the stored message; None if the email was set aside, now or earlier."""

    message: Message | None = None
    is_new: bool = False
    is_aside: bool = False


@dataclass(frozen=True)
class NewEmail:
    """An email that the mailbox does not have yet. `variant` is empty unless its Message-ID is already in use."""

    arrival: Arrival
    mail: ParsedEmail
    variant: str = ""

    @property
    def key(self) -> MessageKey:
        return self.mail.message_id, self.variant

    @property
    def thread_keys(self) -> list[str]:
        """The identifiers that connect this email to others. One that is already in use leads to another thread."""
        own = f"<{self.variant}@used-message-id.invalid>" if self.variant else self.mail.message_id
        return threading_keys(replace(self.mail, message_id=own))


def store_emails(
    mailbox: Mailbox, emails: Sequence[tuple[ParsedEmail, Arrival]], own_addresses: frozenset[str]
) -> list[ReceiveOutcome]:
    """Store `emails`, each with its arrival, in `mailbox`, at most once. Return the outcome of each.

    The caller opens the transaction.
    """
    with connection.cursor() as cursor:
        cursor.execute(LOCK_MAILBOX_SQL, [str(mailbox.pk)])
    known, elsewhere = find_existing_messages(mailbox, {mail.message_id for mail, _ in emails})
    new: dict[MessageKey, NewEmail] = {}
    pending: dict[str, list[NewEmail]] = {}
    found: list[tuple[Message | None, MessageKey]] = []
    for mail, arrival in emails:
        name = mail.message_id
        stored = known.get(name, ()), elsewhere.get(name, ()), pending.get(name, ())
        same, variant = find_copy(mail, arrival.raw, *stored)
        key = (name, variant)
        # If a batch contains the same email twice, only the first is new.
        if same is None and key not in new:
            new[key] = NewEmail(arrival, mail, variant)
            pending.setdefault(name, []).append(new[key])
        found.append((same, key))
    adopt_sent_messages(mailbox, {same.pk: same for same, _ in found if same and same.mailbox_id is None}.values())
    added = store_new_emails(mailbox, new.values(), elsewhere, own_addresses) if new else {}
    outcomes = []
    for same, key in found:
        message = same or added[key]
        is_new = same is None and new.pop(key, None) is not None
        outcomes.append(ReceiveOutcome(message, is_new and message.mailbox_id == mailbox.pk))
    return outcomes


def find_copy(
    mail: ParsedEmail, raw: bytes, known: Sequence[Message], elsewhere: Sequence[Message], pending: Sequence[NewEmail]
) -> tuple[Message | None, str]:
    """Return the message that `mail` is a copy of, if the mailbox has it (`known`), and the variant of `mail`.

    A different email under a Message-ID that is already in use gets a variant of its own.
    """
    if not known and not elsewhere and not pending:
        return None, ""
    # The same bytes are the same email, also if an earlier version of the program read them otherwise.
    identity, source_digest = identity_of_email(mail), digest_of(raw)
    for row in known:
        is_own = row.mailbox_id is None and row.from_email.lower() == mail.from_email
        if is_own or row.source_digest == source_digest or identity.is_copy_of(identity_of_message(row)):
            return row, row.variant
    for row in elsewhere:
        if row.source_digest == source_digest or identity.is_copy_of(identity_of_message(row)):
            return None, row.variant
    same = next((one for one in pending if identity.is_copy_of(identity_of_email(one.mail))), None)
    return None, same.variant if same else identity.digest


def find_existing_messages(
    mailbox: Mailbox, identifiers: Collection[str]
) -> tuple[dict[str, list[Message]], dict[str, list[Message]]]:
    """Return the messages with one of `identifiers` that `mailbox` has or that were sent here, and those elsewhere."""
    known: dict[str, list[Message]] = {}
    elsewhere: dict[str, list[Message]] = {}
    rows = Message.everything.filter(message_id__in=identifiers)
    for row in rows.only("message_id", "variant", "mailbox", "thread", "direction", "deleted_at", *COMPARED_COLUMNS):
        if row.mailbox_id == mailbox.pk or (row.mailbox_id is None and row.direction == Direction.OUT):
            known.setdefault(row.message_id, []).append(row)
        elif not row.is_deleted:
            elsewhere.setdefault(row.message_id, []).append(row)
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
    emails: Collection[NewEmail],
    elsewhere: dict[str, list[Message]],
    own_addresses: frozenset[str],
) -> dict[MessageKey, Message]:
    """Add `emails`, which `mailbox` does not have yet, to their threads. Return the messages by key."""
    emails = [replace(one, mail=attribute_sender(one.mail, own_addresses)) for one in emails]
    owners = OwnerLookup({person for one in emails for person in one.mail.participants} - own_addresses)
    keys = {one.key: one.thread_keys for one in emails}
    all_keys = [key for some in keys.values() for key in some]
    conversations = PendingThreads(mailbox, set(all_keys))
    sources = store_sources([one.arrival.raw for one in emails])
    for email, source in zip(emails, sources, strict=True):
        one = conversations.find_or_create(keys[email.key], readable_subject(email.mail.subject))
        nature = classify_message(email.mail, own_addresses, owners.owners_by_address)
        one.messages.append(build_message(mailbox, email, source, nature, own_addresses=own_addresses))
    found: dict[MessageKey, Message] = {}
    for one in conversations.all():
        rows = [row for message in one.messages for row in elsewhere.get(message.message_id, ())]
        found |= {message_key(row): row for row in rows if row.thread_id in one.thread_ids and message_key(row) in keys}
        one.messages = [message for message in one.messages if message_key(message) not in found]
    changed = [one for one in conversations.all() if one.messages or one.merged_threads]
    place_undated([message for one in changed for message in one.messages])
    merge_threads([(one.thread, gone) for one in changed for gone in one.merged_threads], reason=MERGE_REASON)
    reopened = update_threads(changed, own_addresses, owners)
    save_threads_and_messages(conversations, changed, all_keys)
    record_reopened(reopened)
    record_woken(one.thread for one in changed)
    return found | {message_key(message): message for one in changed for message in one.messages}


def message_key(message: Message) -> MessageKey:
    return message.message_id, message.variant


def place_undated(messages: Sequence[Message]) -> None:
    """Give each message without a date the date of the one it answers, so that it never becomes the newest."""
    undated = [one for one in messages if DATE_UNKNOWN in one.media]
    if not undated:
        return
    answered = {name for one in undated for name in (one.in_reply_to, *one.references) if name}
    dates = dict(Message.objects.filter(message_id__in=answered).values_list("message_id", "sent_at"))
    dates.update({one.message_id: one.sent_at for one in messages if DATE_UNKNOWN not in one.media})
    for one in undated:
        names = (one.in_reply_to, *reversed(one.references))
        one.sent_at = next((dates[name] for name in names if name in dates), EARLIEST_DATE)


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
    notify_answered(message for one in changed for message in one.messages)
    queue_changed_threads([one.thread for one in changed], with_new_words)


# Building the rows


def build_message(
    mailbox: Mailbox, email: NewEmail, source: StoredSource, nature: Nature, *, own_addresses: frozenset[str]
) -> Message:
    """Return `email`, which is of the kind `nature`, as an unsaved message without a thread."""
    mail = email.mail
    is_outgoing = mail.from_email in own_addresses
    message = Message(
        mailbox=mailbox,
        direction=Direction.OUT if is_outgoing else Direction.IN,
        state=MessageState.SENT if is_outgoing else MessageState.RECEIVED,
        message_id=mail.message_id,
        variant=email.variant,
        source_path=source.path,
        source_start=source.start,
        source_size=source.size,
        source_digest=source.digest,
        nature=nature,
        sent_at=min(mail.sent_at or EARLIEST_DATE, timezone.now()),
        is_read=email.arrival.is_read or is_outgoing,
    )
    copy_content(message, mail)
    return message


def copy_content(message: Message, mail: ParsedEmail) -> None:
    """Copy what `mail` says to `message`, and store its files."""
    message.in_reply_to = mail.in_reply_to
    message.references = list(mail.references)
    message.from_email = mail.from_email
    message.from_name = mail.from_name
    message.reply_to = mail.reply_to
    message.to_emails = [one for one in mail.to if one]
    message.cc_emails = [one for one in mail.cc if one]
    message.subject = mail.subject
    message.body_text = mail.text
    message.body_html = mail.html
    message.snippet = mail.snippet
    details = {"notes": list(mail.notes), "nameless": list(mail.nameless), DATE_UNKNOWN: mail.sent_at is None}
    details["reply_to"] = list(mail.more_reply_to)
    message.media = {name: value for name, value in details.items() if value}
    message.attachments = [
        store_received_file(file, reverse("admin:inbox_thread_file", args=[message.pk, index]))
        for index, file in enumerate(mail.files)
    ]
    message.is_closing = is_closing_email(message)


def readable_subject(subject: str) -> str:
    """Return `subject` as the title of a thread: as written, but without a leading "Re:"."""
    stripped, low = " ".join(subject.split()), normalize_subject(subject)
    start = stripped.casefold().rfind(low) if low else -1
    return (stripped[start : start + len(low)] if start >= 0 else stripped)[:MAX_THREAD_SUBJECT_LENGTH]
