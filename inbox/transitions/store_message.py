"""Store a message that is not a received email: a logged call or note, or an email we send."""

from django.db import transaction

from crm.exceptions import errors_as_invalid_input
from crm.text.email_bodies.quotes import own_text
from inbox.incoming.parsing import make_snippet
from inbox.models import Message, Thread, ThreadSource
from inbox.thread_state import apply_message, is_closing_email


@transaction.atomic
def add_to_thread(message: Message) -> Message:
    """Add `message` to its thread and advance the dates of thread and lead (never backwards).

    If the thread already has a message with this Message-ID, return that one and change nothing.

    Raises:
        InvalidInput: a field or constraint refuses the message.
    """
    normalize_text_fields(message)
    thread = Thread.everything.select_for_update().get(pk=message.thread_id)
    if message.message_id:
        existing = thread.messages.filter(message_id=message.message_id).first()
        if existing:
            return existing
    message.snippet = message.snippet or make_snippet(message.summary or own_text(message.body_text))
    message.is_closing = thread.source == ThreadSource.EMAIL and is_closing_email(message)
    with errors_as_invalid_input():
        message.full_clean()
        message.save(force_insert=True)
    thread.message_count += 1
    apply_message(thread, message)
    return message


def normalize_text_fields(message: Message) -> None:
    """Remove the null characters, which the database cannot keep, from every text of `message`."""
    for field in message._meta.concrete_fields:
        value = getattr(message, field.attname)
        if isinstance(value, str):
            setattr(message, field.attname, value.replace("\x00", ""))
