"""Every main screen is accessible and fits a phone, in light and dark mode."""

from uuid import uuid4

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from agents.assistant.transitions import ask_about_lead
from ai_log.models import AIInteraction
from crm.models import Project
from inbox.models import Mailbox, Message, SetAside
from inbox.transitions import add_to_thread
from leads.models import Task
from tests.cast import make_client, make_contact, make_lead, make_suggestion, make_thread, make_ticket
from tests.end_to_end.addresses import job

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
LONG = "Wolfeschlegelsteinhausenbergerdorff-Featherstonehaugh"
SERIOUS = {"serious", "critical"}


@pytest.fixture
def addresses(max) -> dict[str, str]:
    """The URLs of the main screens, each with long content."""
    client = make_client(name=f"{LONG} & Daughters Moving, Storage and Piano Tuning Company")
    lead = make_lead(
        contact_name=f"Maximiliane {LONG}",
        company_name=LONG * 3,
        estimated_value=1_250_000,
        line="auto",
        auto_data={"vin": "1HGCM82633A004352", "make": LONG},
        custom_fields={"region": "north", "note": LONG * 2},
        tags=["vip", LONG[:60]],
        signals=[{"type": "budget_mentioned", "timestamp": "2026-01-05T10:00:00Z", "weight": 0.25, "source": LONG}],
    )
    thread = make_thread(lead=lead, subject=LONG * 4)
    add_to_thread(
        Message(
            thread=thread,
            direction="in",
            body_text=f"Hello\n\n> quoted {LONG * 4}\n\nhttps://example.com/{LONG * 4}",
            from_email="a@example.com",
            sent_at=lead.created_at,
        )
    )
    ticket = make_ticket(client=client, subject=LONG * 3, issue_description=LONG * 9)
    suggestion = make_suggestion(lead=lead, reasoning=LONG * 4, suggested_content={"title": LONG * 3})
    interaction = AIInteraction.objects.create(
        lead=lead, type="Chat", source="Agent UI", content=LONG * 30, ai_response="x" * 3_000, summary=LONG * 2
    )
    asked = {"conversation": uuid4(), "key": uuid4(), "by": max}
    ask_about_lead(lead, f"Catch me up, and tell what they said about {LONG}", **asked)
    mailbox = Mailbox.objects.create(address=f"office@{LONG[:50].lower()}.example", last_error=LONG * 4)
    aside = SetAside.objects.create(
        mailbox=mailbox, origin=f"{LONG * 3} #3 of 17", reason=LONG * 2, size=9, raw=b"x" * 9
    )
    make_thread(lead=lead, subject=LONG * 4)
    job()
    return {
        "today": "/",
        "leads": "/leads/lead/",
        "board": "/leads/lead/board/",
        "lead": f"/leads/lead/{lead.pk}/change/",
        "lead form": f"/leads/lead/{lead.pk}/change/?edit=1",
        "ask": f"/leads/lead/{lead.pk}/ask/{asked['conversation']}/",
        "new lead": "/leads/lead/add/",
        "deed": f"/leads/lead/{lead.pk}/do/stage/",
        "history": f"/leads/lead/{lead.pk}/history/",
        "tasks": "/leads/task/",
        "task": f"/leads/task/{Task.objects.create(title=LONG * 3, lead=lead).pk}/change/",
        "inbox": "/inbox/thread/?state=all",
        "conversation": f"/inbox/thread/{thread.pk}/change/",
        "split": f"/inbox/thread/{thread.pk}/do/split/",
        "join": f"/inbox/thread/{thread.pk}/do/join/",
        "link": f"/inbox/thread/{thread.pk}/do/link/",
        "log": f"/inbox/thread/add/?lead={lead.pk}",
        "write": f"/inbox/draft/add/?lead={lead.pk}",
        "connect": "/inbox/mailbox/add/",
        "mailbox": f"/inbox/mailbox/{mailbox.pk}/change/",
        "mailbox form": f"/inbox/mailbox/{mailbox.pk}/change/?edit=1",
        "set aside": f"/inbox/setaside/{aside.pk}/change/",
        "approvals": "/suggestions/suggestion/",
        "autonomy": "/suggestions/autonomysetting/?for=agency",
        "suggestion": f"/suggestions/suggestion/{suggestion.pk}/change/",
        "tickets": "/support/supportticket/",
        "ticket": f"/support/supportticket/{ticket.pk}/change/",
        "AI log": "/ai_log/aiinteraction/",
        "interaction": f"/ai_log/aiinteraction/{interaction.pk}/change/",
        "clients": "/crm/client/",
        "client": f"/crm/client/{client.pk}/change/",
        "contacts": "/crm/contact/",
        "contact": f"/crm/contact/{make_contact(name=LONG * 3).pk}/change/",
        "projects": "/crm/project/",
        "project": f"/crm/project/{Project.objects.create(client=client, name=LONG * 3).pk}/change/",
        "activity": "/crm/activitylog/",
        "views": "/crm/savedview/",
    }


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (360, True)])
def test_screens_are_accessible_and_fit_their_window(opened, max, addresses, width, dark):
    page, faults = opened(max, width=width, dark=dark), []
    for name, address in addresses.items():
        page.goto(address)
        page.locator("html:not([x-cloak])").wait_for(state="attached")
        wide = page.evaluate("document.documentElement.scrollWidth")
        if wide > width:
            faults.append(f"{name}: {wide} pixels wide")
        for fault in Axe().run(page).response["violations"]:
            if fault["impact"] in SERIOUS:
                nodes = "; ".join(node["html"][:160] for node in fault["nodes"][:2])
                faults.append(f"{name}: {fault['id']} ({fault['help']}): {nodes}")
    assert faults == [], "\n".join(faults)


def wait_for_width(page: Page, most: int) -> None:
    """Wait until the page is no wider than `most` pixels; the policy forbids Playwright's own way to wait."""
    for _ in range(50):
        if page.evaluate("document.documentElement.scrollWidth") <= most:
            return
        page.wait_for_timeout(100)
    pytest.fail(f"The page stays wider than {most} pixels.")


def test_popovers_stay_in_the_window_and_a_file_can_be_chosen(opened, max):
    lead = make_lead(assigned_to=max)
    page = opened(max)
    page.goto(f"/leads/lead/{lead.pk}/change/")
    for place in range(page.locator(".page-actions summary").count()):
        page.locator(".page-actions summary").nth(place).click()
        sheet = page.locator(".page-actions details[open] > .sheet")
        sheet.wait_for()
        wait_for_width(page, 1280)
        page.keyboard.press("Escape")
    page.goto("/leads/import/")
    page.set_input_files("input[type=file]", files=[{"name": "a.csv", "mimeType": "text/csv", "buffer": b"Name"}])
    assert page.locator("input[type=file]").input_value().endswith("a.csv")


def test_empty_agency_shows_empty_states(opened, max):
    page = opened(max)
    for address in ("/", "/leads/lead/", "/inbox/thread/", "/suggestions/suggestion/", "/support/supportticket/"):
        page.goto(address)
        assert page.locator(".empty").count() > 0, address
