"""What rests on an outsider's words says so, however far it is from them."""

import pytest

from ai_log.models import AIInteraction
from crm.models import ActorType
from crm.records.activity import SYSTEM, Actor
from suggestions.models import Suggestion, SuggestionType
from suggestions.policy.taint import TAINTED
from suggestions.transitions import propose
from tests.cast import make_client, make_lead, make_thread, make_ticket
from tests.suggestions.full import make_message

pytestmark = pytest.mark.django_db
MODEL = Actor(ActorType.AI, name="scout")


@pytest.fixture
def spoken():
    """A lead who has written to us."""
    lead = make_lead()
    make_message(make_thread(lead=lead))
    return lead


def asked(**kw) -> AIInteraction:
    return AIInteraction.objects.create(type="Summary", source="AI Assistant", content="?", **kw)


def tainted(by: Actor = SYSTEM, **kw) -> bool:
    if "lead" not in kw and "client" not in kw:
        kw["lead"] = make_lead()
    kw.setdefault("suggested_content", {"title": "Call back"})
    return propose(Suggestion(type=kw.pop("type", SuggestionType.TASK), **kw), by=by).tainted


def test_what_rests_on_nobody_s_words_is_clean():
    assert not tainted()
    assert not tainted(by=MODEL)
    assert not tainted(interaction=asked(lead=make_lead()))


def test_a_conversation_in_which_they_spoke_taints_and_one_of_ours_does_not(spoken):
    assert tainted(thread=spoken.threads.get())
    assert not tainted(thread=make_thread())
    message = spoken.threads.get().messages.get()
    assert tainted(message=message)
    for source, pk in (("message", message.pk), ("thread", message.thread_id), ("lead", spoken.pk)):
        assert tainted(evidence=[{"source": source, "id": str(pk), "quote": "go"}])


def test_a_summary_of_their_words_taints(spoken):
    assert tainted(interaction=asked(lead=spoken))
    assert tainted(evidence=[{"source": "interaction", "id": str(asked(lead=spoken).pk)}])
    assert tainted(interaction=asked(metadata={TAINTED: True}))


def test_a_summary_of_the_summary_taints(spoken):
    asked(lead=spoken, conversation_id="talk")
    assert tainted(interaction=asked(conversation_id="talk"))
    assert not tainted(interaction=asked(conversation_id="another talk"))


def test_what_was_made_of_a_tainted_suggestion_is_tainted(spoken):
    first = propose(
        Suggestion(
            type=SuggestionType.TASK, thread=spoken.threads.get(), lead=spoken, suggested_content={"title": "Call"}
        ),
        by=SYSTEM,
    )
    assert tainted(evidence=[{"source": "suggestion", "id": str(first.pk)}])


def test_a_model_that_names_nothing_was_told_what_was_said_all_the_same(spoken):
    assert tainted(by=MODEL, lead=spoken)
    assert not tainted(by=SYSTEM, lead=spoken)
    assert tainted(by=SYSTEM, lead=spoken, ai_model_version="small-1")
    client = make_client()
    make_message(make_thread(client=client))
    assert tainted(by=MODEL, client=client)


def test_what_a_model_says_about_nobody_we_know_came_from_outside():
    assert tainted(by=MODEL, lead=None)


def test_a_ticket_is_a_customer_s_words():
    ticket = make_ticket()
    assert tainted(by=MODEL, ticket=ticket)
    assert not tainted(by=SYSTEM, ticket=ticket)
    thread = make_thread()
    make_message(thread)
    ticket.thread = thread
    ticket.save()
    assert tainted(by=SYSTEM, ticket=ticket)


def test_it_is_never_taken_away_by_whoever_proposes(spoken):
    assert tainted(lead=make_lead(), tainted=True)
    assert tainted(thread=spoken.threads.get(), tainted=False)
