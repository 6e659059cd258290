"""Taking in many mails of one mailbox at once: what is there already, where the rest belongs, what is written."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection
from django.urls import reverse
from django.utils import timezone

from crm.runtime.bulk_copy import copy_in
from inbox.attachments import received
from inbox.incoming.merging import MOST_PARTICIPANTS, unite
from inbox.incoming.message_kinds import nature_of
from inbox.incoming.parsing import Mail, bare
from inbox.incoming.participants import Owners, outsiders
from inbox.incoming.thread_lookup import Conversation, Conversations
from inbox.incoming.threading import keys_of
from inbox.models import Direction, Mailbox, Message, MessageState, Thread, ThreadKey
from inbox.thread_state import contacted, earliest, feel, hear, is_theirs, store, tell_open
from leads.models import Lead

LONGEST_THREAD_SUBJECT = 500
# What is written of new rows; the rest is as the database says.
THREAD = ("id", "created_at", "updated_at", "mailbox", "source", "subject", "status", "lead", "client")
THREAD += ("participant_emails", "last_message_at", "last_direction", "message_count", "awaiting_reply")
MESSAGE = ("id", "created_at", "updated_at", "thread", "mailbox", "direction", "state", "message_id", "in_reply_to")
MESSAGE += ("references", "nature", "from_email", "from_name", "reply_to", "to_emails", "cc_emails", "subject")
MESSAGE += ("body_text", "body_html", "snippet", "sent_at", "is_read", "attachments")
TIED = "a mail ties them together"
# One at a time for a mailbox: which conversations there are decides where the next mail belongs.
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('mailbox ' || %s, 0))"


@dataclass(frozen=True)
class Outcome:
    """What became of one mail: `message` is the one that is kept; none where it was set aside, now or earlier."""

    message: Message | None = None
    is_new: bool = False
    is_aside: bool = False


def take_in_all(mailbox: Mailbox, mails: Sequence[tuple[Mail, bool]], ours: frozenset[str]) -> list[Outcome]:
    """Take `mails`, each with whether it was read, into `mailbox`, at most once; what became of each.

    The caller has opened the transaction.
    """
    with connection.cursor() as cursor:
        cursor.execute(LOCK, [str(mailbox.pk)])
    known, elsewhere = there_already(mailbox, {mail.message_id for mail, _ in mails})
    adopt(mailbox, [row for row in known.values() if row.mailbox_id is None])
    new: dict[str, tuple[Mail, bool]] = {}
    for mail, is_read in mails:
        if mail.message_id not in known:
            new.setdefault(mail.message_id, (mail, is_read))
    written = write(mailbox, new.values(), elsewhere, ours) if new else {}
    outcomes = []
    for mail, _ in mails:
        # Of two in one batch the first is new.
        is_new = new.pop(mail.message_id, None) is not None and mail.message_id not in known
        message = known.get(mail.message_id) or written[mail.message_id]
        outcomes.append(Outcome(message, is_new and message.mailbox_id == mailbox.pk))
    return outcomes


def there_already(
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


def adopt(mailbox: Mailbox, sent: Collection[Message]) -> None:
    """Let `mailbox` have our own mails, which come back from its folder of what was sent."""
    if not sent:
        return
    Message.everything.filter(pk__in=[one.pk for one in sent]).update(mailbox=mailbox)
    keys = [ThreadKey(mailbox=mailbox, key=one.message_id, thread_id=one.thread_id) for one in sent]
    ThreadKey.objects.bulk_create(keys, ignore_conflicts=True)
    for one in sent:
        one.mailbox = mailbox


def write(
    mailbox: Mailbox,
    mails: Collection[tuple[Mail, bool]],
    elsewhere: dict[tuple[str, UUID], Message],
    ours: frozenset[str],
) -> dict[str, Message]:
    """Add `mails`, which `mailbox` has not, to their conversations; the messages by identifier."""
    keys = {mail.message_id: keys_of(mail) for mail, _ in mails}
    every = [key for some in keys.values() for key in some]
    conversations = Conversations(mailbox, set(every))
    for mail, is_read in mails:
        one = conversations.of(keys[mail.message_id], readable(mail.subject))
        one.messages.append(message_of(mailbox, mail, is_read=is_read, ours=ours))
    found = {}
    for one in conversations.all():
        twice = [elsewhere.get((message.message_id, key)) for message in one.messages for key in one.threads]
        found |= {message.message_id: message for message in twice if message is not None}
        one.messages = [message for message in one.messages if message.message_id not in found]
    touched = [one for one in conversations.all() if one.messages or one.united]
    unite([(one.thread, gone) for one in touched for gone in one.united], why=TIED)
    woken = enrich(touched, ours)
    store_all(conversations, touched, every)
    tell_open(woken)
    return found | {message.message_id: message for one in touched for message in one.messages}


def enrich(touched: Collection[Conversation], ours: frozenset[str]) -> list[Thread]:
    """Let conversations know what was said in them, by whom and whose they are; those that it opened. In memory."""
    first = earliest([one.thread.pk for one in touched if not one.new])
    everybody = {person for one in touched for message in one.messages for person in outsiders(message, ours)}
    owners = Owners(everybody)
    woken = []
    for one in touched:
        thread = one.thread
        one.messages.sort(key=lambda message: (message.sent_at, message.message_id))
        for message in one.messages:
            message.thread = thread
            others = outsiders(message, ours)
            thread.participant_emails = list(dict.fromkeys([*thread.participant_emails, *others]))[:MOST_PARTICIPANTS]
            if thread.lead_id is None and thread.client_id is None and (owner := owners.of(others)):
                setattr(thread, "lead" if isinstance(owner, Lead) else "client", owner)
        began = first.get(thread.pk)
        if one.messages and (began is None or order(one.messages[0]) < began[:2]):
            thread.subject = readable(one.messages[0].subject)
        thread.message_count += len(one.messages)
        if hear(thread, one.messages):
            woken.append(thread)
    return woken


def order(message: Message) -> tuple[datetime, str]:
    """What comes first in a conversation: of two of one moment the same one, whichever came in first."""
    return message.sent_at, message.message_id


def store_all(conversations: Conversations, touched: Collection[Conversation], keys: Collection[str]) -> None:
    """Write conversations, messages and identifiers down; the dates of the leads and how it sounds follow."""
    copy_in([one.thread for one in touched if one.new], THREAD)
    store([one.thread for one in touched if not one.new])
    copy_in([message for one in touched for message in one.messages], MESSAGE)
    new, turned = conversations.keys_to_write(keys)
    copy_in(new, ("mailbox", "key", "thread"))
    for row in turned:
        ThreadKey.objects.filter(mailbox=row.mailbox, key=row.key).update(thread=row.thread)
    contacted(one.thread for one in touched)
    feel([one.thread.pk for one in touched if one.united or any(map(is_theirs, one.messages))])


# What is written down


def message_of(mailbox: Mailbox, mail: Mail, *, is_read: bool, ours: frozenset[str]) -> Message:
    """`mail` as a message that belongs to no conversation yet."""
    out = mail.from_email in ours
    message = Message(
        mailbox=mailbox,
        direction=Direction.OUT if out else Direction.IN,
        state=MessageState.SENT if out else MessageState.RECEIVED,
        message_id=mail.message_id,
        in_reply_to=mail.in_reply_to,
        references=list(mail.references),
        nature=nature_of(mail, ours),
        from_email=mail.from_email,
        from_name=mail.from_name,
        reply_to=mail.reply_to,
        to_emails=list(mail.to),
        cc_emails=list(mail.cc),
        subject=mail.subject,
        body_text=mail.text,
        body_html=mail.html,
        snippet=mail.snippet,
        sent_at=bounded(mail.sent_at),
        is_read=is_read or out,
    )
    message.attachments = [
        received(file.name, file.type, file.data, reverse("admin:inbox_thread_file", args=[message.pk, place]))
        for place, file in enumerate(mail.files)
    ]
    return message


def readable(subject: str) -> str:
    """`subject` as a conversation is called: as it was written, without "Re:" before it."""
    stripped, low = " ".join(subject.split()), bare(subject)
    start = stripped.casefold().rfind(low) if low else -1
    return (stripped[start : start + len(low)] if start >= 0 else stripped)[:LONGEST_THREAD_SUBJECT]


def bounded(moment: datetime | None) -> datetime:
    """When a mail counts as written: never in the future, whatever it says."""
    now = timezone.now()
    return min(moment, now) if moment else now
