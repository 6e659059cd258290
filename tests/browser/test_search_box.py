"""The search box in a real browser: keyboard, screen reader, late answers, and the page without scripts."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Route, expect

from inbox.models import Thread
from leads.models import Lead
from tests.cast import make_client, make_lead, make_thread, make_ticket

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
BOX, INPUT, OPTIONS = "#search-box", "#search-box input[name=q]", "#search-hits [role=option]"


@pytest.fixture
def green_leads(max) -> list[Lead]:
    return [make_lead(contact_name=name, company_name="") for name in ("Grace Green", "Gregory Green")]


def active_text(page: Page) -> str:
    """Return the text of the option that the input names as active."""
    return page.evaluate(
        f"""() => document.getElementById(document.querySelector("{INPUT}").getAttribute("aria-activedescendant"))
            .querySelector("bdi").textContent.trim()"""
    )


def search_for(page: Page, text: str) -> None:
    """Type `text`, and wait for its answer."""
    with page.expect_response(lambda answer: f"q={text.replace(' ', '+')}&part" in answer.url):
        page.locator(INPUT).fill(text)


def test_keyboard_opens_box_chooses_record_and_opens_it(opened, max, green_leads):
    page = opened(max)
    page.goto("/leads/lead/")
    page.keyboard.press("/")
    expect(page.locator(INPUT)).to_be_focused()
    expect(page.locator(OPTIONS).first).to_be_visible()
    search_for(page, "green")
    expect(page.locator(OPTIONS)).to_have_count(2)
    assert active_text(page) == "Gregory Green"
    page.keyboard.press("ArrowDown")
    assert active_text(page) == "Grace Green"
    page.keyboard.press("ArrowDown")
    assert active_text(page) == "Gregory Green"
    page.keyboard.press("ArrowUp")
    expect(page.locator(INPUT)).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/leads/lead/{green_leads[0].pk}/change/")


def test_focus_returns_when_the_box_closes(opened, max, green_leads):
    page = opened(max)
    page.goto("/leads/lead/")
    page.locator("#q").focus()
    page.keyboard.press("/")
    expect(page.locator("#q")).to_have_value("/")
    page.keyboard.press("Control+k")
    expect(page.locator(INPUT)).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator(BOX)).to_be_hidden()
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.press("Control+k")
    page.keyboard.press("Control+k")
    expect(page.locator(BOX)).to_be_hidden()
    opener = page.get_by_role("link", name="Search", exact=True)
    opener.click()
    expect(page.locator(INPUT)).to_be_focused()
    page.get_by_role("button", name="Close").click()
    expect(opener).to_be_focused()


def test_enter_waits_for_the_answer_to_what_was_typed(opened, max, green_leads):
    ticket = make_ticket(client=make_client())
    page = opened(max)
    page.keyboard.press("Control+k")
    page.keyboard.type(f"#{ticket.number}")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/support/supportticket/{ticket.pk}/change/")
    expect(page.locator(".headline h1")).to_contain_text(f"#{ticket.number}")


def test_late_answer_does_not_replace_a_newer_one(opened, max, green_leads):
    held: list[Route] = []
    page = opened(max)
    page.keyboard.press("Control+k")
    expect(page.locator(OPTIONS).first).to_be_visible()
    page.route(re.compile(r"q=grace&"), lambda route: held.append(route))
    page.locator(INPUT).fill("grace")
    page.wait_for_timeout(300)
    assert len(held) == 1
    search_for(page, "gregory")
    expect(page.locator(OPTIONS)).to_have_count(1)
    held[0].fulfill(body='<section><h2>Leads</h2><ul><li><a class="hit" href="/">Late</a></li></ul></section>')
    page.wait_for_timeout(200)
    assert active_text(page) == "Gregory Green"


def test_server_is_asked_once_for_a_word_typed_quickly(opened, max, green_leads):
    page, asked = opened(max), []
    page.keyboard.press("Control+k")
    expect(page.locator(OPTIONS).first).to_be_visible()
    page.on("request", lambda request: asked.append(request.url) if "part=results" in request.url else None)
    page.keyboard.type("green", delay=20)
    expect(page.locator(OPTIONS)).to_have_count(2)
    assert len(asked) == 1


def test_screen_reader_learns_the_number_of_results_and_the_active_one(opened, max, green_leads):
    page = opened(max)
    page.keyboard.press("Control+k")
    search_for(page, "green")
    box = page.get_by_role("dialog", name="Search and commands")
    expect(box.get_by_role("status")).to_have_text("2 results")
    combobox = box.get_by_role("combobox", name="Search records and commands")
    expect(combobox).to_have_attribute("aria-expanded", "true")
    expect(box.get_by_role("listbox").get_by_role("group", name="Leads").get_by_role("option")).to_have_count(2)
    expect(box.locator("[aria-selected=true]")).to_have_count(1)
    search_for(page, "qqq")
    expect(combobox).to_have_attribute("aria-expanded", "false")
    expect(box.get_by_role("status")).to_contain_text("No results. Nothing found for “qqq”.")
    assert combobox.get_attribute("aria-activedescendant") is None


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (360, False)])
def test_box_and_page_are_accessible_and_fit(opened, max, green_leads, width, dark):
    make_lead(contact_name="Wolfeschlegelsteinhausenbergerdorff-" * 5, company_name="محمد " * 30)
    page = opened(max, width=width, dark=dark)
    for text in ("", "wolfe", "qqq"):
        page.goto(f"/search/?q={text}")
        assert Axe().run(page).response["violations"] == [], text
        page.keyboard.press("Control+k")
        search_for(page, text or " ")
        page.wait_for_timeout(100)
        assert Axe().run(page, context="#search-box").response["violations"] == [], text
        size = page.evaluate(
            "[document.documentElement.scrollWidth, document.querySelector('#search-hits').scrollWidth]"
        )
        assert size[0] <= width
        assert size[1] <= width - 20
        page.keyboard.press("Escape")


def test_logout_by_the_box(opened, max):
    page = opened(max)
    page.keyboard.press("Control+k")
    search_for(page, "log out")
    page.keyboard.press("Enter")
    expect(page.get_by_text("logged out").first).to_be_visible()


def test_failing_server_gets_a_sentence(opened, max, green_leads):
    page = opened(max)
    page.keyboard.press("Control+k")
    page.route(re.compile(r"q=green"), lambda route: route.fulfill(status=500, body="no"))
    search_for(page, "green")
    expect(page.locator("#search-box .hit-notice")).to_have_text("The search failed. Try again.")
    page.unroute(re.compile(r"q=green"))
    page.context.clear_cookies()
    search_for(page, "greg")
    expect(page.locator("#search-box .hit-notice")).to_contain_text("You are logged out.")


def test_without_scripts_the_button_leads_to_the_page(opened, max, green_leads):
    page = opened(max, scripts=False)
    page.goto("/leads/lead/")
    page.locator("[data-search-opener]").click()
    page.wait_for_url("**/search/")
    expect(page.locator(BOX)).to_be_hidden()
    page.get_by_role("searchbox").fill("greg")
    page.get_by_role("button", name="Search", exact=True).click()
    page.get_by_role("link", name="Gregory Green").click()
    page.wait_for_url("**/change/")


def test_keys_of_the_page_below_do_nothing_while_the_box_is_open(opened, max, green_leads):
    thread = make_thread(subject="Question")
    page = opened(max)
    page.goto(f"/inbox/thread/{thread.pk}/change/")
    page.keyboard.press("Control+k")
    expect(page.locator(OPTIONS).first).to_be_visible()
    page.get_by_role("button", name="Close").focus()
    page.keyboard.press("e")
    page.keyboard.press("Escape")
    expect(page.locator(BOX)).to_be_hidden()
    page.keyboard.press("?")
    page.get_by_role("dialog", name="Keyboard shortcuts").get_by_role("button").focus()
    page.keyboard.press("e")
    page.wait_for_timeout(300)
    assert Thread.objects.get(pk=thread.pk).status == "OPEN"


def test_skip_link_leads_past_the_navigation(opened, max):
    page = opened(max)
    page.goto("/leads/lead/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
