"""The outbox: an email is composed once, never changes afterwards, and is handed over at most once.

A message waits as QUEUED, is claimed as SENDING right before its data is sent, and ends as SENT, FAILED (the mail
server did not take it) or UNCERTAIN (delivery unconfirmed). One that a person must look at again before it leaves is
HELD. The contact dates move when it is SENT.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from django.db import transaction
from django.db.models import F
from django.urls import reverse
from django.utils import timezone

from crm.exceptions import IllegalTransition, InvalidInput
from crm.models import User
from crm.records.activity import Actor
from crm.runtime.delivery import Delivery, DeliveryOutcome, retry_while_database_down
from crm.text.addresses import agency_domain, agency_sender, clean_address, clean_addresses, clean_header
from crm.text.email_bodies.quotes import own_text
from crm.text.html.markup import strip_markup
from inbox.imap import filing
from inbox.incoming.parsing import make_snippet
from inbox.models import OUTGOING_TRANSITIONS, Direction, Mailbox, Message, MessageState, Provider, Thread, ThreadKey
from inbox.outgoing import tracking
from inbox.outgoing.mime import (
    SENDABLE_MESSAGE_ID,
    build_email,
    clean_body_text,
    composed_to_html,
    reference_chain,
    text_to_html,
)
from inbox.outgoing.smtp import send_via_smtp
from inbox.thread_state import apply_message
from inbox.transitions import add_to_thread

SEND_PERMISSION = "inbox.send_message"
MAX_EMAIL_LENGTH = 100_000
MAX_THREAD_PARTICIPANTS = 200
# Two emails that differ in one of these are different emails.
IDENTITY_FIELDS = (
    "in_reply_to",
    "from_email",
    "from_name",
    "reply_to",
    "to_emails",
    "cc_emails",
    "subject",
    "body_text",
    "body_html",
)


@transaction.atomic
def compose(
    thread: Thread,
    *,
    sender: User | None,
    to: Iterable[str],
    subject: str,
    text: str,
    plain_below: str | None = None,
    message_id: str,
    cc: Iterable[str] = (),
    reply_to_message: Message | None = None,
    attachments: Sequence[dict[str, Any]] = (),
    links_to_proposal: bool = False,
    by: Actor | User,
) -> Message:
    """Add an email to `thread` that waits to be handed over, from `sender` (None: from the agency).

    `text` is plain, unless there is a `plain_below`, which may be empty: then `text` is what a person has written, with
    mark-up, and `plain_below` stands under it, such as the signature and what the email quotes.

    If the same email with the same `message_id` failed before, it waits again. `attachments` come from
    `store_attachment`. Where opening is tracked, it carries the picture, and if it `links_to_proposal` that link.

    Raises:
        NotPermitted: `by` may not send messages.
        InvalidInput: an address, the subject or the text cannot be sent.
        IllegalTransition: this email is being sent, or was sent already.
    """
    Actor.of(by).require_permission(SEND_PERMISSION, "send messages")
    message = start_message(thread, message_id, sender)
    message.to_emails, message.cc_emails = check_recipients(to, cc)
    message.in_reply_to, message.references = reply_headers(reply_to_message)
    message.subject, message.body_text = clean_header(subject, "subject"), check_body(text)
    add_formatted_text(message, plain_below)
    add_html_and_tracking(message, links_to_proposal=links_to_proposal)
    message.attachments = with_file_urls(attachments, message)
    Thread.everything.select_for_update().get(pk=thread.pk)
    register_reply_key(thread, sender, message_id)
    earlier = Message.objects.filter(thread=thread, message_id=message_id).first()
    return requeue_or_replace(earlier, message) if earlier else add_to_thread(message)


def start_message(thread: Thread, message_id: str, sender: User | None) -> Message:
    """Return an outgoing message of `sender` in `thread`, without recipients and text. It is not saved.

    Raises:
        InvalidInput: `message_id` is no Message-ID.
    """
    if not SENDABLE_MESSAGE_ID.fullmatch(message_id):
        raise InvalidInput(f"{message_id!r} is not a Message-ID: it must look like <name@host>.")
    message = Message(thread=thread, direction=Direction.OUT, state=MessageState.QUEUED, message_id=message_id)
    message.sent_at, message.is_read = timezone.now(), True
    message.from_name, message.from_email, message.reply_to = sender_headers(sender, thread.mailbox)
    return message


def with_file_urls(attachments: Sequence[dict[str, Any]], message: Message) -> list[dict[str, Any]]:
    """Return `attachments`, each with the URL at which staff open it."""
    return [
        {**entry, "url": reverse("admin:inbox_thread_file", args=[message.pk, place])}
        for place, entry in enumerate(attachments)
    ]


def add_formatted_text(message: Message, plain_below: str | None) -> None:
    """Complete the text of `message`, so far what a person wrote, with `plain_below`; write its HTML and snippet.

    Without `plain_below`, the text is plain, and stays as it is.
    """
    if plain_below is None:
        return
    written, below = message.body_text, clean_body_text(plain_below)
    if below:
        message.body_text = check_body(f"{written}\n\n{below}")
    message.body_html = str(composed_to_html(written, below))
    message.snippet = make_snippet(own_text(strip_markup(written)))


def add_html_and_tracking(message: Message, *, links_to_proposal: bool) -> None:
    """Write the HTML of `message` if there is none, and where opening is tracked, its picture and proposal link."""
    is_tracked = tracking.should_track(message.thread.lead)
    message.token = tracking.tracking_token(message.message_id) if is_tracked else ""
    if is_tracked and links_to_proposal:
        message.body_text = tracking.add_proposal_link(message.body_text, message.token)
    html = message.body_html or str(text_to_html(message.body_text))
    message.body_html = tracking.add_tracking_pixel(html, message.token) if is_tracked else html


def sender_headers(sender: User | None, mailbox: Mailbox | None = None) -> tuple[str, str, str]:
    """Return the name and address that an email is sent from, and its Reply-To, empty where it is the same address.

    `mailbox` is the mailbox of the thread, to which replies come. It is the sender only if it is in the agency's own
    domain: for another domain our mail server may not send.
    """
    name, agency_address = agency_sender()
    name = name if sender is None else clean_header(str(sender), "sender name")
    if accepts_replies(mailbox):
        reply_address = clean_address(mailbox.address)
        if reply_address.rpartition("@")[2].lower() == agency_domain().lower():
            return name, reply_address, ""
    else:
        reply_address = clean_address(sender.email) if sender is not None and sender.email else ""
    return name, agency_address, "" if reply_address.lower() == agency_address.lower() else reply_address


def accepts_replies(mailbox: Mailbox | None) -> bool:
    """Return whether we receive what is sent to `mailbox`: an import has no mailbox that receives."""
    return mailbox is not None and mailbox.provider != Provider.IMPORT and not mailbox.is_deleted


def register_reply_key(thread: Thread, sender: User | None, message_id: str) -> None:
    """Register `message_id`, so that a reply to `sender` is put into `thread` in the mailbox that receives it."""
    mailbox = thread.mailbox
    if not accepts_replies(mailbox):
        _, agency_address, reply_address = sender_headers(sender)
        mailbox = Mailbox.objects.filter(address__iexact=reply_address or agency_address).first()
    if mailbox is not None:
        ThreadKey.objects.get_or_create(mailbox=mailbox, key=message_id, defaults={"thread": thread})


def check_recipients(to: Iterable[str], cc: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the To and Cc addresses, each address once."""
    to, cc = list(to), list(cc)
    all_addresses = clean_addresses([*to, *cc])
    to_addresses = {one.lower() for one in clean_addresses(to)}
    if not to_addresses:
        raise InvalidInput("There is no recipient: enter at least one address.")
    return [one for one in all_addresses if one.lower() in to_addresses], [
        one for one in all_addresses if one.lower() not in to_addresses
    ]


