"""Taking mail in: one way for all sources, the same whatever the order, and without effect the second time."""

import logging
from collections.abc import Iterable
from datetime import datetime

from django.db import DatabaseError, connection, transaction
from django.db.models import Q
from django.db.models.functions import Lower
from django.urls import reverse
from django.utils import timezone

from crm.activity import SYSTEM, Actor, record
from crm.models import Client, Contact, User
from crm.models.base import Record
from crm.refusals import BadInput
from crm.transitions import soft_delete
from inbox.addresses import house
from inbox.attachments import received
from inbox.models import (
    Direction,
    Mailbox,
    Message,
    MessageState,
    Nature,
    SetAside,
    Thread,
    ThreadKey,
    ThreadSource,
)
from inbox.natures import nature_of
from inbox.parsing import Mail, NoMail, bare, parse
from inbox.threading import keys_of
from inbox.transitions import SAID, subject_of, take_in
from leads.models import Lead

logger = logging.getLogger(__name__)

MOST_PARTICIPANTS = 200
LONGEST_THREAD_SUBJECT = 500
# What is larger is not kept a second time, only named.
LARGEST_KEPT = 5_000_000
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('mailbox ' || %s, 0))"


def receive(
    mailbox: Mailbox, raw: bytes, *, origin: str, is_read: bool = False, ours: frozenset[str] | None = None
) -> Message | None:
    """Take in the mail `raw` that `origin` names; None where it could not be read and was set aside.

    One that the mailbox has already changes nothing and is returned. What cannot be read is kept with its reason.
    `ours` are `our_addresses()`, for whoever takes in many.
    """
    try:
        return take_in_mail(mailbox, parse(raw), is_read=is_read, ours=ours)
    except (NoMail, BadInput) as refusal:
        reason = str(refusal)
    except DatabaseError:  # not the mail's doing: whoever brings it will bring it again
        raise
    except Exception as error:
        logger.exception("A mail could not be understood: %s.", origin)
        reason = f"The program could not make sense of it ({type(error).__name__})."
    set_aside(mailbox, raw, origin=origin, reason=reason)
    return None


@transaction.atomic
def set_aside(mailbox: Mailbox, raw: bytes, *, origin: str, reason: str) -> None:
    """Keep a mail that could not be taken in, once."""
    kept = raw if len(raw) <= LARGEST_KEPT else b""
    SetAside.objects.get_or_create(
        mailbox=mailbox, origin=origin[:500], defaults={"reason": reason, "size": len(raw), "raw": kept}
    )


def take_in_again(kept: SetAside, *, by: Actor | User) -> Message:
    """Try once more to take in what was set aside; it is off the list then.

    Raises:
        NotAllowed: `by` may not.
        BadInput: it still cannot be read, or its bytes are not here.
    """
    Actor.of(by).require("inbox.change_setaside", "take in what was set aside")
    if not kept.raw:
        raise BadInput("It is too large to be kept here: look at it in the mailbox itself.")
    try:
        message = take_in_mail(kept.mailbox, parse(bytes(kept.raw)))
    except NoMail as refusal:
        raise BadInput(f"It still cannot be read. {refusal}") from refusal
    soft_delete(kept, by=SYSTEM, about=message.thread)
    return message


@transaction.atomic
def take_in_mail(mailbox: Mailbox, mail: Mail, *, is_read: bool = False, ours: frozenset[str] | None = None) -> Message:
    """Add `mail` to the conversation it belongs to, which may tie several into one; at most once."""
    ours = our_addresses() if ours is None else ours
    with connection.cursor() as cursor:
        # One at a time for a mailbox: which conversations there are decides where the next mail belongs.
        cursor.execute(LOCK, [str(mailbox.pk)])
    known = Message.everything.filter(
        Q(mailbox=mailbox) | Q(mailbox=None, direction=Direction.OUT), message_id=mail.message_id
    ).first()
    if known is not None:
        return adopted(known, mailbox)
    keys = keys_of(mail)
    thread = conversation_of(mailbox, mail, keys)
    ThreadKey.objects.bulk_create(
        [ThreadKey(mailbox=mailbox, key=key, thread=thread) for key in keys], ignore_conflicts=True
    )
    message = message_of(mailbox, thread, mail, is_read=is_read, ours=ours)
    enrich(thread, message, outsiders(mail, ours))
    return take_in(message)


