"""Conversations on the pages of leads and clients, and on the first screen."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from inbox.dashboard import replies_owed, we_owe
from inbox.models import Message
from inbox.panels import SHOWN
from inbox.transitions import take_in
from tests.cast import browser, make_client, make_lead, make_thread

pytestmark = pytest.mark.django_db
NOW = timezone.now()


def talk(subject="Talk", messages=1, days=0, **kw):
    thread = make_thread(subject=subject, **kw)
    for number in range(messages):
        at = NOW - timedelta(days=days, hours=messages - number)
        take_in(Message(thread=thread, direction="in", body_text=f"{subject} {number}", sent_at=at))
    return thread


def test_the_leads_page_shows_the_latest_open_with_its_last_words(as_ann):
    lead = make_lead()
    talk("Old", lead=lead, days=5)
    talk("New", messages=6, lead=lead)
    page = as_ann.get(f"/leads/lead/{lead.pk}/change/").content.decode()
    assert page.index('<details class="talk" open>') < page.index("New 5") < page.index('<details class="talk">')
    assert "New 2" not in page
    assert "All 6 messages" in page
    assert f"/inbox/thread/add/?lead={lead.pk}" in page


def test_the_clients_page_shows_its_own(as_ann):
    client = make_client()
    talk("With the client", client=client)
    talk("With another", client=make_client())
    page = as_ann.get(f"/crm/client/{client.pk}/change/").content.decode()
    assert "With the client 0" in page
    assert "With another" not in page


def test_more_than_it_shows_are_one_link_away(as_ann):
    lead = make_lead()
    for number in range(SHOWN + 1):
        talk(f"Talk {number}", lead=lead)
    page = as_ann.get(f"/leads/lead/{lead.pk}/change/").content.decode()
    assert f"/inbox/thread/?lead={lead.pk}" in page


def test_a_viewer_is_not_asked_to_log_and_a_stranger_sees_nothing(vera):
    lead = make_lead()
    talk("Secret", lead=lead)
    page = browser(vera).get(f"/leads/lead/{lead.pk}/change/").content.decode()
    assert "Secret 0" in page
    assert "Log a conversation" not in page


def test_the_section_costs_the_same_for_one_conversation_and_for_ten(as_ann):
    lead = make_lead()
    address = f"/leads/lead/{lead.pk}/change/"
    talk(lead=lead)
    as_ann.get(address)
    with CaptureQueriesContext(connection) as few:
        as_ann.get(address)
    for _ in range(SHOWN - 1):
        talk(messages=4, lead=lead)
    with CaptureQueriesContext(connection) as many:
        as_ann.get(address)
    assert len(few) == len(many) <= 25


def test_today_counts_and_shows_what_we_owe_the_longest_wait_first(ann, bob, stranger):
    talk("Yesterday", lead=make_lead(), days=1)
    talk("Last week", lead=make_lead(assigned_to=ann), days=7)
    talk("Bobs", lead=make_lead(assigned_to=bob), days=9)
    assert replies_owed(ann, NOW).value == "2"
    assert [thread.subject for thread in we_owe(ann, NOW).shown] == ["Last week", "Yesterday"]
    assert replies_owed(stranger, NOW) is we_owe(stranger, NOW) is None
