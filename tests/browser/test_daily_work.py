"""A working day in a real browser: the hot leads, a lead, an approved suggestion, a resolved ticket."""

import re

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from leads.models import InsuranceType, Lead, Task
from suggestions.models import Suggestion
from support.models import SupportTicket
from tests.cast import PASSWORD, make_client, make_lead, make_suggestion, make_thread, make_ticket, make_user

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def agency(max) -> Lead:
    lead = make_lead(
        contact_name="Harriet Hot",
        estimated_value=12_000,
        line="home",
        signals=[
            {"type": name, "timestamp": timezone.now().isoformat(), "weight": 0.25}
            for name in ("budget_mentioned", "meeting_scheduled", "decision_maker", "urgency_detected")
        ],
        assigned_to=max,
    )
    make_lead(contact_name="Conrad Cold")
    make_suggestion(lead=lead, suggested_content={"title": "Ring Harriet about the roof"})
    make_thread(lead=lead, subject="The roof")
    make_ticket(client=make_client(name="Clara Client"), subject="Certificate missing")
    return lead


def test_visitor_logs_in_and_sees_the_page_that_was_asked_for(opened, max):
    page = opened(None)
    page.goto("/support/supportticket/")
    page.fill("#id_username", max.username)
    page.fill("#id_password", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_url("**/support/supportticket/")
    expect(page.locator("h1").first).to_contain_text("Tickets")


def test_agent_goes_from_hot_lead_to_approved_suggestion_and_resolved_ticket(opened, max, agency):
    page = opened(max)
    page.click("nav >> text=Leads")
    page.click(".tabs >> text=hot")
    expect(page.locator("#result_list")).to_contain_text("Harriet Hot")
    expect(page.locator("#result_list")).not_to_contain_text("Conrad Cold")
    page.click("text=Harriet Hot")
    expect(page.locator(".headline h1")).to_contain_text("Harriet Hot")
    # The score is fetched once it is scrolled into view.
    page.locator(".record .main > :last-child").scroll_into_view_if_needed()
    expect(page.locator("#score summary")).to_contain_text("Budget mentioned")
    page.locator("form, section").filter(has_text="Ring Harriet").get_by_role("button", name="Approve").first.click()
    page.wait_for_load_state()
    assert Task.objects.get().title == "Ring Harriet about the roof"
    assert Suggestion.objects.get().status == "APPROVED"

    page.click("nav >> text=Tickets")
    page.click("text=Certificate missing")
    page.locator("textarea[name=summary]").first.fill("Sent the certificate again.")
    page.get_by_role("button", name="Resolve").first.click()
    page.wait_for_load_state()
    assert SupportTicket.objects.get().status == "Resolved"
    expect(page.locator("body")).to_contain_text("Sent the certificate again.")


def test_dragging_card_changes_stage(opened, max, agency):
    page = opened(max)
    page.goto("/leads/lead/board/")
    with page.expect_response("**/board/move/") as answered:
        page.locator(".lead-card", has_text="Harriet Hot").drag_to(page.locator("ol[data-stage=ACTIVE]"))
    assert answered.value.ok
    agency.refresh_from_db()
    assert agency.status_id == "ACTIVE"


def test_filtered_list_can_be_saved_and_reopened_as_view(opened, max, agency):
    page = opened(max)
    page.goto("/leads/lead/")
    page.click("summary:has-text('Filter')")
    page.click("#filter-names >> text=Line")
    page.select_option("[name=line]", "home")
    page.click("form.sheet >> text=Apply")
    expect(page.locator("#result_list tbody tr")).to_have_count(1)
    page.click("summary:has-text('Views')")
    page.fill("#view-name", "Homes")
    page.click("text=Save view >> visible=true >> nth=-1")
    page.goto("/leads/lead/")
    page.click("summary:has-text('Views')")
    page.click(".sheet >> text=Homes")
    expect(page).to_have_url(re.compile("line=home"))


def test_custom_field_filter_offers_known_names(opened, max, agency):
    make_lead(contact_name="Norah North", custom_fields={"region": "north"})
    page = opened(max)
    page.goto("/leads/lead/?order=newest")
    page.click("summary:has-text('Filter')")
    page.click("#filter-names >> text=Other value")
    expect(page.locator("#cf-keys option[value=region]")).to_have_count(1)
    page.fill("#cf-key", "region")
    page.fill("#cf-value", "north")
    page.click("form.sheet >> text=Apply")
    expect(page).to_have_url(re.compile(r"\?(.*&)?cf\.region=north"))
    expect(page.locator("#result_list tbody tr")).to_have_count(1)


def test_menu_with_the_export_opens_clear_of_the_navigation(opened, max, agency):
    page = opened(max)
    page.goto("/leads/lead/")
    page.click("summary:has-text('More')")
    with page.expect_download() as download:
        page.click("button:has-text('CSV file')")
    assert download.value.suggested_filename.endswith(".csv")


def test_keyboard_opens_tabs_of_a_form(opened, max, agency):
    page = opened(max)
    page.goto("/leads/lead/add/")
    preferences = page.get_by_role("button", name="Contact preferences")
    preferences.focus()
    page.keyboard.press("Enter")
    expect(page.locator("[name='communications.preferred']")).to_be_visible()


def test_choices_are_asked_for_only_where_the_kind_has_some(opened, db):
    page = opened(make_user("theo", "schema admin"))
    line = InsuranceType.objects.get(code="auto")
    for address in ("/crm/customfield/add/", f"/leads/insurancetype/{line.pk}/question/"):
        page.goto(address)
        first = page.locator("[name='choices.0.label']")
        expect(page.locator("[name=label]")).to_be_visible()
        expect(first).to_be_hidden()
        page.select_option("[name=kind]", "choices")
        first.fill("Gold")
        page.select_option("[name=kind]", "number")
        expect(first).to_be_visible()
        first.fill("")
        page.select_option("[name=kind]", "date")
        expect(first).to_be_hidden()
        expect(page.locator("text=Only for the kinds")).to_be_hidden()


def test_main_screens_work_without_scripts(opened, max, agency):
    page = opened(max, scripts=False)
    page.goto("/leads/lead/?tier=hot")
    expect(page.locator("#result_list")).to_be_visible()
    page.click("summary:has-text('Filter')")
    page.click("text=Choose filters")
    page.select_option("[name=line]", "life")
    page.click("form.sheet >> text=Apply")
    expect(page.locator(".empty")).to_be_visible()
    page.goto("/leads/lead/?tier=hot")
    page.goto(f"/leads/lead/{agency.pk}/do/stage/")
    page.select_option("[name=stage]", "ACTIVE")
    page.click("button:has-text('Change stage')")
    agency.refresh_from_db()
    assert agency.status_id == "ACTIVE"
