"""The way in for what is not a mail that came: calls and notes that were logged, and what we send."""

from django.db import transaction
from django.db.models.expressions import DatabaseDefault

from crm.exceptions import refusing
from crm.text.quotes import own_words
from inbox.incoming.parsing import snippet
from inbox.models import Message, Thread
from inbox.thread_state import advance


@transaction.atomic
def take_in(message: Message) -> Message:
    """Add `message` to its thread and move the dates of thread and lead, never backwards.

    A message whose Message-ID the thread already has changes nothing; the one kept is returned.

    Raises:
        BadInput: a field or constraint refuses it.
    """
    fill_in(message)
    thread = Thread.everything.select_for_update().get(pk=message.thread_id)
    if message.message_id:
        known = thread.messages.filter(message_id=message.message_id).first()
        if known:
            return known
    message.snippet = message.snippet or snippet(message.summary or own_words(message.body_text))
    with refusing():
        message.full_clean()
        message.save(force_insert=True)
    thread.message_count += 1
    advance(thread, message)
    return message


def fill_in(message: Message) -> None:
    """Make texts of what was left to the database, until saved neither empty nor text, and of what it cannot keep."""
    for field in message._meta.concrete_fields:
        value = getattr(message, field.attname)
        if isinstance(value, str):
            setattr(message, field.attname, value.replace("\x00", ""))
        elif field.db_default == "" and isinstance(value, DatabaseDefault):
            setattr(message, field.attname, "")
