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
TAINTED_METADATA_KEY = "crm.tainted"
MAX_CHAT_INTERACTIONS = 100


def has_untrusted_content(suggestion: Suggestion, by: Actor | None = None) -> bool:
    """Whether outsiders' words are among what `suggestion` was made of; `by` is who proposes it."""
    return (
        cites_untrusted_messages(suggestion)
        or interactions_are_untrusted(evidence_keys(suggestion, "interaction") | as_key_set(suggestion.interaction_id))
        or Suggestion.everything.filter(pk__in=evidence_keys(suggestion, "suggestion"), tainted=True).exists()
        or (is_model_written(suggestion, by) and model_saw_untrusted_content(suggestion))
    )


def cites_untrusted_messages(suggestion: Suggestion) -> bool:
    """Whether they said something in the conversation, or are quoted."""
    threads = evidence_keys(suggestion, "thread") | as_key_set(suggestion.thread_id)
    if suggestion.ticket is not None:
        threads |= as_key_set(suggestion.ticket.thread_id)
    messages = evidence_keys(suggestion, "message") | as_key_set(suggestion.message_id)
    cited = Q(thread__in=threads) | Q(pk__in=messages)
    if (threads or messages) and inbound_messages().filter(cited).exists():
        return True
    return has_inbound_messages(evidence_keys(suggestion, "lead"), evidence_keys(suggestion, "client"))


def is_model_written(suggestion: Suggestion, by: Actor | None = None) -> bool:
    """Whether a model had a hand in it: it was given what was said, whether or not it says so."""
    is_external_actor = by is not None and by.type in {ActorType.AI, ActorType.EXTERNAL}
    # A text that was not given is the database's default, an expression and no text.
    names_model = isinstance(suggestion.ai_model_version, str) and suggestion.ai_model_version != ""
    return is_external_actor or names_model


def model_saw_untrusted_content(suggestion: Suggestion) -> bool:
    """Whether a model that wrote it had outsiders' words before it; what is about nobody we know came from outside."""
    if suggestion.lead_id is None and suggestion.client_id is None:
        return True
    return suggestion.ticket_id is not None or has_inbound_messages(
        as_key_set(suggestion.lead_id), as_key_set(suggestion.client_id)
    )


def interactions_are_untrusted(interactions: set[UUID]) -> bool:
    """Whether one of `interactions`, or of the talk that it belongs to, was about somebody who had said something."""
    if not interactions:
        return False
    rows = AIInteraction.objects.filter(pk__in=interactions)
    conversations = {row.conversation_id for row in rows if row.conversation_id}
    if conversations:
        earlier = AIInteraction.objects.filter(conversation_id__in=conversations).order_by("-created_at")
        rows = [*rows, *earlier.only("lead", "client", "metadata")[:MAX_CHAT_INTERACTIONS]]
    if any(row.metadata.get(TAINTED_METADATA_KEY) for row in rows):
        return True
    return has_inbound_messages({row.lead_id for row in rows} - {None}, {row.client_id for row in rows} - {None})


def has_inbound_messages(leads: set[UUID], clients: set[UUID]) -> bool:
    """Whether somebody outside wrote in any conversation of these."""
    return any(
        pks and inbound_messages().filter(**{f"thread__{relation}__in": pks}).exists()
        for relation, pks in (("lead", leads), ("client", clients))
    )


def inbound_messages() -> QuerySet[Message]:
    return Message.objects.filter(direction=Direction.IN)


def as_key_set(pk: UUID | None) -> set[UUID]:
    return {pk} if pk else set()


def evidence_keys(suggestion: Suggestion, source: str) -> set[UUID]:
    """The keys of what its evidence quotes of `source`; what is no key is passed over."""
    found = set()
    for entry in suggestion.evidence if isinstance(suggestion.evidence, list) else []:
        if isinstance(entry, dict) and entry.get("source") == source:
            with suppress(KeyError, ValueError, TypeError, AttributeError):
                found.add(UUID(str(entry["id"])))
    return found
