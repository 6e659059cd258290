"""File sent email in the Sent folder of its mailbox, at most once, exactly as the mail server received it."""

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

# By then, a server that files outgoing email itself has done so.
FILING_DELAY = timedelta(seconds=20)
# Minutes to wait after the first failure, the second, and so on; after the last one, filing is given up.
FILING_RETRY_MINUTES = (1, 5, 15, 60, 240)


def enqueue_filing(message: Message) -> None:
    """Queue the filing of the just sent `message`, if it belongs to one of our mailboxes."""
    mailbox = find_home_mailbox(message)
    if mailbox is not None:
        defer_filing(mailbox.pk, message.pk, at=timezone.now() + FILING_DELAY)


def find_home_mailbox(message: Message) -> Mailbox | None:
    """Return the connected mailbox that `message` belongs to: its thread's, else its sender's."""
    connected = Mailbox.objects.connected()
    thread_mailbox = connected.filter(pk=message.thread.mailbox_id).first() if message.thread.mailbox_id else None
    senders = [one.lower() for one in (message.reply_to, message.from_email) if one]
    found = {one.address.lower(): one for one in connected.annotate(low=Lower("address")).filter(low__in=senders)}
    return thread_mailbox or next((found[one] for one in senders if one in found), None)


def file_message(pk: UUID, attempt: int) -> None:
    """File the email `pk`, unless it is already there. Failures are retried for some hours, then reported."""
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
    """Append `message` to the Sent folder, unless it is already there.

    Raises:
        ActionRefused: filing failed; the text says why.
    """
    with open_session(mailbox) as session:
        folder = get_sent_folder(mailbox) or find_sent_folder(session.folders())
        if not folder:
            raise FolderUnavailable("The Sent folder is unknown. Choose it in the mailbox settings.")
        if not session.has_message(folder, message.message_id):
            session.append_message(folder, build_email(message, for_sent_folder=True), message.sent_at)


@transaction.atomic
def retry_or_give_up(mailbox: Mailbox, message: Message, reason: str, attempt: int) -> None:
    """Queue another attempt, or report on the mailbox and on the sent email that filing has been given up."""
    if attempt <= len(FILING_RETRY_MINUTES):
        at = timezone.now() + timedelta(minutes=FILING_RETRY_MINUTES[attempt - 1])
        defer_filing(mailbox.pk, message.pk, at=at, attempt=attempt + 1)
        return
    error_text = f"The email was sent, but could not be filed in the Sent folder: {reason}"
    Message.objects.filter(pk=message.pk, state=MessageState.SENT).update(error_message=error_text)
    summary = f"“{message}” was sent, but could not be filed in the Sent folder: {reason}"
    record(mailbox, "not filed", by=SYSTEM_ACTOR, summary=summary, message=str(message.pk))
