"""A new lead that may exist already: the conversation is linked to the existing record instead."""

import pytest
from django.urls import reverse

from crm.exceptions import IllegalTransition
from leads.models import Lead
from suggestions.models import Suggestion, SuggestionStatus, SuggestionType
from suggestions.transitions import approve, undo
from suggestions.transitions.link_instead import link_instead
from tests.cast import browser, make_client, make_lead, make_suggestion, make_thread, make_user, page_text

pytestmark = pytest.mark.django_db
NORA = {"contactName": "Nora New", "contactEmail": "nora@example.com", "contactPhone": "(415) 555-0132"}


def make_new_lead(**kw) -> Suggestion:
    return make_suggestion(SuggestionType.CREATE_LEAD, thread=make_thread(), suggested_content=NORA, **kw)


def page(suggestion) -> str:
    return reverse("admin:suggestions_suggestion_change", args=[suggestion.pk])


def link_url(suggestion, record) -> str:
    kind = record._meta.model_name
    return reverse("admin:suggestions_suggestion_link_instead", args=[suggestion.pk, kind, record.pk])


def test_page_shows_possible_duplicates_that_the_reader_may_see(ann, bob, as_ann):
    suggestion = make_new_lead()
    lead = make_lead(contact_name="N. New", contact_phone="+1 415 555 0132", assigned_to=ann)
    make_client(name="Hidden Person", phone="415-555-0132", assigned_to=bob)
    text = page_text(as_ann.get(page(suggestion)))
    assert "1 possible duplicate" in text
    assert "Same phone number" in text
    assert link_url(suggestion, lead) in text
    assert "Hidden Person" not in text


@pytest.mark.parametrize("make", [make_lead, make_client])
def test_one_press_links_the_conversation_and_creates_no_lead(ann, as_ann, make):
    suggestion = make_new_lead()
    record = make()
    leads = Lead.objects.count()
    answer = as_ann.post(link_url(suggestion, record), follow=True)
    assert f"Conversation linked to {record}. No lead was created." in page_text(answer)
    suggestion.refresh_from_db()
    suggestion.thread.refresh_from_db()
    assert (suggestion.status, suggestion.reviewed_by) == (SuggestionStatus.REJECTED, ann)
    assert record in (suggestion.thread.lead, suggestion.thread.client)
    assert Lead.objects.count() == leads
    undo(Suggestion.objects.get(type=SuggestionType.LINK_THREAD), by=ann)
    suggestion.thread.refresh_from_db()
    assert (suggestion.thread.lead, suggestion.thread.client) == (None, None)


def test_approving_anyway_creates_the_lead(ann):
    make_lead(contact_name="Nora New", contact_phone="4155550132")
    suggestion = make_new_lead()
    approve(suggestion, by=ann)
    assert Lead.objects.filter(contact_email="nora@example.com").exists()
    with pytest.raises(IllegalTransition):
        link_instead(suggestion, make_lead(), by=ann)


def test_decided_suggestion_and_one_without_a_conversation_link_nothing(ann):
    lead = make_lead()
    alone = make_suggestion(SuggestionType.CREATE_LEAD, suggested_content=NORA)
    with pytest.raises(IllegalTransition, match="no conversation"):
        link_instead(alone, lead, by=ann)
    task = make_suggestion(thread=make_thread(), lead=lead)
    with pytest.raises(IllegalTransition, match="no conversation"):
        link_instead(task, lead, by=ann)


def test_record_out_of_sight_is_not_linked(ann, bob, as_ann):
    suggestion, hidden = make_new_lead(), make_lead(assigned_to=bob)
    assert as_ann.post(link_url(suggestion, hidden)).status_code == 404
    with pytest.raises(IllegalTransition, match="do not have access"):
        link_instead(suggestion, hidden, by=ann)
    suggestion.refresh_from_db()
    assert suggestion.status == SuggestionStatus.PENDING


def test_viewer_cannot_link():
    suggestion, lead = make_new_lead(), make_lead()
    assert browser(make_user("vera", "viewer")).post(link_url(suggestion, lead)).status_code == 403
