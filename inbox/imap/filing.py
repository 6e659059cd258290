"""Filing what we sent in the folder of what was sent, at most once, as the mail server got it."""

from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Lower
from django.utils import timezone

from crm.exceptions import Refused
from crm.records.activity import SYSTEM, record
from inbox.imap.connection import LoginRefused, NoFolder, logged_in
from inbox.imap.folders import sent_among, sent_folder
from inbox.imap.jobs import defer_filing
from inbox.imap.transitions import shut_out
from inbox.models import Mailbox, Message, MessageState
from inbox.outgoing.mime import letter

# A server that files what goes out itself has done so by then.
FIRST = timedelta(seconds=20)
# Minutes until it is tried again, after one failure, two, and so on; then it is given up.
PAUSES = (1, 5, 15, 60, 240)


def order(message: Message) -> None:
    """Queue the filing of `message`, which has just gone out, where one of our mailboxes is its home."""
    home = home_of(message)
    if home is not None:
        defer_filing(home.pk, message.pk, at=timezone.now() + FIRST)


def home_of(message: Message) -> Mailbox | None:
    """The connected mailbox that `message` belongs into: that of its conversation, else that of its sender."""
    connected = Mailbox.objects.connected()
    own = connected.filter(pk=message.thread.mailbox_id).first() if message.thread.mailbox_id else None
    senders = [one.lower() for one in (message.reply_to, message.from_email) if one]
    found = {one.address.lower(): one for one in connected.annotate(low=Lower("address")).filter(low__in=senders)}
    return own or next((found[one] for one in senders if one in found), None)


def file(pk: UUID, attempt: int) -> None:
    """File the mail `pk`, unless it lies there already; tried again for some hours, and then told on the mailbox."""
    message = Message.objects.select_related("thread").filter(pk=pk, state=MessageState.SENT).first()
    home = home_of(message) if message else None
    if home is None:
        return
    try:
        laid_down(home, message)
    except LoginRefused as refusal:
        shut_out(home, refusal)
        not_filed(home, message, str(refusal), attempt)
    except Refused as refusal:
        not_filed(home, message, str(refusal), attempt)


def laid_down(home: Mailbox, message: Message) -> None:
    """Put `message` into the folder of what was sent, if it is not there.

    Raises:
        Refused: it could not be, and why.
    """
    with logged_in(home) as session:
        folder = sent_folder(home) or sent_among(session.folders())
        if not folder:
            raise NoFolder("No folder of what was sent is known: choose it on the mailbox.")
        if not session.holds(folder, message.message_id):
            session.put(folder, letter(message, ours=True), message.sent_at)


@transaction.atomic
def not_filed(home: Mailbox, message: Message, why: str, attempt: int) -> None:
    """Try again later, or say that it is given up, at the mailbox and at the mail, which has gone out."""
    if attempt <= len(PAUSES):
        at = timezone.now() + timedelta(minutes=PAUSES[attempt - 1])
        defer_filing(home.pk, message.pk, at=at, attempt=attempt + 1)
        return
    told = f"It went out, but could not be filed in the folder of what was sent: {why}"
    Message.objects.filter(pk=message.pk, state=MessageState.SENT).update(error_message=told)
    summary = f"“{message}” went out, but could not be filed in the folder of what was sent: {why}"
    record(home, "not filed", by=SYSTEM, summary=summary, message=str(message.pk))
