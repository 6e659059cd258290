"""The list of conversations: tabs, filters, visibility and number of queries."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from crm.records.activity import SYSTEM_ACTOR
from crm.records.transitions import soft_delete
from inbox.models import Message, Thread
from tests.cast import browser, copy_lead, copy_record, make_client, make_lead, make_thread

pytestmark = pytest.mark.django_db
LIST = "/inbox/thread/"
HOSTILE = "<script>alert(1)</script>"


def listed_subjects(page, **asked) -> list[str]:
    return [thread.subject for thread in page.get(LIST, asked).context["cl"].page.rows]


def tab_counts(page, **asked) -> dict[str, str]:
    return {tab["label"]: tab["count"] for tab in page.get(LIST, asked).context["cl"].tabs}


@pytest.fixture
def threads(ann, bob) -> None:
    """One conversation of each kind, one hour apart, oldest first."""
    lead, client = make_lead(contact_name="Mia Muster", assigned_to=ann), make_client(name="Works")
    begin = timezone.now() - timedelta(days=10)
    rows = {
        "Theirs waits longest": {"last_direction": "in", "lead": lead, "sentiment": "urgent"},
        "Theirs waits": {"last_direction": "in", "client": client, "source": "CALL"},
        "Ours waits": {"last_direction": "out", "awaiting_reply": True, "lead": lead},
        "Stranger": {"last_direction": "in", "participant_emails": ["who@example.com"]},
        "Done": {"last_direction": "in", "lead": lead, "status": "RESOLVED"},
        "Put away": {"last_direction": "in", "lead": lead, "status": "ARCHIVED"},
        "Queued only": {"lead": lead},
    }
    for hours, (subject, kw) in enumerate(rows.items()):
        at = begin + timedelta(hours=hours)
        make_thread(subject=subject, created_at=at, last_message_at=at if "last_direction" in kw else None, **kw)


FOUND = [
    ({}, ["Theirs waits longest", "Theirs waits", "Stranger"]),
    ({"turn": "ours"}, ["Theirs waits longest", "Theirs waits", "Stranger"]),
    ({"turn": "theirs"}, ["Ours waits"]),
    ({"linked": "no"}, ["Stranger"]),
    ({"status": "OPEN"}, ["Queued only", "Stranger", "Ours waits", "Theirs waits", "Theirs waits longest"]),
    ({"status": "RESOLVED"}, ["Done"]),
    ({"status": "ARCHIVED"}, ["Put away"]),
    ({"source": "CALL"}, ["Theirs waits"]),
    ({"sentiment": "urgent"}, ["Theirs waits longest"]),
    ({"owner": "none"}, ["Theirs waits", "Stranger"]),
    ({"participant": "WHO@example.com "}, ["Stranger"]),
    ({"q": "who@example.com"}, ["Stranger"]),
    ({"q": "waits", "order": "newest"}, ["Ours waits", "Theirs waits", "Theirs waits longest"]),
    ({"q": "zebra"}, []),
    ({"since": "2200-01-01"}, []),
    ({"until": "1999-12-31"}, []),
    ({"linked": "yes", "status": "RESOLVED"}, ["Done"]),
    ({"status": "OPEN", "order": "waiting", "source": "EMAIL", "linked": "no"}, ["Stranger"]),
]


@pytest.mark.parametrize(("asked", "found"), FOUND, ids=[str(asked) for asked, _ in FOUND])
def test_filters_return_expected_threads_in_tab_order(threads, as_max, asked, found):
    assert listed_subjects(as_max, **asked) == found


def test_tabs_show_counts(threads, as_max):
    assert tab_counts(as_max) == {
        "Needs reply": "3",
        "Waiting on them": "1",
        "Mine": "0",
        "Snoozed": "0",
        "Unlinked": "1",
        "Failed to send": "0",
        "All open": "5",
        "Resolved": "",
        "Archived": "",
        "Deleted": "0",
    }


def test_search_selects_no_tab(threads, as_max):
    answer = as_max.get(LIST, {"q": "done"})
    assert not [tab for tab in answer.context["cl"].tabs if tab["current"]]
    assert listed_subjects(as_max, q="done") == ["Done"]


def test_lead_filter_narrows_list_and_shows_lead_name(threads, as_max):
    lead = Thread.objects.get(subject="Done").lead
    page = as_max.get(LIST, {"lead": str(lead.pk)}).content.decode()
    assert "Lead: <b>Mia Muster</b>" in page
    assert len(listed_subjects(as_max, lead=str(lead.pk))) == 5


@pytest.mark.parametrize(
    "asked", [{"lead": "x"}, {"since": "yesterday"}, {"status": "LOST"}, {"q": "ab"}, {"order": "x"}, {"after": "x"}]
)
def test_invalid_filter_shows_message(threads, as_max, asked):
    answer = as_max.get(LIST, asked)
    assert answer.status_code == 200
    assert [str(message) for message in answer.context["messages"]]


@pytest.mark.parametrize("most", [1, 100])
def test_participant_filter_lists_threads_newest_first(as_max, monkeypatch, most):
    monkeypatch.setattr("inbox.search.MAX_THREADS_PER_ADDRESS", most)
    for days in (3, 1, 2):
        at = timezone.now() - timedelta(days=days)
        make_thread(subject=f"{days} ago", participant_emails=["who@example.com", "b@example.com"], last_message_at=at)
    make_thread(subject="Another's", participant_emails=["b@example.com"], status="RESOLVED")
    soft_delete(make_thread(subject="Gone", participant_emails=["who@example.com"]), by=SYSTEM_ACTOR)
    assert listed_subjects(as_max, participant="who@example.com") == ["1 ago", "2 ago", "3 ago"]
    assert listed_subjects(as_max, participant="who@example.com", order="waiting") == ["3 ago", "2 ago", "1 ago"]
    assert listed_subjects(as_max, participant="who@example.com", deleted="true") == ["Gone"]


@pytest.mark.parametrize("order", ["waiting", "newest"])
def test_pagination_has_no_gaps_with_undated_threads(as_max, monkeypatch, order):
    monkeypatch.setattr("inbox.admin.ThreadAdmin.list_per_page", 3)
    at = timezone.now()
    for number in range(8):
        make_thread(subject=str(number), last_message_at=at if number % 2 else None)
    seen, cursor = [], {}
    while True:
        answer = as_max.get(LIST, {"status": "OPEN", "order": order, **cursor})
        page = answer.context["cl"].page
        seen += [row.subject for row in page.rows]
        if not page.next:
            break
        cursor = {"after": page.next}
    assert sorted(seen) == [str(number) for number in range(8)]


def test_agent_sees_neither_rows_nor_counts_of_colleagues(as_ann, bob):
    make_thread(subject="Bobs lead", lead=make_lead(assigned_to=bob), last_direction="in")
    make_thread(subject="Bobs client", client=make_client(assigned_to=bob), last_direction="in")
    make_thread(subject="Nobodys", lead=make_lead(), last_direction="in")
    assert listed_subjects(as_ann) == ["Nobodys"]
    assert tab_counts(as_ann)["Needs reply"] == "1"
    assert "Deleted" not in tab_counts(as_ann)


def test_bin_needs_restore_permission(as_max, as_ann):
    thread = make_thread(subject="Gone", last_direction="in")
    soft_delete(thread, by=SYSTEM_ACTOR)
    assert listed_subjects(as_max) == []
    assert listed_subjects(as_max, deleted="true") == ["Gone"]
    assert listed_subjects(as_ann, deleted="true") == []


def test_unread_messages_are_counted(as_max):
    thread = make_thread(last_direction="in", last_message_at=timezone.now())
    for is_read in (True, False, False):
        Message.objects.create(thread=thread, direction="in", sent_at=thread.created_at, is_read=is_read)
    assert "2 new" in as_max.get(LIST).content.decode()


def test_silence_is_shown_in_days(as_max):
    make_thread(last_direction="out", awaiting_reply=True, last_message_at=timezone.now() - timedelta(days=40, hours=3))
    assert ">40 days ago</span>" in as_max.get(LIST, {"turn": "theirs"}).content.decode()


def test_hostile_text_is_escaped(as_max):
    lead = make_lead(contact_name=HOSTILE, company_name=HOSTILE)
    make_thread(subject=HOSTILE, lead=lead, last_direction="in")
    make_thread(subject=HOSTILE, participant_emails=["<b>@example.com"], last_direction="in")
    page = as_max.get(LIST).content.decode()
    assert HOSTILE not in page
    assert "<b>@example.com" not in page
    assert "&lt;script&gt;" in page


def test_query_count_is_constant_for_1_and_50_rows(as_ann):
    lead, client = make_lead(), make_client()
    thread = make_thread(lead=lead, client=client, last_direction="in", last_message_at=timezone.now())
    message = Message.objects.create(thread=thread, direction="in", sent_at=thread.created_at)
    as_ann.get(LIST)
    with CaptureQueriesContext(connection) as few:
        as_ann.get(LIST)
    leads, clients = copy_lead(lead, 49), copy_record(client, 49, lambda n: {"name": f"Client {n}"})
    threads = copy_record(thread, 49, lambda n: {"lead": leads[n], "client": clients[n]})
    copy_record(message, 49, lambda n: {"thread": threads[n]})
    with CaptureQueriesContext(connection) as many:
        answer = as_ann.get(LIST)
    assert len(answer.context["cl"].page.rows) == 50
    assert len(few) == len(many) <= 15
    assert len(answer.content) < 300_000


def test_viewer_has_no_bulk_actions(vera):
    make_thread(last_direction="in")
    answer = browser(vera).get(LIST)
    assert answer.status_code == 200
    assert 'name="action"' not in answer.content.decode()
