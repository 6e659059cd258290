"""Resolving a ticket with the solution of a similar one, with and without scripts."""

import pytest
from playwright.sync_api import expect

from crm.records.activity import SYSTEM_ACTOR
from support.transitions import resolve
from tests.cast import make_ticket

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def address() -> str:
    """A ticket page that suggests the solution of another ticket."""
    resolve(make_ticket(subject="Certificate missing"), summary="Sent the certificate again.", by=SYSTEM_ACTOR)
    return f"/support/supportticket/{make_ticket(subject='Certificate is missing').pk}/change/"


def test_use_this_button_appends_earlier_resolution(opened, max, address):
    page = opened(max)
    page.goto(address)
    field = page.locator("textarea[name=summary]")
    page.get_by_role("button", name="Use this").click()
    expect(field).to_have_value("Sent the certificate again.")
    expect(field).to_be_focused()
    field.fill("Called her first.")
    page.get_by_role("button", name="Use this").click()
    expect(field).to_have_value("Called her first.\n\nSent the certificate again.")


def test_resolution_can_be_copied_without_scripts(opened, max, address):
    page = opened(max, scripts=False)
    page.goto(address)
    expect(page.get_by_text("Sent the certificate again.")).to_be_visible()
    expect(page.locator("[data-use]")).to_be_hidden()
    page.locator("textarea[name=summary]").fill("Sent it by courier.")
    page.locator("form", has=page.locator("textarea[name=summary]")).get_by_role("button", name="Resolve").click()
    expect(page.locator(".headline")).to_contain_text("Resolved")
