"""A conversation is linked to a lead or a client, once, and back."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.urls import reverse
from django.utils import timezone

from crm.exceptions import BadInput, IllegalMove
from crm.records.activity import SYSTEM
from crm.records.transitions import purge, soft_delete
from inbox.incoming.merging import unite
from inbox.models import Direction, Message, Thread
from inbox.thread_state import store
from inbox.transitions import link, take_in
from suggestions.models import Suggestion, SuggestionStatus, SuggestionType
from suggestions.transitions import OldNews, approve, undo
from tests.cast import browser, make_client, make_lead, make_suggestion, make_thread, make_ticket
from tests.suggestions.kinds.waiting import approved_and_held, carried_out

LINK = SuggestionType.LINK_THREAD


def test_it_is_linked_with_its_contact_date(ann):
    thread, lead, said = make_thread(), make_lead(), timezone.now() - timedelta(days=1)
    take_in(Message(thread=thread, direction=Direction.IN, from_email="a@example.com", body_text="Hi", sent_at=said))
    suggestion = make_suggestion(LINK, thread=thread, lead=lead)
    approve(suggestion, by=ann)
    thread.refresh_from_db()
    lead.refresh_from_db()
    assert (thread.lead, lead.last_contact_at) == (lead, said)
    assert suggestion.result == {"thread": str(thread.pk), "lead": str(lead.pk)}


def test_a_client_may_be_the_target(ann):
    thread, client = make_thread(), make_client()
    approve(make_suggestion(LINK, thread=thread, client=client), by=ann)
    thread.refresh_from_db()
    assert (thread.lead, thread.client) == (None, client)


def test_it_stands_on_the_timeline_of_the_target_that_its_content_names(db):
    thread, lead = make_thread(), make_lead()
    content = {"thread": str(thread.pk), "lead": str(lead.pk)}
    suggestion = make_suggestion(LINK, lead=None, thread=None, suggested_content=content)
    assert (suggestion.lead, suggestion.thread) == (lead, thread)


@pytest.mark.parametrize(
    ("named", "sentence"),
    [
        ({"lead": "nobody"}, "lead: This must be the key of a record."),
        ({"lead": str(uuid4())}, "The lead of this suggestion no longer exists."),
        ({"thread": str(uuid4())}, "The conversation of this suggestion no longer exists."),
        ({"client": "both"}, "client: This must be the key of a record."),
    ],
)
def test_what_does_not_exist_is_refused(db, named, sentence):
    content = {"lead": str(make_lead().pk), **named}
    with pytest.raises((BadInput, IllegalMove)) as refused:
        make_suggestion(LINK, lead=None, suggested_content=content)
    assert sentence in str(refused.value)


def test_two_targets_or_none_are_refused(db):
    lead, client = make_lead(), make_client()
    both = {"lead": str(lead.pk), "client": str(client.pk)}
    for content in (both, {}):
        with pytest.raises(BadInput, match="Name a lead or a client"):
            make_suggestion(LINK, lead=None, suggested_content=content)


def test_it_is_about_the_target_it_links_to(ann):
    suggestion, other = make_suggestion(LINK), make_lead()
    with pytest.raises(BadInput, match="the lead or client that it is about"):
        approve(suggestion, by=ann, content={**suggestion.suggested_content, "lead": str(other.pk)})


def test_what_is_linked_already_is_not_proposed(db):
    lead = make_lead(contact_name="Lee")
    with pytest.raises(IllegalMove, match="already linked to Lee"):
        make_suggestion(LINK, thread=make_thread(lead=lead), lead=lead)


def test_linked_elsewhere_meanwhile_it_is_shown_before_it_is_approved(ann):
    suggestion, other = make_suggestion(LINK), make_lead(contact_name="Olga")
    link(suggestion.thread, lead=other, by=SYSTEM)
    with pytest.raises(OldNews, match="is linked to Olga since this was suggested"):
        approve(suggestion, by=ann)
    approve(suggestion, by=ann, as_of=timezone.now())
    suggestion.thread.refresh_from_db()
    assert suggestion.thread.lead == suggestion.lead
    undo(suggestion, by=ann)
    suggestion.thread.refresh_from_db()
    assert suggestion.thread.lead == other


def test_linked_elsewhere_between_approval_and_execution_it_fails(ann):
    suggestion, other = make_suggestion(LINK), make_lead(contact_name="Olga")
    execution = approved_and_held(suggestion, ann)
    link(suggestion.thread, lead=other, by=SYSTEM)
    assert carried_out(suggestion, execution).state == "FAILED"
    assert "is linked to Olga since this was suggested. Look again." in suggestion.error_message


def test_linked_to_the_very_same_between_approval_and_execution_there_is_nothing_left_to_do(ann):
    suggestion = make_suggestion(LINK)
    execution = approved_and_held(suggestion, ann)
    link(suggestion.thread, lead=suggestion.lead, by=SYSTEM)
    assert carried_out(suggestion, execution).state == "SUCCEEDED"
    assert suggestion.result["linked_already"] is True
    with pytest.raises(IllegalMove, match="was linked already"):
        undo(suggestion, by=ann)
    suggestion.thread.refresh_from_db()
    assert suggestion.thread.lead == suggestion.lead


@pytest.mark.parametrize("gone", [False, True])
def test_a_lead_deleted_between_approval_and_execution(ann, gone):
    suggestion = make_suggestion(LINK, lead=make_lead(contact_name="Lee"))
    execution = approved_and_held(suggestion, ann)
    soft_delete(suggestion.lead, by=SYSTEM)
    if gone:
        purge(suggestion.lead, by=SYSTEM)
    assert carried_out(suggestion, execution).state == "FAILED"
    said = "The lead of this suggestion no longer exists." if gone else "The lead “Lee” is deleted; restore it first."
    assert suggestion.error_message == said


def test_undone_it_is_as_it_was(ann):
    client = make_client()
    suggestion = make_suggestion(LINK, thread=make_thread(client=client))
    approve(suggestion, by=ann)
    undo(suggestion, by=ann)
    suggestion.thread.refresh_from_db()
    assert (suggestion.thread.lead, suggestion.thread.client) == (None, client)
    assert suggestion.status == SuggestionStatus.PENDING


def test_it_is_not_undone_where_somebody_has_linked_it_elsewhere(ann):
    suggestion = make_suggestion(LINK)
    approve(suggestion, by=ann)
    link(suggestion.thread, lead=make_lead(contact_name="Olga"), by=SYSTEM)
    with pytest.raises(IllegalMove, match="is linked to Olga"):
        undo(suggestion, by=ann)


def test_people_read_names_and_no_keys(ann):
    suggestion = make_suggestion(
        LINK, thread=make_thread(subject="The red car"), lead=make_lead(contact_name="Lee Inc.")
    )
    page = browser(ann).get(reverse("admin:suggestions_suggestion_change", args=[suggestion.pk])).content.decode()
    assert "Links the conversation “The red car” to Lee Inc.<" in page
    assert '<dt>Conversation</dt><dd class="wrap">The red car</dd>' in page
    approve(suggestion, by=ann)
    page = browser(ann).get(reverse("admin:suggestions_suggestion_change", args=[suggestion.pk])).content.decode()
    assert f">{suggestion.thread_id}<" not in page
    assert Suggestion.objects.get().status == SuggestionStatus.APPROVED


def test_the_queue_lists_it(ann):
    make_suggestion(LINK, reasoning="They wrote from his address.")
    page = browser(ann).get(reverse("admin:suggestions_suggestion_changelist")).content.decode()
    assert "They wrote from his address." in page


def test_what_its_conversation_has_become_part_of_is_linked(ann):
    thread, whole, lead = make_thread(), make_thread(), make_lead()
    suggestion = make_suggestion(LINK, thread=thread, lead=lead)
    unite([(whole, thread)], why="a mail ties them together")
    store([whole])
    suggestion.refresh_from_db()
    approve(suggestion, by=ann)
    whole.refresh_from_db()
    assert whole.lead == lead


def test_a_ticket_goes_along_where_conversations_become_one(db):
    first, second, third = make_thread(), make_thread(), make_thread()
    ticket = make_ticket(client=make_client(), thread=first)
    for kept, gone in ((second, first), (third, second)):
        unite([(kept, gone)], why="a mail ties them together")
        store([kept])
    ticket.refresh_from_db()
    assert ticket.thread == third
    assert Thread.everything.get(pk=first.pk).whole == third
