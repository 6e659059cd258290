"""The list beside a conversation, and the next conversation after one is finished."""

from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.test import override_settings
from django.utils import timezone

from inbox.models import Direction, Message, MessageState, Thread
from inbox.transitions import add_to_thread
from tests.cast import browser, make_lead, make_thread, page_text

pytestmark = pytest.mark.django_db


def receive(thread: Thread, days: int, words: str = "Hello") -> None:
    """Add their message of `days` ago."""
    sent_at = timezone.now() - timedelta(days=days)
    state = MessageState.RECEIVED
    add_to_thread(Message(thread=thread, direction=Direction.IN, state=state, sent_at=sent_at, body_text=words))
    thread.refresh_from_db()


@pytest.fixture
def threads(ann) -> list[Thread]:
    """Conversations that need a reply, the longest wait first."""
    lead, made = make_lead(assigned_to=ann), []
    for days in (3, 2, 1):
        thread = make_thread(lead=lead, subject=f"Waiting {days}")
        receive(thread, days, f"Words of {days}")
        made.append(thread)
    return made


def beside(page, thread: Thread, query: str = "") -> str:
    return page_text(page.get(f"/inbox/thread/{thread.pk}/beside/?{urlencode({'list': query})}"))


def address(thread: Thread, query: str = "") -> str:
    return f"/inbox/thread/{thread.pk}/change/?{urlencode({'list': query})}"


def test_the_list_stands_beside_the_conversation(as_ann, threads):
    page = page_text(as_ann.get(address(threads[1])))
    assert f'data-beside="/inbox/thread/{threads[1].pk}/beside/?list="' in page
    html = beside(as_ann, threads[1])
    places = [html.index(f'href="{address(thread)}"') for thread in threads]
    assert places == sorted(places)
    assert [f"Words of {days}" in html for days in (3, 2, 1)] == [True] * 3
    assert html.count('aria-current="page"') == 1 and html.index('aria-current="page"') > places[1]


def test_only_conversations_that_the_reader_may_open_are_listed(bob, threads):
    own = make_thread(lead=make_lead(assigned_to=bob), subject="Of Bob")
    receive(own, 1)
    html = beside(browser(bob), own)
    assert "Of Bob" in html and "Words of" not in html
    assert not [thread for thread in threads if str(thread) in html]
    assert browser(bob).get(f"/inbox/thread/{threads[0].pk}/beside/?list=").status_code == 404


@pytest.mark.parametrize("verb", ["resolve", "archive"])
def test_after_a_finished_conversation_comes_the_next(as_ann, threads, verb):
    answer = as_ann.post(f"/inbox/thread/{threads[0].pk}/do/{verb}/", {"next": address(threads[0])})
    assert answer["Location"] == address(threads[1])


def test_after_another_action_the_conversation_stays(as_ann, threads):
    note = {"body": "Asks twice.", "next": address(threads[0])}
    assert as_ann.post(f"/inbox/thread/{threads[0].pk}/do/note/", note)["Location"] == address(threads[0])


def test_after_the_last_conversation_comes_the_list(as_ann, threads):
    answer = as_ann.post(f"/inbox/thread/{threads[2].pk}/do/resolve/", {"next": address(threads[2], "turn=ours")})
    assert answer["Location"] == "/inbox/thread/?turn=ours"


def test_a_conversation_that_no_list_opened_stays(as_ann, threads):
    page = f"/inbox/thread/{threads[0].pk}/change/"
    assert as_ann.post(f"/inbox/thread/{threads[0].pk}/do/resolve/")["Location"] == page


def test_slow_filters_say_so(as_ann, threads, monkeypatch):
    monkeypatch.setattr(
        "crm.screens.record_page.neighbours.fetch_page",
        lambda *args, **keys: list(Thread.objects.extra(where=["pg_sleep(5) IS NOT NULL"])),
    )
    with override_settings(LIST_TIMEOUT=0.05):
        assert "take too long" in beside(as_ann, threads[0])
