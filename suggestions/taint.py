"""Whether a suggestion rests on what somebody outside the team wrote.

Taint is found here and never taken away by whoever proposes: an answer to a mail, a summary of it and a task made
of the summary all rest on the mail.
"""

from contextlib import suppress
from uuid import UUID

from django.db.models import QuerySet

from inbox.models import Direction, Message
from suggestions.models import Suggestion


def rests_on_outsiders(suggestion: Suggestion) -> bool:
    """Whether outsiders' words are among what `suggestion` was made of."""
    if suggestion.thread_id and said_by_them().filter(thread=suggestion.thread_id).exists():
        return True
    quoted = quoted_messages(suggestion)
    if quoted and said_by_them().filter(pk__in=quoted).exists():
        return True
    threads = quoted_keys(suggestion, "thread")
    return bool(threads) and said_by_them().filter(thread__in=threads).exists()


def said_by_them() -> QuerySet[Message]:
    return Message.objects.filter(direction=Direction.IN)


def quoted_messages(suggestion: Suggestion) -> set[UUID]:
    """The messages that `suggestion` answers or quotes."""
    return quoted_keys(suggestion, "message") | ({suggestion.message_id} if suggestion.message_id else set())


def quoted_keys(suggestion: Suggestion, source: str) -> set[UUID]:
    """The keys of what its evidence quotes of `source`; what is no key is passed over."""
    found = set()
    for entry in suggestion.evidence if isinstance(suggestion.evidence, list) else []:
        if isinstance(entry, dict) and entry.get("source") == source:
            with suppress(KeyError, ValueError, TypeError, AttributeError):
                found.add(UUID(str(entry["id"])))
    return found
