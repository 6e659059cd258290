"""The page of a record in a browser: fields in place, keys, the list, and typing that is not saved."""

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from inbox.models import Direction, Message, MessageState, Thread
from inbox.transitions import add_to_thread
from leads.models import Lead
from tests.cast import make_lead, make_thread

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_field_is_changed_in_its_place_and_put_back(opened, max):
    leads = [make_lead(contact_name=f"Lead {value}", estimated_value=value) for value in (900, 800)]
    page = opened(max)
    page.goto("/leads/lead/?order=value")
    page.click("text=Lead 900")
    page.click("[aria-label='Edit value']")
    page.press("input[name=estimated_value]", "Escape")
    expect(page.locator("[aria-label='Edit value']")).to_be_focused()
    page.keyboard.press("Enter")
    page.fill("input[name=estimated_value]", "$950")
    page.keyboard.press("Enter")
    expect(page.locator(".toasts[role=status]")).to_contain_text("Value saved.")
    assert Lead.objects.get(pk=leads[0].pk).estimated_value == 950
    page.keyboard.press("u")
    expect(page.locator(".toasts[role=status]")).to_contain_text("Value is as it was before.")
    assert Lead.objects.get(pk=leads[0].pk).estimated_value == 900
    page.keyboard.press("]")
    expect(page.locator(".headline h1")).to_have_text("Lead 800")


def test_a_call_is_logged_in_two_keys_and_one_line(opened, max):
    lead = make_lead(contact_name="Rosa Diaz", assigned_to=max)
    page = opened(max)
    page.goto(f"/leads/lead/{lead.pk}/change/")
    page.keyboard.press("c")
    page.keyboard.type("Wants both cars in one quote")
    page.keyboard.press("Enter")
    expect(page.locator(".toasts[role=status]")).to_contain_text("Call logged.")
    assert Thread.objects.get(lead=lead).subject == "Wants both cars in one quote"


def test_the_list_of_keys_names_those_of_the_page(opened, max):
    lead = make_lead(assigned_to=max)
    page = opened(max)
    page.goto(f"/leads/lead/{lead.pk}/change/?list=")
    page.keyboard.press("?")
    for words in ("log a call", "previous and next of the list", "undo the change of a field", "search and commands"):
        expect(page.locator("#key-list")).to_contain_text(words)


def test_leaving_asks_while_something_is_not_saved(opened, max):
    lead, asked = make_lead(assigned_to=max), []
    page = opened(max)
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.goto(f"/leads/lead/{lead.pk}/change/")
    page.goto(f"/leads/lead/{lead.pk}/change/?edit=1")
    assert asked == []
    page.locator("#id_contact_name").press_sequentially("x")
    page.goto("/leads/lead/")
    assert asked == ["beforeunload"]
    page.locator("input.action-select").first.check()
    page.goto("/leads/lead/")
    assert asked == ["beforeunload"], "a ticked row is nothing typed"


def test_the_list_stands_beside_the_conversation_and_the_next_one_comes(opened, max):
    lead = make_lead(assigned_to=max)
    for subject in ("First", "Second"):
        thread = make_thread(lead=lead, subject=subject)
        received = {"direction": Direction.IN, "state": MessageState.RECEIVED, "sent_at": timezone.now()}
        add_to_thread(Message(thread=thread, body_text="Hello", **received))
    page = opened(max)
    page.goto("/inbox/thread/")
    page.click("a.subject >> text=First")
    expect(page.locator(".beside .here")).to_contain_text("First")
    expect(page.locator(".beside .threads li")).to_have_count(2)
    page.keyboard.press("e")
    expect(page.locator(".headline h1")).to_have_text("Second")
