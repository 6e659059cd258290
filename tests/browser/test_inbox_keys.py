"""Keyboard control of the inbox in a real browser."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from inbox.models import Message, Thread
from inbox.transitions import add_to_thread
from tests.cast import make_thread

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
LIST = "/inbox/thread/"


@pytest.fixture
def three_threads(max) -> list[Thread]:
    """Three conversations that need a reply, oldest first."""
    rows = []
    for hours, name in enumerate("abc"):
        thread = make_thread(subject=f"Question {name}")
        at = timezone.now() - timedelta(hours=9 - hours)
        add_to_thread(Message(thread=thread, direction="in", body_text="How much?", sent_at=at))
        rows.append(thread)
    return rows


def focused_text(page) -> str:
    return page.evaluate("document.activeElement.textContent.trim()")


def test_keyboard_navigates_list_and_opens_thread(opened, max, three_threads):
    page = opened(max)
    page.goto(LIST)
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert focused_text(page) == "Question b"
    page.keyboard.press("x")
    expect(page.locator("input.action-select:checked")).to_have_count(1)
    page.keyboard.press("k")
    assert focused_text(page) == "Question a"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(keys.get_by_text("next and previous conversation")).to_be_visible()
    expect(keys.get_by_text("search and commands")).to_be_visible()
    page.keyboard.press("?")
    expect(keys).to_be_hidden()
    with page.expect_navigation():
        page.keyboard.press("o")
    expect(page.get_by_role("heading", name="Question a", exact=True)).to_be_visible()


def test_thread_shortcuts_work_but_not_while_typing(opened, max, three_threads):
    page, thread = opened(max), three_threads[0]
    page.goto(f"{LIST}{thread.pk}/change/")
    page.keyboard.press("a")
    expect(page.locator('.page-actions form[action$="/do/assign/"] select')).to_be_focused()
    page.keyboard.press("e")
    assert Thread.objects.get(pk=thread.pk).status == "OPEN"
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    assert "How much?" in focused_text(page)
    with page.expect_navigation():
        page.keyboard.press("e")
    assert Thread.objects.get(pk=thread.pk).status == "RESOLVED"
    with page.expect_navigation():
        page.keyboard.press("l")
    assert page.url.endswith("/do/link/")


def test_typing_in_search_triggers_no_shortcut(opened, max, three_threads):
    page = opened(max)
    page.goto(LIST)
    page.locator("#q").focus()
    page.keyboard.type("jjo?/")
    expect(page.locator("#q")).to_have_value("jjo?/")
    assert page.url.endswith(LIST)
