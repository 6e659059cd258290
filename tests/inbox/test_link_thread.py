"""Saying whose conversation it is."""

import pytest

from crm.exceptions import BadInput, IllegalMove, NotAllowed
from crm.models import ActivityLog, ContactClient
from crm.records.activity import SYSTEM
from crm.records.transitions import soft_delete
from inbox.transitions import link, unlink
from tests.cast import browser, make_client, make_contact, make_lead, make_thread

pytestmark = pytest.mark.django_db


def address(thread) -> str:
    return f"/inbox/thread/{thread.pk}/do/link/"


def test_a_conversation_is_linked_and_both_remember_it(ann):
    thread, lead = make_thread(), make_lead()
    link(thread, lead=lead, by=ann)
    thread.refresh_from_db()
    line = ActivityLog.objects.on_timeline_of(lead)[0]
    assert thread.lead == lead
    assert (line.verb, line.target_id, line.metadata["lead"]) == ("linked", thread.pk, str(lead.pk))


def test_linking_to_another_says_instead_of_whom(ann):
    first, second = make_client(name="First"), make_client(name="Second")
    thread = make_thread(client=first)
    link(thread, client=second, by=ann)
    assert ActivityLog.objects.done_to(thread)[0].summary.endswith("linked to Second instead of First")


def test_a_lead_and_a_client_can_both_be_linked(ann):
    thread = make_thread(lead=make_lead())
    client = make_client()
    link(thread, client=client, by=ann)
    thread.refresh_from_db()
    assert thread.lead is not None
    assert thread.client == client


def test_a_deleted_target_is_refused(ann):
    thread, lead = make_thread(), make_lead()
    soft_delete(lead, by=SYSTEM)
    with pytest.raises(BadInput, match="There is no such lead, or it is deleted or not yours to see"):
        link(thread, lead=lead, by=ann)


def test_a_target_that_one_may_not_see_is_refused(ann, bob, max):
    thread, lead = make_thread(), make_lead(assigned_to=bob)
    with pytest.raises(BadInput, match="not yours to see"):
        link(thread, lead=lead, by=ann)
    link(thread, lead=lead, by=max)


def test_linking_twice_to_the_same_is_refused(ann):
    lead = make_lead()
    thread = make_thread(lead=lead)
    with pytest.raises(IllegalMove, match="is already linked to"):
        link(thread, lead=lead, by=ann)


def test_a_deleted_conversation_is_linked_to_nobody(ann):
    thread = make_thread()
    soft_delete(thread, by=SYSTEM)
    with pytest.raises(IllegalMove, match="is deleted; restore it first"):
        link(thread, lead=make_lead(), by=ann)


@pytest.mark.parametrize("both", [True, False])
def test_exactly_one_target_is_asked_for(ann, both):
    targets = {"lead": make_lead(), "client": make_client()} if both else {}
    with pytest.raises(BadInput, match="Choose a lead or a client"):
        link(make_thread(), **targets, by=ann)


def test_a_viewer_links_nothing(vera):
    with pytest.raises(NotAllowed):
        link(make_thread(), lead=make_lead(), by=vera)


def test_unlinking_takes_it_from_both_and_keeps_the_contact_date(ann):
    lead, client = make_lead(), make_client()
    thread = make_thread(lead=lead, client=client)
    unlink(thread, by=ann)
    thread.refresh_from_db()
    assert (thread.lead, thread.client) == (None, None)
    for one in (lead, client):
        assert "no longer linked to" in ActivityLog.objects.on_timeline_of(one)[0].summary
    with pytest.raises(IllegalMove, match="is linked to nobody"):
        unlink(thread, by=ann)


def test_the_page_proposes_whom_an_address_belongs_to(as_ann, bob):
    thread = make_thread(participant_emails=["mia@example.com", "office@agency.example"])
    lead = make_lead(contact_name="Mia Muster", contact_email="MIA@example.com")
    client = make_client(name="Muster Works")
    ContactClient.objects.create(contact=make_contact(email="mia@Example.com"), client=client)
    hidden = make_lead(contact_name="Mia of Bob", contact_email="office@agency.example", assigned_to=bob)
    page = as_ann.get(address(thread)).content.decode()
    assert f'name="lead" value="{lead.pk}"' in page
    assert f'name="client" value="{client.pk}"' in page
    assert str(hidden.pk) not in page


def test_the_page_searches_what_the_user_may_see(as_ann, bob):
    thread = make_thread()
    found, hidden = make_lead(contact_name="Zoe Zander"), make_lead(contact_name="Zoe Zander", assigned_to=bob)
    page = as_ann.get(address(thread), {"q": "zander"}).content.decode()
    assert str(found.pk) in page
    assert str(hidden.pk) not in page
    assert "Write at least three letters" in as_ann.get(address(thread), {"q": "z"}).content.decode()


def test_one_press_links(as_ann):
    thread, lead = make_thread(), make_lead()
    answer = as_ann.post(address(thread), {"lead": str(lead.pk)}, follow=True)
    assert f"is linked to {lead}" in answer.content.decode()
    thread.refresh_from_db()
    assert thread.lead == lead


@pytest.mark.parametrize("data", [{}, {"lead": "x"}, {"lead": "00000000-0000-0000-0000-000000000000"}])
def test_what_cannot_be_linked_gets_a_sentence(as_ann, data):
    thread = make_thread()
    answer = as_ann.post(address(thread), data)
    assert answer.status_code == 422
    thread.refresh_from_db()
    assert thread.lead is None


def test_a_viewer_does_not_get_the_page(vera):
    assert browser(vera).get(address(make_thread())).status_code == 403