def reply_headers(earlier: Message | None) -> tuple[str, list[str]]:
    """Return the Message-ID of the email that is answered, and the references that lead to it."""
    if earlier is None:
        return "", []
    return earlier.message_id, reference_chain(Message(thread_id=earlier.thread_id, in_reply_to=earlier.message_id))


def check_body(text: str) -> str:
    text = clean_body_text(text)
    if not text.strip():
        raise InvalidInput("The email is empty: write something.")
    if len(text) > MAX_EMAIL_LENGTH:
        raise InvalidInput(f"The email has {len(text):,} characters: shorten it to {MAX_EMAIL_LENGTH:,}.")
    return text


def requeue_or_replace(earlier: Message, message: Message) -> Message:
    """Queue `earlier` again if it is the same email; otherwise put `message` in its place."""
    if earlier.state not in (MessageState.FAILED, MessageState.UNCERTAIN):
        raise IllegalTransition(f"This email is {earlier.get_state_display().lower()} already.")
    has_same_files = [file["sha256"] for file in earlier.attachments] == [
        file["sha256"] for file in message.attachments
    ]
    if has_same_files and all(getattr(earlier, name) == getattr(message, name) for name in IDENTITY_FIELDS):
        set_email_state(earlier, MessageState.QUEUED, error_message="")
        return earlier
    remove_from_thread(earlier)
    return add_to_thread(message)


