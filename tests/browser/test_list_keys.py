"""Lists and the board by the keyboard: filters, columns, values in a row, cards."""

import re

import pytest
from playwright.sync_api import expect

from crm.screens.columns.choice import own_columns
from leads.models import InsuranceType, Lead
from leads.screens.board import CARDS_PER_LOAD
from tests.cast import copy_record, make_lead

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
LEADS, BOARD = "/leads/lead/", "/leads/lead/board/"


def test_filter_is_added_changed_and_removed_by_keys(opened, max):
    make_lead(contact_name="Olin", line="home"), make_lead(contact_name="Zed", line="auto")
    page, rows = opened(max), "#result_list tbody tr"
    page.goto(LEADS)
    page.keyboard.press("f")
    expect(page.locator("#find-filter")).to_be_focused()
    page.keyboard.type("lin")
    page.keyboard.press("Enter")
    expect(page.locator("select[name=line]")).to_be_focused()
    page.select_option("select[name=line]", "home")
    page.keyboard.press("Enter")
    expect(page.locator(rows)).to_have_text(re.compile("Olin"))
    page.locator(".chip summary").focus()
    page.keyboard.press("Enter")
    page.select_option(".chip select[name=line]", "auto")
    page.keyboard.press("Enter")
    expect(page.locator(rows)).to_have_text(re.compile("Zed"))
    page.locator(".chip summary").focus()
    page.keyboard.press("Delete")
    expect(page.locator(rows)).to_have_count(2)


def test_columns_are_chosen_and_moved_by_keys_and_with_questions(opened, max):
    InsuranceType.objects.filter(code="home").update(
        form_schema={"type": "object", "properties": {"roof": {"type": "string", "title": "Roof"}}}
    )
    make_lead(line="home", home_data={"roof": "slate"})
    page = opened(max)
    page.goto(LEADS)
    page.click("summary:has-text('Columns')")
    page.get_by_role("button", name="Move Stage up").focus()
    for _ in range(2):
        page.keyboard.press("Enter")
    page.get_by_role("checkbox", name="Score").uncheck()
    page.select_option("#add-form", "home")
    page.click("text=Show questions")
    page.get_by_role("checkbox", name="Roof").check()
    page.click("[data-columns] >> text=Apply >> visible=true >> nth=-1")
    expect(page.locator(".toasts[role=status]")).to_contain_text("Columns saved.")
    expect(page.locator("#result_list")).to_contain_text("slate")
    assert own_columns(max, "leads.lead")[:3] == ["lead", "stage", "tier"]
    assert "score" not in own_columns(max, "leads.lead")


def test_value_in_a_row_is_changed_by_keys_and_put_back(opened, max):
    make_lead(contact_name="Olin")
    page = opened(max)
    page.goto(LEADS)
    page.keyboard.press("j")
    page.keyboard.press("s")
    page.locator(".field-edit select").select_option("ACTIVE")
    page.keyboard.press("Enter")
    expect(page.locator(".toasts[role=status]")).to_contain_text("Olin moved to")
    expect(page.locator("a.name")).to_be_focused()
    assert Lead.objects.get().status_id == "ACTIVE"
    page.keyboard.press("u")
    expect(page.locator(".toasts[role=status]")).to_contain_text("Olin moved to")
    expect(page.locator("#result_list")).to_contain_text("New opportunities")


def test_card_moves_by_keys_and_back_and_the_totals_follow(opened, max):
    make_lead(contact_name="Olin", estimated_value=1_000)
    page = opened(max)
    page.goto(BOARD)
    first, second = page.locator("[data-total=NEW_OPPORTUNITIES]"), page.locator("[data-total=ACTIVE]")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Shift+ArrowRight")
    expect(second).to_have_text("1 · $1,000")
    expect(first).to_have_text("0 · $0")
    expect(page.locator("#board-status")).to_have_text("Olin: Active")
    assert Lead.objects.get().status_id == "ACTIVE"
    page.keyboard.press("u")
    expect(first).to_have_text("1 · $1,000")
    assert Lead.objects.get().status_id == "NEW_OPPORTUNITIES"


def test_lane_loads_further_cards_as_it_is_scrolled_and_a_closed_stage_is_a_zone(opened, max):
    lead = make_lead(contact_name="Olin")
    copy_record(lead, 2 * CARDS_PER_LOAD, lambda n: {"contact_email": f"n{n}@example.com", "rank": lead.rank + n + 1})
    page = opened(max)
    page.goto(BOARD)
    cards = page.locator("[data-stage=NEW_OPPORTUNITIES] .lead-card")
    while cards.count() < 2 * CARDS_PER_LOAD + 1:
        before = cards.count()
        cards.last.scroll_into_view_if_needed()
        expect(cards.nth(before)).to_be_attached()
    cards.first.scroll_into_view_if_needed()
    cards.first.drag_to(page.locator("[data-zone=CLOSED_LOST]"))
    page.wait_for_url("**/do/stage/**")
    page.select_option("[name=loss_reason]", "BUDGET")
    page.click("button:has-text('Change stage')")
    page.wait_for_url(f"**{BOARD}")
    assert Lead.objects.get(pk=lead.pk).status_id == "CLOSED_LOST"
