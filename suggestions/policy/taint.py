"""Whether a suggestion is based on untrusted content: text from outside the team.

Such a suggestion is tainted, and the agent that proposes it cannot clear the mark. A reply to an email, a summary of
the email and a task made from the summary are all based on it. What a model wrote is based on everything that was said
about its lead or client, whatever it names as evidence. What follows from a tainted suggestion is tainted, too.
"""

from contextlib import suppress
from uuid import UUID

from django.db.models import Q, QuerySet

from ai_log.models import AIInteraction
from crm.models import ActorType
from crm.records.activity import Actor
from inbox.models import Direction, Message
from suggestions.models import Suggestion

# In the metadata of an interaction: the prompt contained untrusted content.
TAINTED_METADATA_KEY = "crm.tainted"
MAX_CHAT_INTERACTIONS = 100


def has_untrusted_content(suggestion: Suggestion, by: Actor | None = None) -> bool:
    """Return whether `suggestion` is based on untrusted content; `by` proposes it."""
    return (
        cites_untrusted_messages(suggestion)
        or interactions_are_untrusted(evidence_keys(suggestion, "interaction") | as_key_set(suggestion.interaction_id))
        or Suggestion.everything.filter(pk__in=evidence_keys(suggestion, "suggestion"), tainted=True).exists()
        or (is_model_written(suggestion, by) and model_saw_untrusted_content(suggestion))
    )


def cites_untrusted_messages(suggestion: Suggestion) -> bool:
    """Return whether the conversation or the evidence contains a message from outside."""
    threads = evidence_keys(suggestion, "thread") | as_key_set(suggestion.thread_id)
    if suggestion.ticket is not None:
        threads |= as_key_set(suggestion.ticket.thread_id)
    messages = evidence_keys(suggestion, "message") | as_key_set(suggestion.message_id)
    cited = Q(thread__in=threads) | Q(pk__in=messages)
    if (threads or messages) and inbound_messages().filter(cited).exists():
        return True
    return has_inbound_messages(evidence_keys(suggestion, "lead"), evidence_keys(suggestion, "client"))


def is_model_written(suggestion: Suggestion, by: Actor | None = None) -> bool:
    """Return whether a model wrote `suggestion`, or an agent or outside program proposes it."""
    is_external_actor = by is not None and by.type in {ActorType.AI, ActorType.EXTERNAL}
    # A text that was not given is the database's default: an expression, not a string.
    names_model = isinstance(suggestion.ai_model_version, str) and suggestion.ai_model_version != ""
    return is_external_actor or names_model


def model_saw_untrusted_content(suggestion: Suggestion) -> bool:
    """Return whether the model read untrusted content; without a lead or client everything came from outside."""
    if suggestion.lead_id is None and suggestion.client_id is None:
        return True
    return suggestion.ticket_id is not None or has_inbound_messages(
        as_key_set(suggestion.lead_id), as_key_set(suggestion.client_id)
    )


def interactions_are_untrusted(interactions: set[UUID]) -> bool:
    """Return whether one of `interactions`, or of their conversations, contained untrusted content."""
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
    """Return whether a conversation of these leads or clients contains a message from outside."""
    return any(
        pks and inbound_messages().filter(**{f"thread__{relation}__in": pks}).exists()
        for relation, pks in (("lead", leads), ("client", clients))
    )


def inbound_messages() -> QuerySet[Message]:
    return Message.objects.filter(direction=Direction.IN)


def as_key_set(pk: UUID | None) -> set[UUID]:
    return {pk} if pk else set()


def evidence_keys(suggestion: Suggestion, source: str) -> set[UUID]:
    """Return the keys that the evidence of `suggestion` names for `source`; malformed entries are skipped."""
    found = set()
    for entry in suggestion.evidence if isinstance(suggestion.evidence, list) else []:
        if isinstance(entry, dict) and entry.get("source") == source:
            with suppress(KeyError, ValueError, TypeError, AttributeError):
                found.add(UUID(str(entry["id"])))
    return found
