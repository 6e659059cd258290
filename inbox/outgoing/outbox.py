"""What goes out: mails are composed once, kept to the letter, and handed over at most once.

A message waits as QUEUED, is claimed as SENDING right before its data is said, and ends as SENT, FAILED (nobody
has it) or UNCERTAIN (nobody here can tell). The contact dates move when it is SENT.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from django.db import transaction
from django.db.models import F
from django.urls import reverse
from django.utils import timezone

from crm.exceptions import BadInput, IllegalMove
from crm.models import User
from crm.records.activity import Actor
from crm.runtime.delivery import Delivery, Outcome, insisting
from crm.text.addresses import address, addresses, domain, header, house
from inbox.imap import filing
from inbox.models import OUTGOING, Direction, Mailbox, Message, MessageState, Provider, Thread, ThreadKey
from inbox.outgoing import tracking
from inbox.outgoing.mime import IDENTIFIER, as_html, letter, plain, references
from inbox.outgoing.smtp import hand_over
from inbox.thread_state import advance
from inbox.transitions import take_in

SEND = "inbox.send_message"
LONGEST = 100_000
MOST_PARTICIPANTS = 200
# What makes one mail another one.
KEPT = (
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
    message_id: str,
    cc: Iterable[str] = (),
    reply_to_message: Message | None = None,
    attachments: Sequence[dict[str, Any]] = (),
    links: bool = False,
    by: Actor | User,
) -> Message:
    """Add a mail to `thread` that waits to be handed over, from `sender` (None: from the house).

    The same under the same `message_id`, if it failed, waits again. `attachments` are what `attachments.keep` returned.
    Where it is noted that mails are opened (`tracking.is_wanted`), it carries what that takes, and one that `links` to
    its proposal a line that leads there.

    Raises:
        NotAllowed: `by` may not send messages.
        BadInput: an address, the subject or the text cannot be sent.
        IllegalMove: that mail is on its way or has gone out already.
    """
    Actor.of(by).require(SEND, "send messages")
    if not IDENTIFIER.fullmatch(message_id):
        raise BadInput("A Message-ID looks like <name@host>.")
    message = Message(thread=thread, direction=Direction.OUT, state=MessageState.QUEUED, message_id=message_id)
    message.sent_at, message.is_read = timezone.now(), True
    message.from_name, message.from_email, message.reply_to = written_by(sender, thread.mailbox)
    message.to_emails, message.cc_emails = addressed(to, cc)
    message.in_reply_to, message.references = answering(reply_to_message)
    message.subject, message.body_text = header(subject, "subject"), worded(text)
    carry(message, links=links)
    message.attachments = with_addresses(attachments, message)
    Thread.everything.select_for_update().get(pk=thread.pk)
    expected(thread, sender, message_id)
    earlier = Message.objects.filter(thread=thread, message_id=message_id).first()
    return again(earlier, message) if earlier else take_in(message)


def with_addresses(attachments: Sequence[dict[str, Any]], message: Message) -> list[dict[str, Any]]:
    """`attachments`, each with the address at which staff open it."""
    return [
        {**entry, "url": reverse("admin:inbox_thread_file", args=[message.pk, place])}
        for place, entry in enumerate(attachments)
    ]


def carry(message: Message, *, links: bool) -> None:
    """Write the HTML of `message`, and put in what notes that it is opened or its proposal looked at, where wanted."""
    wanted = tracking.is_wanted(message.thread.lead)
    message.token = tracking.token_of(message.message_id) if wanted else ""
    if wanted and links:
        message.body_text = tracking.with_link(message.body_text, message.token)
    page = str(as_html(message.body_text))
    message.body_html = tracking.with_picture(page, message.token) if wanted else page


def written_by(sender: User | None, mailbox: Mailbox | None = None) -> tuple[str, str, str]:
    """The name and address that a mail comes from, and where an answer goes, empty for the same address.

    `mailbox` is that of the conversation: answers come back to it. It is written from only where it is of the house's
    own domain, for of another the mail server would be telling lies.
    """
    name, ours = house()
    name = name if sender is None else header(str(sender), "name of the sender")
    if takes_answers(mailbox):
        answer = address(mailbox.address)
        if answer.rpartition("@")[2].lower() == domain().lower():
            return name, answer, ""
    else:
        answer = address(sender.email) if sender is not None and sender.email else ""
    return name, ours, "" if answer.lower() == ours.lower() else answer


def takes_answers(mailbox: Mailbox | None) -> bool:
    """Whether what is sent to `mailbox` comes to us: files that were brought in are nobody's to answer to."""
    return mailbox is not None and mailbox.provider != Provider.IMPORT and not mailbox.is_deleted


def expected(thread: Thread, sender: User | None, message_id: str) -> None:
    """See to it that answers to a mail in `thread` from `sender` find the conversation in the mailbox they come to."""
    mailbox = thread.mailbox
    if not takes_answers(mailbox):
        _, ours, answer = written_by(sender)
        mailbox = Mailbox.objects.filter(address__iexact=answer or ours).first()
    if mailbox is not None:
        ThreadKey.objects.get_or_create(mailbox=mailbox, key=message_id, defaults={"thread": thread})


def addressed(to: Iterable[str], cc: Iterable[str]) -> tuple[list[str], list[str]]:
    """Recipients and those who get a copy, nobody twice."""
    to, cc = list(to), list(cc)
    everybody = addresses([*to, *cc])
    first = {one.lower() for one in addresses(to)}
    if not first:
        raise BadInput("Say whom it goes to: there is no address.")
    return [one for one in everybody if one.lower() in first], [one for one in everybody if one.lower() not in first]


