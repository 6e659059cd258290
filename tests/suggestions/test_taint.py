"""What rests on an outsider's words says so, however far it is from them."""

import pytest

from ai_log.models import AIInteraction
from crm.models import ActorType
from crm.records.activity import SYSTEM_ACTOR, Actor
from suggestions.models import Suggestion, SuggestionType
from suggestions.policy.taint import TAINTED_METADATA_KEY
from suggestions.transitions import propose
from tests.cast import make_client, make_lead, make_thread, make_ticket
from tests.suggestions.full_suggestion import make_message

pytestmark = pytest.mark.django_db
MODEL = Actor(ActorType.AI, name="scout")


@pytest.fixture
def lead_with_message():
    """A lead who has written to us."""
    lead = make_lead()
    make_message(make_thread(lead=lead))
    return lead


def make_interaction(**kw) -> AIInteraction:
    return AIInteraction.objects.create(type="Summary", source="AI Assistant", content="?", **kw)


def tainted(by: Actor = SYSTEM_ACTOR, **kw) -> bool:
    if "lead" not in kw and "client" not in kw:
        kw["lead"] = make_lead()
    kw.setdefault("suggested_content", {"title": "Call back"})
    return propose(Suggestion(type=kw.pop("type", SuggestionType.TASK), **kw), by=by).tainted


def test_suggestion_without_outside_message_is_clean():
    assert not tainted()
    assert not tainted(by=MODEL)
    assert not tainted(interaction=make_interaction(lead=make_lead()))


def test_inbound_thread_taints_and_outbound_does_not(lead_with_message):
    assert tainted(thread=lead_with_message.threads.get())
    assert not tainted(thread=make_thread())
    message = lead_with_message.threads.get().messages.get()
    assert tainted(message=message)
    for source, pk in (("message", message.pk), ("thread", message.thread_id), ("lead", lead_with_message.pk)):
        assert tainted(evidence=[{"source": source, "id": str(pk), "quote": "go"}])


def test_summary_of_outside_messages_is_tainted(lead_with_message):
    assert tainted(interaction=make_interaction(lead=lead_with_message))
    assert tainted(evidence=[{"source": "interaction", "id": str(make_interaction(lead=lead_with_message).pk)}])
    assert tainted(interaction=make_interaction(metadata={TAINTED_METADATA_KEY: True}))


def test_summary_of_tainted_chat_is_tainted(lead_with_message):
    make_interaction(lead=lead_with_message, conversation_id="talk")
    assert tainted(interaction=make_interaction(conversation_id="talk"))
    assert not tainted(interaction=make_interaction(conversation_id="another talk"))


def test_suggestion_based_on_tainted_suggestion_is_tainted(lead_with_message):
    first = propose(
        Suggestion(
            type=SuggestionType.TASK,
            thread=lead_with_message.threads.get(),
            lead=lead_with_message,
            suggested_content={"title": "Call"},
        ),
        by=SYSTEM_ACTOR,
    )
    assert tainted(evidence=[{"source": "suggestion", "id": str(first.pk)}])


def test_model_suggestion_for_lead_with_inbound_messages_is_tainted(lead_with_message):
    assert tainted(by=MODEL, lead=lead_with_message)
    assert not tainted(by=SYSTEM_ACTOR, lead=lead_with_message)
    assert tainted(by=SYSTEM_ACTOR, lead=lead_with_message, ai_model_version="small-1")
    client = make_client()
    make_message(make_thread(client=client))
    assert tainted(by=MODEL, client=client)


def test_model_suggestion_without_lead_is_tainted():
    assert tainted(by=MODEL, lead=None)


def test_ticket_taints_model_suggestion():
    ticket = make_ticket()
    assert tainted(by=MODEL, ticket=ticket)
    assert not tainted(by=SYSTEM_ACTOR, ticket=ticket)
    thread = make_thread()
    make_message(thread)
    ticket.thread = thread
    ticket.save()
    assert tainted(by=SYSTEM_ACTOR, ticket=ticket)


def test_proposer_cannot_clear_taint(lead_with_message):
    assert tainted(lead=make_lead(), tainted=True)
    assert tainted(thread=lead_with_message.threads.get(), tainted=False)
