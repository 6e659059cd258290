"""A conversation is linked to a lead or a client, once, and back."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.urls import reverse
from django.utils import timezone

from crm.exceptions import IllegalTransition, InvalidInput
from crm.records.activity import SYSTEM_ACTOR
from crm.records.transitions import purge, soft_delete
from inbox.incoming.merging import merge_threads
from inbox.models import Direction, Message, Thread
from inbox.thread_state import store_threads
from inbox.transitions import add_to_thread, link
from suggestions.models import Suggestion, SuggestionStatus, SuggestionType
from suggestions.transitions import StaleSuggestion, approve, undo
from tests.cast import browser, make_client, make_lead, make_suggestion, make_thread, make_ticket, page_text
from tests.suggestions.kinds.held_execution import approve_while_paused, resume_and_run

LINK = SuggestionType.LINK_THREAD


def test_linking_thread_sets_lead_contact_date(ann):
    thread, lead, said = make_thread(), make_lead(), timezone.now() - timedelta(days=1)
    add_to_thread(
        Message(thread=thread, direction=Direction.IN, from_email="a@example.com", body_text="Hi", sent_at=said)
    )
    suggestion = make_suggestion(LINK, thread=thread, lead=lead)
    approve(suggestion, by=ann)
    thread.refresh_from_db()
    lead.refresh_from_db()
    assert (thread.lead, lead.last_contact_at) == (lead, said)
    assert suggestion.result == {"thread": str(thread.pk), "lead": str(lead.pk)}


def test_thread_is_linked_to_client(ann):
    thread, client = make_thread(), make_client()
    approve(make_suggestion(LINK, thread=thread, client=client), by=ann)
    thread.refresh_from_db()
    assert (thread.lead, thread.client) == (None, client)


def test_lead_and_thread_are_taken_from_content(db):
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
def test_missing_target_is_refused(db, named, sentence):
    content = {"lead": str(make_lead().pk), **named}
    with pytest.raises((InvalidInput, IllegalTransition)) as refused:
        make_suggestion(LINK, lead=None, suggested_content=content)
    assert sentence in str(refused.value)


def test_linking_needs_exactly_one_target(db):
    lead, client = make_lead(), make_client()
    both = {"lead": str(lead.pk), "client": str(client.pk)}
    for content in (both, {}):
        with pytest.raises(InvalidInput, match="Name a lead or a client"):
            make_suggestion(LINK, lead=None, suggested_content=content)


def test_changing_the_target_on_approval_is_refused(ann):
    suggestion, other = make_suggestion(LINK), make_lead()
    with pytest.raises(InvalidInput, match="the lead or client that it is about"):
        approve(suggestion, by=ann, content={**suggestion.suggested_content, "lead": str(other.pk)})


def test_already_linked_thread_is_refused(db):
    lead = make_lead(contact_name="Lee")
    with pytest.raises(IllegalTransition, match="already linked to this lead"):
        make_suggestion(LINK, thread=make_thread(lead=lead), lead=lead)


def test_thread_linked_elsewhere_before_approval_asks_again(ann):
    suggestion, other = make_suggestion(LINK), make_lead(contact_name="Olga")
    link(suggestion.thread, lead=other, by=SYSTEM_ACTOR)
    with pytest.raises(StaleSuggestion, match="is linked to another lead since this was suggested"):
        approve(suggestion, by=ann)
    approve(suggestion, by=ann, as_of=timezone.now())
    suggestion.thread.refresh_from_db()
    assert suggestion.thread.lead == suggestion.lead
    undo(suggestion, by=ann)
    suggestion.thread.refresh_from_db()
    assert suggestion.thread.lead == other


def test_thread_linked_elsewhere_before_execution_fails(ann):
    suggestion, other = make_suggestion(LINK), make_lead(contact_name="Olga")
    execution = approve_while_paused(suggestion, ann)
    link(suggestion.thread, lead=other, by=SYSTEM_ACTOR)
    assert resume_and_run(suggestion, execution).state == "FAILED"
    assert "is linked to another lead since this was suggested. Look again." in suggestion.error_message


def test_thread_linked_to_same_lead_before_execution_succeeds(ann):
    suggestion = make_suggestion(LINK)
    execution = approve_while_paused(suggestion, ann)
    link(suggestion.thread, lead=suggestion.lead, by=SYSTEM_ACTOR)
    assert resume_and_run(suggestion, execution).state == "SUCCEEDED"
    assert suggestion.result["linked_already"] is True
    with pytest.raises(IllegalTransition, match="was linked already"):
        undo(suggestion, by=ann)
    suggestion.thread.refresh_from_db()
    assert suggestion.thread.lead == suggestion.lead


@pytest.mark.parametrize("gone", [False, True])
def test_lead_deleted_before_execution_fails(ann, gone):
    suggestion = make_suggestion(LINK, lead=make_lead(contact_name="Lee"))
    execution = approve_while_paused(suggestion, ann)
    soft_delete(suggestion.lead, by=SYSTEM_ACTOR)
    if gone:
        purge(suggestion.lead, by=SYSTEM_ACTOR)
    assert resume_and_run(suggestion, execution).state == "FAILED"
    said = "The lead of this suggestion no longer exists." if gone else "The lead “Lee” is deleted; restore it first."
    assert suggestion.error_message == said


def test_undo_removes_only_the_new_link(ann):
    client = make_client()
    suggestion = make_suggestion(LINK, thread=make_thread(client=client))
    approve(suggestion, by=ann)
    undo(suggestion, by=ann)
    suggestion.thread.refresh_from_db()
    assert (suggestion.thread.lead, suggestion.thread.client) == (None, client)
    assert suggestion.status == SuggestionStatus.PENDING


def test_undo_is_refused_after_relinking(ann):
    suggestion = make_suggestion(LINK)
    approve(suggestion, by=ann)
    link(suggestion.thread, lead=make_lead(contact_name="Olga"), by=SYSTEM_ACTOR)
    with pytest.raises(IllegalTransition, match="is linked to another lead"):
        undo(suggestion, by=ann)


def test_page_shows_names_instead_of_keys(ann):
    suggestion = make_suggestion(
        LINK, thread=make_thread(subject="The red car"), lead=make_lead(contact_name="Lee Inc.")
    )
    page = page_text(browser(ann).get(reverse("admin:suggestions_suggestion_change", args=[suggestion.pk])))
    assert "Link the conversation “The red car” to Lee Inc.<" in page
    assert '<dt>Conversation</dt> <dd class="wrap">The red car</dd>' in page
    approve(suggestion, by=ann)
    page = page_text(browser(ann).get(reverse("admin:suggestions_suggestion_change", args=[suggestion.pk])))
    assert f">{suggestion.thread_id}<" not in page
    assert Suggestion.objects.get().status == SuggestionStatus.APPROVED


def test_queue_lists_suggestion(ann):
    make_suggestion(LINK, reasoning="They wrote from his address.")
    page = browser(ann).get(reverse("admin:suggestions_suggestion_changelist")).content.decode()
    assert "They wrote from his address." in page


def test_merged_thread_is_linked(ann):
    thread, whole, lead = make_thread(), make_thread(), make_lead()
    suggestion = make_suggestion(LINK, thread=thread, lead=lead)
    merge_threads([(whole, thread)], reason="a mail ties them together")
    store_threads([whole])
    suggestion.refresh_from_db()
    approve(suggestion, by=ann)
    whole.refresh_from_db()
    assert whole.lead == lead


def test_ticket_follows_merged_threads(db):
    first, second, third = make_thread(), make_thread(), make_thread()
    ticket = make_ticket(client=make_client(), thread=first)
    for kept, gone in ((second, first), (third, second)):
        merge_threads([(kept, gone)], reason="a mail ties them together")
        store_threads([kept])
    ticket.refresh_from_db()
    assert ticket.thread == third
    assert Thread.everything.get(pk=first.pk).merged_thread == third
