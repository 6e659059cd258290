"""Working through the queue in a real browser: approve, edit, reject and undo, with keyboard and on a phone."""

from datetime import timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils import timezone
from playwright.sync_api import expect

from crm.runtime.delivery import Delivery, DeliveryOutcome
from leads.models import Task
from suggestions.models import Suggestion, SuggestionExecution, SuggestionStatus
from suggestions.transitions import approve
from tests.cast import make_suggestion
from tests.suggestions.outward_kind import PostKind, fake_findings, use_post_kind

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

QUEUE = "/suggestions/suggestion/"
SERIOUS = {"serious", "critical"}


def press(page, key: str) -> None:
    with page.expect_navigation():
        page.keyboard.press(key)


def status(suggestion: Suggestion) -> str:
    return Suggestion.objects.get(pk=suggestion.pk).status


def accessibility_faults(page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [f"{fault['id']}: {fault['nodes'][0]['html'][:120]}" for fault in found if fault["impact"] in SERIOUS]


@pytest.fixture
def two_suggestions(max) -> list[Suggestion]:
    return [make_suggestion(suggested_content={"title": f"Task {name}"}) for name in "ba"][::-1]


@pytest.fixture
def card(max, monkeypatch) -> Suggestion:
    """A suggestion that sends an email and shows its preview."""
    use_post_kind(monkeypatch, Delivery(DeliveryOutcome.DELIVERED))
    shown = classmethod(lambda cls, payload, suggestion, by=None: [("Card", f"Dear Lee, {payload.body}")])
    monkeypatch.setattr(PostKind, "preview", shown)
    monkeypatch.setattr(PostKind, "preview_title", "What is posted")
    return make_suggestion("PR", suggested_content={"body": "Hello"})


def test_u_key_undoes_last_decision(opened, max, two_suggestions):
    page = opened(max, width=1440)
    page.goto(QUEUE)
    press(page, "a")
    expect(page.locator(".last")).to_contain_text("Your last decision")
    assert Task.objects.count() == 1
    press(page, "u")
    expect(page.locator("#chosen h2.sentence")).to_contain_text("Task a")
    assert status(two_suggestions[0]) == SuggestionStatus.PENDING
    assert not Task.objects.exists()


def test_finding_is_confirmed_by_keyboard(opened, max, two_suggestions, monkeypatch):
    fake_findings(monkeypatch, "one")
    page = opened(max, width=1440)
    page.goto(QUEUE)
    press(page, "a")
    expect(page.locator("[role=alert]")).to_contain_text("Mind one.")
    assert status(two_suggestions[0]) == SuggestionStatus.PENDING
    page.locator("[name=confirmed]").focus()
    page.keyboard.press("Space")
    press(page, "a")
    assert status(two_suggestions[0]) == SuggestionStatus.APPROVED


def test_one_click_reason_rejects(opened, max, two_suggestions):
    page = opened(max, width=1440)
    page.goto(QUEUE)
    page.keyboard.press("r")
    with page.expect_navigation():
        page.click("button[value=ALREADY_DONE]")
    expect(page.locator("#chosen h2.sentence")).to_contain_text("Task b")
    assert Suggestion.objects.get(pk=two_suggestions[0].pk).reject_code == "ALREADY_DONE"


def test_preview_follows_typing_and_marks_edited_field(opened, max, card):
    page = opened(max, width=1440)
    page.goto(QUEUE)
    expect(page.locator("#preview")).to_contain_text("Dear Lee, Hello")
    page.keyboard.press("e")
    page.keyboard.press("End")
    page.keyboard.type(" <b>again</b>")
    expect(page.locator("#preview")).to_contain_text("Dear Lee, Hello <b>again</b>")
    expect(page.locator(".field.edited")).to_have_count(1)
    expect(page.locator("[data-approve-label]")).to_have_text("Approve with changes")
    assert status(card) == SuggestionStatus.PENDING


def test_preview_works_without_scripts(opened, max, card):
    page = opened(max, width=1440, scripts=False)
    page.goto(f"{QUEUE}{card.pk}/change/")
    page.fill("[name='content.body']", "Bye")
    page.click("button:has-text('Preview')")
    expect(page.locator("#preview")).to_contain_text("Dear Lee, Bye")
    expect(page.locator("[name='content.body']")).to_have_value("Bye")
    page.click("button:has-text('Approve')")
    assert status(card) == SuggestionStatus.MODIFIED


def test_queued_execution_counts_down_and_can_be_undone(opened, max, card):
    approve(card, by=max)
    SuggestionExecution.objects.update(run_after=timezone.now() + timedelta(seconds=80))
    page = opened(max, width=1440)
    page.goto(f"{QUEUE}{card.pk}/change/")
    expect(page.locator("[data-until]")).to_contain_text("Goes out in ")
    press(page, "u")
    assert status(card) == SuggestionStatus.PENDING


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (360, False)])
def test_uncertain_delivery_can_be_settled(opened, max, card, width, dark):
    approve(card, by=max)
    SuggestionExecution.objects.update(state="UNKNOWN", error="Cut off.")
    Suggestion.objects.update(status=SuggestionStatus.FAILED, error_message="Cut off.")
    page = opened(max, width=width, dark=dark)
    page.goto(f"{QUEUE}{card.pk}/change/")
    expect(page.locator("body")).to_contain_text("Delivery unconfirmed")
    assert accessibility_faults(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.keyboard.press("a")
    expect(page.locator("body")).to_contain_text("never sent again")
    press(page, "Enter")
    assert status(card) == SuggestionStatus.APPROVED
    assert SuggestionExecution.objects.get().state == "SUCCEEDED"


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (360, False)])
def test_user_can_propose_suggestion(opened, ann, two_suggestions, width, dark):
    lead = two_suggestions[0].lead
    page = opened(ann, width=width, dark=dark)
    page.goto(f"/leads/lead/{lead.pk}/change/")
    page.click("a:has-text('Suggest…')")
    assert accessibility_faults(page) == []
    page.click("a:has-text('Task') >> visible=true >> nth=-1")
    page.fill("[name='content.title']", "Send a card")
    assert accessibility_faults(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.click("button:has-text('Save as draft')")
    expect(page.locator("h1.sentence")).to_contain_text("Send a card")
    draft = Suggestion.objects.get(status=SuggestionStatus.DRAFT)
    assert (draft.lead, draft.proposed_by) == (lead, ann)
    with page.expect_navigation():
        page.click("button:has-text('Submit')")
    assert status(draft) == SuggestionStatus.PENDING


def test_navigation_count_updates(opened, max, two_suggestions):
    page = opened(max, width=1440)
    page.clock.install()
    page.goto(QUEUE)
    link = page.locator("#nav-sidebar-apps a[href$='/suggestions/suggestion/']")
    expect(link).to_contain_text("2")
    Suggestion.objects.filter(pk=two_suggestions[1].pk).delete()
    page.clock.fast_forward(21_000)
    expect(link).to_contain_text("1")
