"""Conversations on the pages of leads and clients, and on the dashboard."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from inbox.dashboard import needs_reply_figure, needs_reply_panel
from inbox.models import Message
from inbox.panels import MAX_CONVERSATIONS_SHOWN
from inbox.transitions import add_to_thread
from tests.cast import browser, make_client, make_lead, make_thread

pytestmark = pytest.mark.django_db
NOW = timezone.now()


def make_conversation(subject="Talk", messages=1, days=0, **kw):
    thread = make_thread(subject=subject, **kw)
    for number in range(messages):
        at = NOW - timedelta(days=days, hours=messages - number)
        add_to_thread(Message(thread=thread, direction="in", body_text=f"{subject} {number}", sent_at=at))
    return thread


def test_lead_page_shows_latest_thread_expanded(as_ann):
    lead = make_lead()
    make_conversation("Old", lead=lead, days=5)
    make_conversation("New", messages=6, lead=lead)
    page = as_ann.get(f"/leads/lead/{lead.pk}/change/").content.decode()
    assert page.index('<details class="talk" open>') < page.index("New 5") < page.index('<details class="talk">')
    conversations, _, timeline = page.partition('<ol class="timeline">')
    assert "New 2" not in conversations and "New 2" in timeline
    assert "All 6 messages" in page
    assert f"/inbox/thread/add/?lead={lead.pk}" in page


def test_client_page_shows_only_its_threads(as_ann):
    client = make_client()
    make_conversation("With the client", client=client)
    make_conversation("With another", client=make_client())
    page = as_ann.get(f"/crm/client/{client.pk}/change/").content.decode()
    assert "With the client 0" in page
    assert "With another" not in page


def test_lead_page_links_to_remaining_threads(as_ann):
    lead = make_lead()
    for number in range(MAX_CONVERSATIONS_SHOWN + 1):
        make_conversation(f"Talk {number}", lead=lead)
    page = as_ann.get(f"/leads/lead/{lead.pk}/change/").content.decode()
    assert f"/inbox/thread/?lead={lead.pk}" in page


def test_viewer_sees_threads_but_no_log_button(vera):
    lead = make_lead()
    make_conversation("Secret", lead=lead)
    page = browser(vera).get(f"/leads/lead/{lead.pk}/change/").content.decode()
    assert "Secret 0" in page
    assert "Log a conversation" not in page


def test_query_count_is_constant_for_1_and_10_threads(as_ann):
    lead = make_lead()
    address = f"/leads/lead/{lead.pk}/change/"
    make_conversation(lead=lead)
    as_ann.get(address)
    with CaptureQueriesContext(connection) as few:
        as_ann.get(address)
    for _ in range(MAX_CONVERSATIONS_SHOWN - 1):
        make_conversation(messages=4, lead=lead)
    with CaptureQueriesContext(connection) as many:
        as_ann.get(address)
    assert len(few) == len(many) <= 26


def test_dashboard_lists_owed_replies_longest_wait_first(ann, bob, stranger):
    make_conversation("Yesterday", lead=make_lead(), days=1)
    make_conversation("Last week", lead=make_lead(assigned_to=ann), days=7)
    make_conversation("Bobs", lead=make_lead(assigned_to=bob), days=9)
    assert needs_reply_figure(ann, NOW).value == "2"
    assert [thread.subject for thread in needs_reply_panel(ann, NOW).content] == ["Last week", "Yesterday"]
    assert needs_reply_figure(stranger, NOW) is needs_reply_panel(stranger, NOW) is None
