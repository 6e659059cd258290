"""Read the stored source of a received email again, such as after a change of the parser."""

from django.db import transaction

from crm.exceptions import IllegalTransition
from inbox.incoming.batch_storage import copy_content
from inbox.incoming.merging import MAX_PARTICIPANTS
from inbox.incoming.message_kinds import classify_message
from inbox.incoming.parsing import NotAnEmail, parse_email
from inbox.incoming.participants import OwnerLookup, attribute_sender, external_participants
from inbox.incoming.processing_queue import queue_changed_threads
from inbox.incoming.sources import read_source
from inbox.models import Direction, Message, Thread
from inbox.thread_state import recount_threads, store_threads, update_contact_dates, update_sentiment

# What is read from the source of an email. Its identifiers stay, because its thread follows from them.
REREAD_COLUMNS = ("nature", "from_email", "from_name", "reply_to", "to_emails", "cc_emails", "subject", "body_text")
REREAD_COLUMNS += ("is_closing", "body_html", "snippet", "sent_at", "media", "attachments")


@transaction.atomic
def reparse_message(message: Message, own_addresses: frozenset[str]) -> bool:
    """Read the source of `message` again, update its thread, and return whether anything changed.

    Raises:
        IllegalTransition: `message` was not received, or its source is missing or unreadable.
    """
    if message.direction != Direction.IN:
        raise IllegalTransition("Only a received email can be read again.")
    try:
        mail = attribute_sender(parse_email(read_source(message)), own_addresses)
    except NotAnEmail as error:
        raise IllegalTransition(f"The original of this email cannot be read. {error}") from error
    thread = Thread.everything.select_for_update().get(pk=message.thread_id)
    was = [getattr(message, name) for name in REREAD_COLUMNS]
    identifiers = message.in_reply_to, message.references
    misread = set(external_participants(message, own_addresses))
    owners = OwnerLookup(set(mail.participants) - own_addresses)
    message.nature = classify_message(mail, own_addresses, owners.owners_by_address)
    copy_content(message, mail)
    message.in_reply_to, message.references = identifiers
    if mail.sent_at and mail.sent_at < message.created_at:
        message.sent_at = mail.sent_at
    if was == [getattr(message, name) for name in REREAD_COLUMNS]:
        return False
    message.save(update_fields=[*REREAD_COLUMNS, "updated_at"])
    misread -= {person for one in thread.messages.defer("body_text", "body_html") for person in one.participants}
    people = [*thread.participant_emails, *external_participants(message, own_addresses)]
    thread.participant_emails = [one for one in dict.fromkeys(people) if one not in misread][:MAX_PARTICIPANTS]
    forget_sentiment_of(thread, message)
    recount_threads([thread])
    store_threads([thread])
    update_contact_dates([thread])
    queue_changed_threads([thread], update_sentiment([thread.pk]))
    return True


def forget_sentiment_of(thread: Thread, message: Message) -> None:
    """Let the sentiment of `thread` be detected again if it was detected in `message`."""
    judged = thread.metadata.get("sentiment")
    if isinstance(judged, dict) and judged.get("message") == str(message.pk):
        thread.metadata = {**thread.metadata, "sentiment": {**judged, "message": ""}}
        thread.save(update_fields=["metadata"])
