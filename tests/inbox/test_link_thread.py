"""Linking conversations to leads and clients."""

import pytest

from crm.exceptions import IllegalTransition, InvalidInput, NotPermitted
from crm.models import ActivityLog, ContactClient
from crm.records.activity import SYSTEM_ACTOR
from crm.records.transitions import soft_delete
from inbox.transitions import link, unlink
from tests.cast import browser, make_client, make_contact, make_lead, make_thread

pytestmark = pytest.mark.django_db


def link_url(thread) -> str:
    return f"/inbox/thread/{thread.pk}/do/link/"


def test_linking_thread_is_logged_on_lead_timeline(ann):
    thread, lead = make_thread(), make_lead()
    link(thread, lead=lead, by=ann)
    thread.refresh_from_db()
    line = ActivityLog.objects.on_timeline_of(lead)[0]
    assert thread.lead == lead
    assert (line.verb, line.target_id, line.metadata["lead"]) == ("linked", thread.pk, str(lead.pk))


def test_relinking_logs_key_of_previous_client_but_not_its_name(ann):
    first, second = make_client(name="First"), make_client(name="Second")
    thread = make_thread(client=first)
    link(thread, client=second, by=ann)
    entry = ActivityLog.objects.for_target(thread)[0]
    assert entry.summary.endswith("linked to Second")
    assert entry.metadata["was"] == str(first.pk)


def test_thread_can_have_lead_and_client(ann):
    thread = make_thread(lead=make_lead())
    client = make_client()
    link(thread, client=client, by=ann)
    thread.refresh_from_db()
    assert thread.lead is not None
    assert thread.client == client


def test_deleted_lead_cannot_be_linked(ann):
    thread, lead = make_thread(), make_lead()
    soft_delete(lead, by=SYSTEM_ACTOR)
    with pytest.raises(InvalidInput, match="This lead does not exist, was deleted, or you do not have access to it"):
        link(thread, lead=lead, by=ann)


def test_invisible_lead_cannot_be_linked(ann, bob, max):
    thread, lead = make_thread(), make_lead(assigned_to=bob)
    with pytest.raises(InvalidInput, match="do not have access to it"):
        link(thread, lead=lead, by=ann)
    link(thread, lead=lead, by=max)


def test_linking_same_lead_twice_is_refused(ann):
    lead = make_lead()
    thread = make_thread(lead=lead)
    with pytest.raises(IllegalTransition, match="is already linked to"):
        link(thread, lead=lead, by=ann)


def test_deleted_thread_cannot_be_linked(ann):
    thread = make_thread()
    soft_delete(thread, by=SYSTEM_ACTOR)
    with pytest.raises(IllegalTransition, match="is deleted; restore it first"):
        link(thread, lead=make_lead(), by=ann)


@pytest.mark.parametrize("both", [True, False])
def test_linking_needs_exactly_one_target(ann, both):
    targets = {"lead": make_lead(), "client": make_client()} if both else {}
    with pytest.raises(InvalidInput, match="Choose a lead or a client"):
        link(make_thread(), **targets, by=ann)


def test_viewer_cannot_link(vera):
    with pytest.raises(NotPermitted):
        link(make_thread(), lead=make_lead(), by=vera)


def test_unlinking_clears_both_and_keeps_contact_date(ann):
    lead, client = make_lead(), make_client()
    thread = make_thread(lead=lead, client=client)
    unlink(thread, by=ann)
    thread.refresh_from_db()
    assert (thread.lead, thread.client) == (None, None)
    for one in (lead, client):
        assert "no longer linked to" in ActivityLog.objects.on_timeline_of(one)[0].summary
    with pytest.raises(IllegalTransition, match="is not linked to a lead or client"):
        unlink(thread, by=ann)


def test_link_page_proposes_owners_of_the_addresses(as_ann, bob):
    thread = make_thread(participant_emails=["mia@example.com", "office@agency.example"])
    lead = make_lead(contact_name="Mia Muster", contact_email="MIA@example.com")
    client = make_client(name="Muster Works")
    ContactClient.objects.create(contact=make_contact(email="mia@Example.com"), client=client)
    hidden = make_lead(contact_name="Mia of Bob", contact_email="office@agency.example", assigned_to=bob)
    page = as_ann.get(link_url(thread)).content.decode()
    assert f'name="lead" value="{lead.pk}"' in page
    assert f'name="client" value="{client.pk}"' in page
    assert str(hidden.pk) not in page


def test_link_page_searches_visible_leads_only(as_ann, bob):
    thread = make_thread()
    found, hidden = make_lead(contact_name="Zoe Zander"), make_lead(contact_name="Zoe Zander", assigned_to=bob)
    page = as_ann.get(link_url(thread), {"q": "zander"}).content.decode()
    assert str(found.pk) in page
    assert str(hidden.pk) not in page
    assert "Enter at least three characters." in as_ann.get(link_url(thread), {"q": "z"}).content.decode()


def test_posting_lead_links_thread(as_ann):
    thread, lead = make_thread(), make_lead()
    answer = as_ann.post(link_url(thread), {"lead": str(lead.pk)}, follow=True)
    assert f"linked to {lead}" in answer.content.decode()
    thread.refresh_from_db()
    assert thread.lead == lead


@pytest.mark.parametrize("data", [{}, {"lead": "x"}, {"lead": "00000000-0000-0000-0000-000000000000"}])
def test_invalid_link_target_is_refused(as_ann, data):
    thread = make_thread()
    answer = as_ann.post(link_url(thread), data)
    assert answer.status_code == 422
    thread.refresh_from_db()
    assert thread.lead is None


def test_viewer_cannot_open_link_page(vera):
    assert browser(vera).get(link_url(make_thread())).status_code == 403
