"""Filing what we sent in the folder of what was sent, at most once, as the mail server got it."""

from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Lower
from django.utils import timezone

from crm.exceptions import ActionRefused
from crm.records.activity import SYSTEM_ACTOR, record
from inbox.imap.connection import FolderUnavailable, LoginRefused, open_session
from inbox.imap.folders import find_sent_folder, get_sent_folder
from inbox.imap.jobs import defer_filing
from inbox.imap.transitions import mark_login_refused
from inbox.models import Mailbox, Message, MessageState
from inbox.outgoing.mime import build_email

# A server that files what goes out itself has done so by then.
FILING_DELAY = timedelta(seconds=20)
# Minutes until it is tried again, after one failure, two, and so on; then it is given up.
FILING_RETRY_MINUTES = (1, 5, 15, 60, 240)


def enqueue_filing(message: Message) -> None:
    """Queue the filing of `message`, which has just gone out, where one of our mailboxes is its home."""
    mailbox = find_home_mailbox(message)
    if mailbox is not None:
        defer_filing(mailbox.pk, message.pk, at=timezone.now() + FILING_DELAY)


def find_home_mailbox(message: Message) -> Mailbox | None:
    """The connected mailbox that `message` belongs into: that of its conversation, else that of its sender."""
    connected = Mailbox.objects.connected()
    thread_mailbox = connected.filter(pk=message.thread.mailbox_id).first() if message.thread.mailbox_id else None
    senders = [one.lower() for one in (message.reply_to, message.from_email) if one]
    found = {one.address.lower(): one for one in connected.annotate(low=Lower("address")).filter(low__in=senders)}
    return thread_mailbox or next((found[one] for one in senders if one in found), None)


def file_message(pk: UUID, attempt: int) -> None:
    """File the mail `pk`, unless it lies there already; tried again for some hours, and then told on the mailbox."""
    message = Message.objects.select_related("thread").filter(pk=pk, state=MessageState.SENT).first()
    mailbox = find_home_mailbox(message) if message else None
    if mailbox is None:
        return
    try:
        append_to_sent(mailbox, message)
    except LoginRefused as exception:
        mark_login_refused(mailbox, exception)
        retry_or_give_up(mailbox, message, str(exception), attempt)
    except ActionRefused as exception:
        retry_or_give_up(mailbox, message, str(exception), attempt)


def append_to_sent(mailbox: Mailbox, message: Message) -> None:
    """Put `message` into the folder of what was sent, if it is not there.

    Raises:
        ActionRefused: it could not be, and why.
    """
    with open_session(mailbox) as session:
        folder = get_sent_folder(mailbox) or find_sent_folder(session.folders())
        if not folder:
            raise FolderUnavailable("No folder of what was sent is known: choose it on the mailbox.")
        if not session.has_message(folder, message.message_id):
            session.append_message(folder, build_email(message, for_sent_folder=True), message.sent_at)


@transaction.atomic
def retry_or_give_up(mailbox: Mailbox, message: Message, reason: str, attempt: int) -> None:
    """Try again later, or say that it is given up, at the mailbox and at the mail, which has gone out."""
    if attempt <= len(FILING_RETRY_MINUTES):
        at = timezone.now() + timedelta(minutes=FILING_RETRY_MINUTES[attempt - 1])
        defer_filing(mailbox.pk, message.pk, at=at, attempt=attempt + 1)
        return
    error_text = f"It went out, but could not be filed in the folder of what was sent: {reason}"
    Message.objects.filter(pk=message.pk, state=MessageState.SENT).update(error_message=error_text)
    summary = f"“{message}” went out, but could not be filed in the folder of what was sent: {reason}"
    record(mailbox, "not filed", by=SYSTEM_ACTOR, summary=summary, message=str(message.pk))