def adopted(known: Message, mailbox: Mailbox) -> Message:
    """`known`, which is in `mailbox` now too: our own mail comes back from the folder of what was sent."""
    if known.mailbox_id is None:
        Message.everything.filter(pk=known.pk).update(mailbox=mailbox)
        ThreadKey.objects.get_or_create(mailbox=mailbox, key=known.message_id, defaults={"thread": known.thread})
        known.mailbox = mailbox
    return known


# Which conversation


def conversation_of(mailbox: Mailbox, mail: Mail, keys: list[str]) -> Thread:
    """The conversation that `keys` lead to, several made one; a new one where they lead to none."""
    found = list(
        Thread.objects.select_for_update(of=("self",))
        .filter(keys__mailbox=mailbox, keys__key__in=keys)
        .order_by("created_at", "id")
    )
    threads = list(dict.fromkeys(found))
    threads = nearest(threads, mailbox, keys) if any_apart(threads) else threads
    if threads:
        for other in threads[1:]:
            merge(threads[0], other)
        return threads[0]
    subject = readable(mail.subject)
    return Thread.objects.create(mailbox=mailbox, source=ThreadSource.EMAIL, subject=subject)


def any_apart(threads: list[Thread]) -> bool:
    """Whether somebody has taken two of `threads` apart by hand."""
    keys = {str(thread.pk) for thread in threads}
    return any(keys & set(thread.metadata.get("apart_from", [])) for thread in threads)


def nearest(threads: list[Thread], mailbox: Mailbox, keys: list[str]) -> list[Thread]:
    """The one of `threads` that a mail with `keys` answers: what was taken apart by hand stays apart."""
    own = {row.key: row.thread_id for row in ThreadKey.objects.filter(mailbox=mailbox, key__in=keys)}
    # After its own identifier come that of what it answers and the chain, of which the last is the nearest.
    for key in [*keys[:2], *reversed(keys[2:])]:
        if key in own:
            return [thread for thread in threads if thread.pk == own[key]]
    return threads[:1]


def merge(kept: Thread, other: Thread) -> None:
    """Make `other` part of `kept`: a mail has shown that they are one conversation."""
    Message.everything.filter(thread=other).update(thread=kept)
    ThreadKey.objects.filter(thread=other).update(thread=kept)
    people = [*kept.participant_emails, *other.participant_emails]
    kept.participant_emails = list(dict.fromkeys(people))[:MOST_PARTICIPANTS]
    for name in ("lead", "client", "project"):
        if getattr(kept, f"{name}_id") is None:
            setattr(kept, name, getattr(other, name))
    kept.save(update_fields=["participant_emails", "lead", "client", "project", "updated_at"])
    Thread.objects.filter(pk=other.pk).update(deleted_at=timezone.now())
    recount(kept)
    summary = f"Conversation “{other}” is one with “{kept}”: a mail ties them together"
    record(kept, "merged", about=subject_of(kept), by=SYSTEM, summary=summary, other=str(other.pk))


def recount(thread: Thread) -> None:
    """Set what is counted of `thread` from its messages, after some came or went otherwise than one by one."""
    rows = Message.objects.filter(thread=thread)
    said = rows.filter(state__in=SAID, nature=Nature.PERSON)
    last = said.order_by("-sent_at", "direction").first()
    first = rows.order_by("sent_at", "id").first()
    Thread.everything.filter(pk=thread.pk).update(
        message_count=rows.count(),
        last_message_at=last.sent_at if last else None,
        last_direction=last.direction if last else "",
        awaiting_reply=last is not None and last.direction == Direction.OUT,
        subject=readable(first.subject) if first else thread.subject,
    )
    thread.refresh_from_db()