def answering(earlier: Message | None) -> tuple[str, list[str]]:
    """The identifier of the mail that is answered, and the chain that leads to it."""
    if earlier is None:
        return "", []
    return earlier.message_id, references(Message(thread_id=earlier.thread_id, in_reply_to=earlier.message_id))


def worded(text: str) -> str:
    text = plain(text)
    if not text.strip():
        raise BadInput("The mail is empty: write something.")
    if len(text) > LONGEST:
        raise BadInput(f"The mail is longer than {LONGEST:,} characters.")
    return text


def again(earlier: Message, message: Message) -> Message:
    """`earlier` waiting once more if it is the same mail; else `message` in its place."""
    if earlier.state not in (MessageState.FAILED, MessageState.UNCERTAIN):
        raise IllegalMove(f"This mail is {earlier.get_state_display().lower()} already.")
    same = [file["sha256"] for file in earlier.attachments] == [file["sha256"] for file in message.attachments]
    if same and all(getattr(earlier, name) == getattr(message, name) for name in KEPT):
        moved(earlier, MessageState.QUEUED, error_message="")
        return earlier
    take_out(earlier)
    return take_in(message)


@transaction.atomic
def withdraw(message: Message) -> None:
    """Take back a mail that waits.

    Raises:
        IllegalMove: it is on its way, or has gone out.
    """
    row = Message.everything.select_for_update().get(pk=message.pk)
    if row.is_deleted:
        raise IllegalMove("The mail was taken back already.")
    if row.state == MessageState.SENDING:
        raise IllegalMove("The mail is being sent at this moment.")
    if row.state != MessageState.QUEUED:
        raise IllegalMove(f"It is too late to take the mail back: it is {row.get_state_display().lower()}.")
    take_out(message)


def take_out(message: Message) -> None:
    """Out of its conversation: it was written, and never went out."""
    if Message.objects.filter(pk=message.pk).update(deleted_at=timezone.now()):
        Thread.everything.filter(pk=message.thread_id).update(message_count=F("message_count") - 1)


# Out of the house; no transaction is open meanwhile


def deliver(message: Message, go: Callable[[], Delivery | None]) -> Delivery:
    """Hand `message` over to the mail server, unless `go()`, asked at the last moment, says how it ends instead."""
    message.refresh_from_db()
    if message.is_deleted:
        return Delivery(Outcome.REFUSED, "The mail was taken back.")
    if message.state != MessageState.QUEUED:
        return recovered(message)
    # When it is handed over; what is filed as sent says the same.
    message.sent_at = timezone.now()
    try:
        written = letter(message)
    except IllegalMove as refusal:
        return Delivery(Outcome.REFUSED, str(refusal))

    def last_call() -> Delivery | None:
        return go() or claim(message)

    delivery = hand_over(written, message.from_email, [*message.to_emails, *message.cc_emails], last_call)
    if delivery.outcome in (Outcome.LATER, Outcome.REFUSED):
        insisting(lambda: unclaim(message))
    return Delivery(delivery.outcome, delivery.said, message.message_id)


def claim(message: Message) -> Delivery | None:
    """Of two who have come this far with `message`, only one says its data."""
    won = Message.objects.filter(pk=message.pk, state=MessageState.QUEUED).update(
        state=MessageState.SENDING, sent_at=message.sent_at
    )
    return None if won else Delivery(Outcome.LEFT_ALONE)


def unclaim(message: Message) -> None:
    """It is proven that nobody took it."""
    Message.objects.filter(pk=message.pk, state=MessageState.SENDING).update(state=MessageState.QUEUED)


def recovered(message: Message) -> Delivery:
    """What can be known of a mail whose process has died."""
    message.refresh_from_db()
    if message.state == MessageState.SENT:
        return Delivery(Outcome.DONE, reference=message.message_id)
    if message.state in (MessageState.SENDING, MessageState.UNCERTAIN):
        said = "The program ended while the mail was being handed over: nobody knows whether it arrived."
        return Delivery(Outcome.UNKNOWN, said, message.message_id)
    return Delivery(Outcome.LATER, "The program ended before the mail went out.", message.message_id)


# What became of it


@transaction.atomic
def sent(message: Message) -> bool:
    """It went out: the contact dates follow, and whoever it went to takes part; whether that was news."""
    thread = Thread.everything.select_for_update().get(pk=message.thread_id)
    if not moved(message, MessageState.SENT, error_message=""):
        return False
    known = {one.lower() for one in thread.participant_emails}
    new = [one for one in (*message.to_emails, *message.cc_emails) if one.lower() not in known]
    thread.participant_emails = [*thread.participant_emails, *new][:MOST_PARTICIPANTS]
    advance(thread, message)
    filing.order(message)
    return True


def failed(message: Message, why: str) -> bool:
    """It did not go out, and `why`; whether that was news."""
    return moved(message, MessageState.FAILED, error_message=why or "Unknown.")


def uncertain(message: Message, why: str) -> bool:
    """It may have gone out: nobody knows, and `why`; whether that was news."""
    return moved(message, MessageState.UNCERTAIN, error_message=why or "Unknown.")


def moved(message: Message, to: str, **changes: Any) -> bool:
    """Compare-and-set the state of `message`; whether it was one from which it gets there."""
    allowed = [was for was, following in OUTGOING.items() if to in following]
    done = Message.objects.filter(pk=message.pk, state__in=allowed).update(state=to, **changes)
    message.refresh_from_db()
    return done == 1
