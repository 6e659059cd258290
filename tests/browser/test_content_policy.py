"""No page tries what its Content-Security-Policy forbids: `opened` fails for every violation that it is told of."""

import re

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from crm.models import User
from inbox.models import Message, WebForm
from inbox.transitions import add_to_thread
from tests.cast import browser, make_client, make_lead, make_thread, make_user
from tests.end_to_end.addresses import addresses, job, make_world

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def june(db) -> User:
    """An administrator who may open every page."""
    user = make_user("june", "administrator")
    User.objects.filter(pk=user.pk).update(is_superuser=True)
    user.refresh_from_db()
    return user


def pages_by_template(user: User) -> dict[str, str]:
    """Return one address for each template of ours, and each page that is made by a template of the theme."""
    without_browser = browser(user)
    pages = {}
    for address in addresses(make_world()):
        answer = without_browser.get(address.url) if address.name != "logout" else None
        if answer is not None and answer.status_code == 200 and answer.templates and b"<html" in answer.content:
            name = answer.templates[0].name
            pages.setdefault(address.name if name.startswith("admin/") else name, address.url)
    return pages


def test_no_page_violates_its_policy(opened, june):
    pages = pages_by_template(june)
    assert len(pages) > 50
    page = opened(june)
    for url in pages.values():
        page.goto(url)


def test_formatted_email_keeps_its_styles_in_a_frame_without_scripts(opened, june):
    thread = make_thread(lead=make_lead())
    html = '<p style="color:red">Formatted</p><img src="https://images.invalid/1.gif">'
    said = {"direction": "in", "from_email": "lee@example.com", "sent_at": timezone.now(), "body_html": html}
    message = add_to_thread(Message(thread=thread, body_text="Plain", **said))
    page = opened(june)
    page.goto(f"/inbox/thread/{thread.pk}/change/?html={message.pk}&images={message.pk}")
    text = page.frame_locator("iframe.mail").get_by_text("Formatted")
    expect(text).to_have_css("color", "rgb(255, 0, 0)")
    expect(page.frame_locator("iframe.mail").locator("img")).to_have_attribute("src", re.compile("invalid"))


def test_public_pages_have_their_style(opened, june):
    web_form = WebForm.objects.create(name="Quotes", heading="Request a quote")
    page = opened(june)
    page.goto(f"/in/{web_form.token}/")
    expect(page.locator(".trap")).to_have_css("position", "absolute")
    page.goto(f"/t/{'A' * 22}/")
    expect(page.locator("h1")).to_have_css("font-size", "24px")


def test_menus_of_the_theme_work_without_compiled_scripts(opened, june):
    page = opened(june)
    navigation, fold = page.locator("#nav-sidebar"), page.get_by_text("dock_to_right").locator("visible=true")
    fold.click()
    expect(navigation).to_be_hidden()
    page.reload()
    expect(navigation).to_be_hidden()
    fold.click()
    expect(navigation).to_be_visible()

    page.locator("[x-on\\:click^='openUserLinks']").click()
    page.locator("[x-on\\:click=\"switchTheme('dark')\"]").click()
    expect(page.locator("html")).to_have_class("dark")
    page.keyboard.press("Escape")
    page.locator(".headline h1").click()
    expect(page.get_by_role("link", name="Your sessions")).to_be_hidden()


def test_forms_and_lists_of_the_theme_work_without_compiled_scripts(opened, june):
    client = make_client(name="Clara Client")
    page = opened(june)
    page.goto(f"/crm/client/{client.pk}/change/?edit=1")
    tab = page.locator("nav > a[x-on\\:click]").nth(1)
    tab.click()
    expect(tab).to_have_class(re.compile(r"\bactive\b"))
    page.get_by_role("link", name=re.compile("Add another")).click()
    page.locator("#id_name").fill("Clara & Daughters")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".headline h1")).to_contain_text("Clara & Daughters")

    for _ in range(60):
        job()
    page.goto("/procrastinate/procrastinatejob/")
    page.get_by_role("link", name="2", exact=True).click()
    page.wait_for_url("**/?p=2")
    page.goto("/crm/user/")
    page.locator("#result_list input.action-select").first.check()
    expect(page.locator("#changelist-actions")).to_be_visible()
