"""Conversations on the pages of leads and clients, and on the dashboard."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from crm.records.local_time import format_day
from inbox.dashboard import answer_source
from inbox.models import Message, Thread
from inbox.panels import MAX_CONVERSATIONS_SHOWN
from inbox.transitions import add_to_thread
from tests.cast import browser, make_client, make_lead, make_thread, page_text, page_with_sections

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
    page = page_with_sections(as_ann, f"/leads/lead/{lead.pk}/change/")
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
    source = answer_source(ann, NOW)
    assert source.rows.count() == 2
    assert [candidate.build().text for candidate in source.load(10)] == ["Last week", "Yesterday"]
    assert answer_source(stranger, NOW) is None


@pytest.mark.parametrize("owner", ["client", "lead"])
def test_headline_says_since_when_a_reply_is_due(as_ann, owner):
    row = make_client() if owner == "client" else make_lead()
    url = f"/{row._meta.label_lower.replace('.', '/')}/{row.pk}/change/"
    assert "since" not in headline(as_ann, url)
    theirs = make_conversation("Ours", days=9, **{owner: row})
    add_to_thread(
        Message(thread=theirs, direction="out", state="SENT", body_text="Well?", sent_at=NOW - timedelta(days=8))
    )
    assert f"Waiting on them since {format_day(NOW - timedelta(days=8))}" in headline(as_ann, url)
    make_conversation("Theirs", days=3, **{owner: row}), make_conversation("Newer", days=1, **{owner: row})
    resolved = make_conversation("Done", days=20, **{owner: row})
    Thread.objects.filter(pk=resolved.pk).update(status="RESOLVED")
    oldest = Thread.objects.get(subject="Theirs").last_message_at
    assert f"Needs reply since {format_day(oldest)}" in headline(as_ann, url)


def test_headline_counts_every_conversation_of_a_client_with_one_more_statement(as_ann, bob):
    client = make_client()
    make_conversation("Oldest", days=40, client=client)
    Thread.objects.filter(pk=make_conversation("Hidden", days=90, client=client).pk).update(assigned_to=bob)
    url = f"/crm/client/{client.pk}/change/"
    as_ann.get(url)
    with CaptureQueriesContext(connection) as few:
        as_ann.get(url)
    for number in range(MAX_CONVERSATIONS_SHOWN):
        make_conversation(f"Talk {number}", client=client)
    with CaptureQueriesContext(connection) as many:
        page = headline(as_ann, url)
    oldest = Thread.objects.get(subject="Oldest").last_message_at
    assert f"Needs reply since {format_day(oldest)}" in page
    # The count of the panel, and the turns.
    assert len(many) <= len(few) + 2


def headline(page, url) -> str:
    text = page_text(page.get(url))
    return text[text.index('<div class="headline">') : text.index('<div class="page-actions">')]


def test_client_list_is_filtered_by_whose_turn_it_is(as_ann, bob):
    make_conversation("Question", client=make_client(name="Owed"))
    sent = make_conversation("Offer", client=make_client(name="Owing"))
    add_to_thread(Message(thread=sent, direction="out", state="SENT", body_text="Well?", sent_at=NOW))
    hidden = make_conversation("Secret", client=make_client(name="Elsewhere"))
    Thread.objects.filter(pk=hidden.pk).update(assigned_to=bob)
    for turn, names in {"ours": {"Owed"}, "theirs": {"Owing"}}.items():
        rows = as_ann.get("/crm/client/", {"turn": turn}).context["cl"].page.rows
        assert {row.name for row in rows} == names
