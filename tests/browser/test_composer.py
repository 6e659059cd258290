"""The composer in a real browser: with the keyboard, on a phone, without scripts; drafts are autosaved."""

from datetime import timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils import timezone
from playwright.sync_api import expect

from inbox.models import Draft, EmailDelivery, Message, MessageState
from inbox.models.email_template import EmailTemplate
from inbox.outgoing import send_queue
from tests.cast import make_lead, make_thread
from tests.inbox.draft_fixtures import add_incoming_email

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SERIOUS = {"serious", "critical"}


def accessibility_faults(page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [f"{fault['id']}: {fault['nodes'][0]['html'][:120]}" for fault in found if fault["impact"] in SERIOUS]


@pytest.fixture
def thread(max):
    lead = make_lead(contact_name="Lee Lead", contact_email="lee@example.com")
    thread = make_thread(lead=lead, subject="Question", participant_emails=["lee@example.com", "sam@example.com"])
    add_incoming_email(thread, to_emails=["max@agency.example", "sam@example.com"])
    return thread


def thread_url(thread) -> str:
    return f"/inbox/thread/{thread.pk}/change/"


def test_reply_by_keyboard_is_sent(opened, smtp_sink, max, thread):
    page = opened(max)
    page.goto(thread_url(thread))
    page.keyboard.press("r")
    expect(page.locator("#compose_body")).to_be_focused()
    page.keyboard.type("It is 100 a month.")
    expect(page.locator("[data-saved]")).to_contain_text("Saved", timeout=10_000)
    assert Draft.objects.get().body == "It is 100 a month."
    page.keyboard.type(" Max")
    with page.expect_navigation():
        page.keyboard.press("Control+Enter")
    expect(page.locator("[data-outgoing]")).to_contain_text("Goes out")
    mail = Message.objects.get(direction="out")
    assert mail.body_text.startswith("It is 100 a month. Max\n\nOn ")
    # The page updates the state of the email by itself.
    EmailDelivery.objects.update(run_after=timezone.now() - timedelta(seconds=1))
    send_queue.send_queued_email(mail.pk)
    expect(page.locator("[data-outgoing]")).to_have_count(0, timeout=20_000)
    assert len(smtp_sink.data) == 1 and Message.objects.get(pk=mail.pk).state == MessageState.SENT


def test_keys_write_bold_text_and_lists_and_schedule(opened, max, thread):
    page = opened(max)
    page.goto(thread_url(thread))
    page.keyboard.press("r")
    page.keyboard.type("Dear")
    page.keyboard.press("Control+a")
    page.keyboard.press("Control+b")
    page.keyboard.press("End")
    page.keyboard.type("\n\n- one\ntwo\n\nBye")
    expect(page.locator("#compose_body")).to_have_value("**Dear**\n\n- one\n- two\nBye")
    expect(page.locator("[data-saved]")).to_contain_text("Saved", timeout=10_000)
    page.keyboard.press("Control+Shift+Enter")
    expect(page.locator("#compose_later_until")).to_be_focused()
    assert accessibility_faults(page) == []
    with page.expect_navigation():
        page.keyboard.press("Control+Enter")
    expect(page.locator("[data-outgoing]")).to_contain_text("Leaves on")
    expect(page.locator("article.msg.out strong")).to_have_text("Dear")
    assert EmailDelivery.objects.scheduled().exists()


def test_sent_reply_can_be_taken_back_and_edited(opened, max, thread):
    page = opened(max)
    page.goto(thread_url(thread))
    page.fill("#compose_body", "Too soon.")
    with page.expect_navigation():
        page.click("[data-send]")
    with page.expect_navigation():
        page.get_by_role("button", name="Undo send").click()
    expect(page.locator("#compose_body")).to_have_value("Too soon.")
    assert not Message.objects.filter(direction="out").exists()


def test_template_and_reply_all_stay_on_page(opened, max, thread):
    EmailTemplate.objects.create(name="Quote", subject="Quote", body="Dear {{first_name}}, see {{line}}.")
    page = opened(max)
    page.goto(thread_url(thread))
    page.select_option("#compose_template", label="Quote")
    expect(page.locator("#compose_body")).to_have_value("Dear Lee, see {{line}}.", timeout=10_000)
    with page.expect_navigation():
        page.get_by_role("button", name="Reply to all").click()
    expect(page.locator("#compose_cc")).to_have_value("sam@example.com")
    with page.expect_navigation():
        page.click("[data-send]")
    expect(page.locator(".refusal[role=alert]").first).to_contain_text("Fill in or remove the placeholders: {{line}}.")
    page.fill("#compose_body", "Dear Lee, see below.")
    with page.expect_navigation():
        page.click("[data-send]")
    expect(page.locator("[data-outgoing]")).to_contain_text("Goes out")


def test_shortcut_in_field_is_text_and_enter_does_not_send(opened, max, thread):
    page = opened(max)
    page.goto(thread_url(thread))
    page.locator("#compose_subject").fill("")
    page.locator("#compose_subject").press("r")
    expect(page.locator("#compose_subject")).to_have_value("r")
    with page.expect_navigation():
        page.locator("#compose_subject").press("Enter")
    assert not Message.objects.filter(direction="out").exists()
    assert Draft.objects.get().subject == "r"


def test_second_tab_is_warned(opened, max, thread):
    first = opened(max)
    first.goto(thread_url(thread))
    second = first.context.new_page()
    second.goto(thread_url(thread))
    first.fill("#compose_body", "In the first")
    expect(first.locator("[data-saved]")).to_contain_text("Saved", timeout=10_000)
    second.fill("#compose_body", "In the second")
    expect(second.locator("[data-refused]")).to_contain_text("changed this draft elsewhere", timeout=10_000)
    assert Draft.objects.get().body == "In the first"


@pytest.mark.parametrize(("width", "dark"), [(360, True), (1280, False)])
def test_composer_fits_and_is_accessible(opened, max, thread, width, dark):
    page = opened(max, width=width, dark=dark)
    page.goto(thread_url(thread))
    page.fill("#compose_to", "lee@example.com, a.very.long.name.of.somebody.new@a-long-domain.example")
    page.fill("#compose_body", "Hello")
    page.set_input_files("#compose_files", {"name": "x" * 120 + ".txt", "mimeType": "text/plain", "buffer": b"x"})
    expect(page.locator(".compose .files")).to_contain_text("x" * 40)
    with page.expect_navigation():
        page.click("[data-send]")
    expect(page.locator("[name=confirmed]")).to_have_count(1)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert accessibility_faults(page) == []
    page.goto(thread_url(thread))
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert accessibility_faults(page) == []


def test_reply_works_without_scripts(opened, max, thread):
    page = opened(max, scripts=False)
    page.goto(thread_url(thread))
    page.fill("#compose_body", "By hand.")
    page.set_input_files("#compose_files", {"name": "a.txt", "mimeType": "text/plain", "buffer": b"x"})
    page.click("[data-send]")
    expect(page.locator("[data-outgoing]")).to_contain_text("Goes out at")
    [entry] = Message.objects.get(direction="out").attachments
    assert entry["name"] == "a.txt"
