"""Approvals in a real browser: with the keyboard, without scripts, and on a phone."""

import pytest
from playwright.sync_api import expect

from leads.models import Task
from suggestions.models import Suggestion, SuggestionStatus
from tests.cast import make_suggestion

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

QUEUE = "/suggestions/suggestion/"


@pytest.fixture
def three_suggestions(max) -> list[Suggestion]:
    """Three pending suggestions in the order of the queue."""
    return [make_suggestion(suggested_content={"title": f"Task {name}"}) for name in "cba"][::-1]


def press(page, key: str) -> None:
    with page.expect_navigation():
        page.keyboard.press(key)


def status(suggestion: Suggestion) -> str:
    return Suggestion.objects.get(pk=suggestion.pk).status


def test_keyboard_navigates_queue_and_decides(opened, max, three_suggestions):
    first, second, third = three_suggestions
    page = opened(max, width=1440)
    page.goto(QUEUE)
    shown = page.locator("#chosen h2.sentence")
    expect(shown).to_contain_text("Task a")
    press(page, "j")
    expect(shown).to_contain_text("Task b")
    press(page, "k")
    expect(shown).to_contain_text("Task a")
    press(page, "a")
    expect(shown).to_contain_text("Task b")
    expect(page.locator("body")).to_contain_text("Approved. Create task “Task a”")
    page.keyboard.press("r")
    page.keyboard.type("a s j k: done by phone")
    page.keyboard.press("Tab")
    press(page, "Enter")
    expect(shown).to_contain_text("Task c")
    page.keyboard.press("s")
    page.keyboard.press("Tab")
    expect(page.locator("[name=until]")).to_be_visible()
    assert (status(first), status(second), status(third)) == ("APPROVED", "REJECTED", "PENDING")
    assert Suggestion.objects.get(pk=second.pk).review_note == "a s j k: done by phone"


def test_typing_in_content_triggers_no_shortcut(opened, max, three_suggestions):
    page = opened(max, width=1440)
    page.goto(QUEUE)
    page.keyboard.press("e")
    page.keyboard.press("End")
    page.keyboard.type(" as asked")
    expect(page.locator("[data-approve-label]")).to_have_text("Approve with changes")
    assert not Task.objects.exists()
    page.keyboard.press("Escape")
    press(page, "a")
    assert Task.objects.get().title == "Task a as asked"
    assert status(three_suggestions[0]) == SuggestionStatus.MODIFIED


def test_repeated_key_decides_once(opened, max, three_suggestions):
    page = opened(max, width=1440)
    page.goto(QUEUE)
    page.evaluate("document.dispatchEvent(new KeyboardEvent('keydown', {key: 'a', repeat: true, bubbles: true}))")
    page.wait_for_timeout(300)
    assert not Task.objects.exists()


def test_queue_works_without_scripts(opened, max, three_suggestions):
    first, second, _ = three_suggestions
    page = opened(max, width=1440, scripts=False)
    page.goto(QUEUE)
    page.click(f"a[href*='{second.pk}'] >> visible=true")
    page.fill("[name='content.title']", "Task b, done well")
    page.click("button:has-text('Approve') >> visible=true")
    assert status(second) == SuggestionStatus.MODIFIED
    page.goto(f"{QUEUE}{first.pk}/do/reject/")
    page.fill("[name=reason]", "Too early.")
    page.click("form[action$='/do/reject/'] button")
    assert status(first) == SuggestionStatus.REJECTED


def test_phone_goes_from_list_to_page_to_next(opened, max, three_suggestions):
    page = opened(max, width=360)
    page.goto(QUEUE)
    expect(page.locator("#chosen")).to_be_hidden()
    page.click(f"a[href*='{three_suggestions[0].pk}'] >> visible=true")
    expect(page.locator("h1.sentence")).to_contain_text("Task a")
    with page.expect_navigation():
        page.click("button:has-text('Approve')")
    expect(page.locator("h1.sentence")).to_contain_text("Task b")
    assert page.evaluate("document.documentElement.scrollWidth") == 360