@transaction.atomic
def withdraw(message: Message) -> None:
    """Take back a queued email; it leaves its thread.

    Raises:
        IllegalTransition: it is being sent, or was sent.
    """
    row = Message.everything.select_for_update().get(pk=message.pk)
    if row.is_deleted:
        raise IllegalTransition("The email was taken back already.")
    if row.state == MessageState.SENDING:
        raise IllegalTransition("The email is being sent at this moment.")
    if row.state != MessageState.QUEUED:
        raise IllegalTransition(f"It is too late to take the email back: it is {row.get_state_display().lower()}.")
    remove_from_thread(message)


def remove_from_thread(message: Message) -> None:
    """Delete `message`, which was never sent, from its thread."""
    if Message.objects.filter(pk=message.pk).update(deleted_at=timezone.now()):
        Thread.everything.filter(pk=message.thread_id).update(message_count=F("message_count") - 1)


# Handing over, outside any transaction


def deliver(message: Message, final_check: Callable[[], Delivery | None]) -> Delivery:
    """Hand `message` over to the mail server, unless `final_check()`, called right before, returns another outcome."""
    message.refresh_from_db()
    if message.is_deleted:
        return Delivery(DeliveryOutcome.REJECTED, "The email was taken back.")
    if message.state != MessageState.QUEUED:
        return recover_delivery(message)
    # The time of handing over; the copy in the Sent folder has the same date.
    message.sent_at = timezone.now()
    try:
        email_bytes = build_email(message)
    except IllegalTransition as error:
        return Delivery(DeliveryOutcome.REJECTED, str(error))

    def check_and_claim() -> Delivery | None:
        return final_check() or claim(message)

    delivery = send_via_smtp(email_bytes, message.from_email, [*message.to_emails, *message.cc_emails], check_and_claim)
    if delivery.outcome in (DeliveryOutcome.RETRY_LATER, DeliveryOutcome.REJECTED):
        retry_while_database_down(lambda: unclaim(message))
    return Delivery(delivery.outcome, delivery.message, message.message_id)


def claim(message: Message) -> Delivery | None:
    """Claim `message`: of two workers that come this far, only one sends its data."""
    is_claimed = Message.objects.filter(pk=message.pk, state=MessageState.QUEUED).update(
        state=MessageState.SENDING, sent_at=message.sent_at
    )
    return None if is_claimed else Delivery(DeliveryOutcome.SKIPPED)


def unclaim(message: Message) -> None:
    """Queue `message` again: the mail server provably did not take it."""
    Message.objects.filter(pk=message.pk, state=MessageState.SENDING).update(state=MessageState.QUEUED)


def recover_delivery(message: Message) -> Delivery:
    """Return what is known of an email after its worker died."""
    message.refresh_from_db()
    if message.state == MessageState.SENT:
        return Delivery(DeliveryOutcome.DELIVERED, reference=message.message_id)
    if message.state in (MessageState.SENDING, MessageState.UNCERTAIN):
        explanation = "The program stopped while it was sending the email: delivery unconfirmed."
        return Delivery(DeliveryOutcome.UNCONFIRMED, explanation, message.message_id)
    return Delivery(DeliveryOutcome.RETRY_LATER, "The program stopped before it sent the email.", message.message_id)


# Outcomes


@transaction.atomic
def mark_email_sent(message: Message) -> bool:
    """Mark `message` as sent, move the contact dates, and add the recipients to its participants.

    Returns:
        Whether the state changed.
    """
    thread = Thread.everything.select_for_update().get(pk=message.thread_id)
    if not set_email_state(message, MessageState.SENT, error_message=""):
        return False
    participants = {one.lower() for one in thread.participant_emails}
    new_participants = [one for one in (*message.to_emails, *message.cc_emails) if one.lower() not in participants]
    thread.participant_emails = [*thread.participant_emails, *new_participants][:MAX_THREAD_PARTICIPANTS]
    apply_message(thread, message)
    filing.enqueue_filing(message)
    return True


def mark_email_failed(message: Message, reason: str) -> bool:
    """Mark `message` as failed because of `reason`; return whether the state changed."""
    return set_email_state(message, MessageState.FAILED, error_message=reason or "Unknown.")


def mark_email_uncertain(message: Message, reason: str) -> bool:
    """Mark the delivery of `message` as unconfirmed because of `reason`; return whether the state changed."""
    return set_email_state(message, MessageState.UNCERTAIN, error_message=reason or "Unknown.")


def mark_email_held(message: Message, reason: str) -> bool:
    """Hold `message` until a person decides, because of `reason`; return whether the state changed."""
    return set_email_state(message, MessageState.HELD, error_message=reason)


def set_email_state(message: Message, to: str, **changes: Any) -> bool:
    """Move `message` to the state `to` if its transitions allow it; return whether they did."""
    allowed = [was for was, targets in OUTGOING_TRANSITIONS.items() if to in targets]
    updated = Message.objects.filter(pk=message.pk, state__in=allowed).update(state=to, **changes)
    message.refresh_from_db()
    return updated == 1
