"""Whether a suggestion rests on what somebody outside the team wrote.

Taint is found here and never taken away by whoever proposes: an answer to a mail, a summary of it and a task made
of the summary all rest on the mail. What a model wrote rests on everything that was said around its lead or client,
whatever it names as evidence; what follows from a tainted suggestion is tainted (`transitions.following`).
"""

from contextlib import suppress
from uuid import UUID

from django.db.models import Q, QuerySet

from ai_log.models import AIInteraction
from crm.models import ActorType
from crm.records.activity import Actor
from inbox.models import Direction, Message
from suggestions.models import Suggestion

# In the metadata of an interaction: the question held an outsider's words, whoever it was about.
TAINTED = "crm.tainted"
MOST_OF_A_CONVERSATION = 100


def rests_on_outsiders(suggestion: Suggestion, by: Actor | None = None) -> bool:
    """Whether outsiders' words are among what `suggestion` was made of; `by` is who proposes it."""
    return (
        said_in(suggestion)
        or answered(quoted_keys(suggestion, "interaction") | key(suggestion.interaction_id))
        or Suggestion.everything.filter(pk__in=quoted_keys(suggestion, "suggestion"), tainted=True).exists()
        or (by_a_model(suggestion, by) and told_to_a_model(suggestion))
    )


def said_in(suggestion: Suggestion) -> bool:
    """Whether they said something in the conversation, or are quoted."""
    threads = quoted_keys(suggestion, "thread") | key(suggestion.thread_id)
    if suggestion.ticket is not None:
        threads |= key(suggestion.ticket.thread_id)
    messages = quoted_keys(suggestion, "message") | key(suggestion.message_id)
    asked = Q(thread__in=threads) | Q(pk__in=messages)
    if (threads or messages) and said_by_them().filter(asked).exists():
        return True
    return said_around(quoted_keys(suggestion, "lead"), quoted_keys(suggestion, "client"))


def by_a_model(suggestion: Suggestion, by: Actor | None = None) -> bool:
    """Whether a model had a hand in it: it was given what was said, whether or not it says so."""
    outside = by is not None and by.type in {ActorType.AI, ActorType.EXTERNAL}
    # A text that was not given is the database's default, an expression and no text.
    named = isinstance(suggestion.ai_model_version, str) and suggestion.ai_model_version != ""
    return outside or named


def told_to_a_model(suggestion: Suggestion) -> bool:
    """Whether a model that wrote it had outsiders' words before it; what is about nobody we know came from outside."""
    if suggestion.lead_id is None and suggestion.client_id is None:
        return True
    return suggestion.ticket_id is not None or said_around(key(suggestion.lead_id), key(suggestion.client_id))


def answered(interactions: set[UUID]) -> bool:
    """Whether one of `interactions`, or of the talk that it belongs to, was about somebody who had said something."""
    if not interactions:
        return False
    rows = AIInteraction.objects.filter(pk__in=interactions)
    talks = {row.conversation_id for row in rows if row.conversation_id}
    if talks:
        earlier = AIInteraction.objects.filter(conversation_id__in=talks).order_by("-created_at")
        rows = [*rows, *earlier.only("lead", "client", "metadata")[:MOST_OF_A_CONVERSATION]]
    if any(row.metadata.get(TAINTED) for row in rows):
        return True
    return said_around({row.lead_id for row in rows} - {None}, {row.client_id for row in rows} - {None})


def said_around(leads: set[UUID], clients: set[UUID]) -> bool:
    """Whether somebody outside wrote in any conversation of these."""
    return any(
        pks and said_by_them().filter(**{f"thread__{whose}__in": pks}).exists()
        for whose, pks in (("lead", leads), ("client", clients))
    )


def said_by_them() -> QuerySet[Message]:
    return Message.objects.filter(direction=Direction.IN)


def key(pk: UUID | None) -> set[UUID]:
    return {pk} if pk else set()


def quoted_keys(suggestion: Suggestion, source: str) -> set[UUID]:
    """The keys of what its evidence quotes of `source`; what is no key is passed over."""
    found = set()
    for entry in suggestion.evidence if isinstance(suggestion.evidence, list) else []:
        if isinstance(entry, dict) and entry.get("source") == source:
            with suppress(KeyError, ValueError, TypeError, AttributeError):
                found.add(UUID(str(entry["id"])))
    return found