def enrich(thread: Thread, message: Message, others: list[str]) -> None:
    """Let `thread` know who else takes part in it, and call it by the subject of its earliest mail."""
    people = list(dict.fromkeys([*thread.participant_emails, *others]))[:MOST_PARTICIPANTS]
    changes = {}
    if people != thread.participant_emails:
        changes["participant_emails"] = people
    earlier = Message.objects.filter(thread=thread, sent_at__lte=message.sent_at).exists()
    if not earlier and thread.subject != readable(message.subject):
        changes["subject"] = readable(message.subject)
    if thread.lead_id is None and thread.client_id is None and (whose := owner_of(others)):
        changes["lead" if isinstance(whose, Lead) else "client"] = whose
    if changes:
        Thread.everything.filter(pk=thread.pk).update(**changes)
        for name, value in changes.items():
            setattr(thread, name, value)


def readable(subject: str) -> str:
    """`subject` as a conversation is called: as it was written, without "Re:" before it."""
    stripped, low = " ".join(subject.split()), bare(subject)
    start = stripped.casefold().rfind(low) if low else -1
    return (stripped[start : start + len(low)] if start >= 0 else stripped)[:LONGEST_THREAD_SUBJECT]


# Who


def our_addresses() -> frozenset[str]:
    """In lower case: the mailboxes, the staff, and the house."""
    boxes = Mailbox.everything.annotate(low=Lower("address")).values_list("low", flat=True)
    staff = User.objects.exclude(email="").annotate(low=Lower("email")).values_list("low", flat=True)
    return frozenset([*boxes, *staff, house()[1].lower()])


def outsiders(mail: Mail, ours: frozenset[str]) -> list[str]:
    """Who takes part in `mail` and is not one of us."""
    return [one for one in mail.people if one not in ours]


def owner_of(addresses: Iterable[str]) -> Record | None:
    """The one live lead or client that has one of `addresses`; None where nobody has, or more than one."""
    low = {one.lower() for one in addresses}
    if not low:
        return None
    clients = list(Client.objects.annotate(low=Lower("email")).filter(low__in=low)[:2])
    through = Contact.objects.annotate(low=Lower("email")).filter(low__in=low)
    clients += list(Client.objects.filter(contact_links__contact__in=through).distinct()[:2])
    leads = list(Lead.objects.open().annotate(low=Lower("contact_email")).filter(low__in=low)[:2])
    found = list(dict.fromkeys([*clients, *leads]))
    return found[0] if len(found) == 1 else None


# What is written down


def message_of(mailbox: Mailbox, thread: Thread, mail: Mail, *, is_read: bool, ours: frozenset[str]) -> Message:
    """`mail` as a message of `thread`, not saved yet."""
    out = mail.from_email in ours
    message = Message(
        thread=thread,
        mailbox=mailbox,
        direction=Direction.OUT if out else Direction.IN,
        state=MessageState.SENT if out else MessageState.RECEIVED,
        message_id=mail.message_id,
        in_reply_to=mail.in_reply_to,
        references=list(mail.references),
        nature=nature_of(mail),
        from_email=mail.from_email,
        from_name=mail.from_name,
        reply_to=mail.reply_to,
        to_emails=list(mail.to),
        cc_emails=list(mail.cc),
        subject=mail.subject,
        body_text=mail.text,
        body_html=mail.html,
        sent_at=bounded(mail.sent_at),
        is_read=is_read or out,
    )
    message.attachments = [
        received(file.name, file.type, file.data, reverse("admin:inbox_thread_file", args=[message.pk, place]))
        for place, file in enumerate(mail.files)
    ]
    return message


def bounded(moment: datetime | None) -> datetime:
    """When a mail counts as written: never in the future, whatever it says."""
    now = timezone.now()
    return min(moment, now) if moment else now
