"""The path above a page names the groups and entries of the navigation."""

import re

import pytest
from django.contrib import admin
from django.urls import reverse

from crm.screens.theme import places_in_navigation
from crm.templatetags.crm import draw_navigation
from tests.cast import browser, make_client, make_suggestion, page_text
from tests.crm.schema.promotions import make_field

pytestmark = pytest.mark.django_db


def path_above(page: str) -> list[str]:
    """Return the words of the path above a page."""
    heading = re.search(r"<h1 class=\"overflow-hidden.*?</h1>", page, re.DOTALL)[0]
    return [text.strip() for text in re.findall(r">([^<>]*\w[^<>]*)<", heading) if text.strip() != "chevron_right"]


def active_entries(page: str) -> list[str]:
    navigation = page[page.index("nav-sidebar-apps") :]
    return re.findall(r" active\">.*?<span>([^<]+)</span>", navigation, re.DOTALL)


def test_every_list_has_a_place_in_the_navigation():
    admin.autodiscover()
    lists = {
        reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist") for model in admin.site._registry
    }
    assert lists - set(places_in_navigation()) == set()


@pytest.mark.parametrize(
    ("address", "path", "entry"),
    [
        ("/crm/customfield/", ["Settings", "Custom fields"], "Custom fields"),
        ("/crm/schemachange/", ["Settings", "Custom fields", "Schema requests"], "Custom fields"),
        ("/crm/user/", ["Settings", "Staff"], "Staff"),
        ("/leads/leadstatus/", ["Settings", "Stages"], "Stages"),
        ("/leads/lead/", ["Leads"], "Leads"),
        ("/inbox/draft/", ["Inbox", "Drafts"], "Inbox"),
        ("/crm/contact/", ["Clients &amp; contacts", "Contacts"], "Contacts"),
        ("/leads/book-of-business/", ["Clients &amp; contacts", "Book of business"], "Book of business"),
        ("/tags/", ["Tags"], None),
    ],
)
def test_path_above_a_list_is_that_of_the_navigation(ada, address, path, entry):
    page = page_text(browser(ada).get(address))
    assert path_above(page) == path
    assert active_entries(page) == ([entry] if entry else [])


def test_navigation_is_drawn_once_for_equal_pages_and_anew_for_other_users_and_badges(ada, vera):
    draw_navigation.cache_clear()
    for page in (browser(ada), browser(ada)):
        page.get("/crm/client/")
    assert draw_navigation.cache_info().currsize == 1
    shown = {user.username: browser(user).get("/crm/client/").content.decode() for user in (ada, vera)}
    assert "/crm/user/" in shown["ada"] and "/crm/user/" not in shown["vera"]
    make_suggestion()
    assert ">1</span>" in page_text(browser(ada).get("/crm/client/"))


def test_path_above_a_record_ends_with_its_name(ada):
    for row, path in (
        (make_field(), ["Settings", "Custom fields", "Level"]),
        (make_client(name="Acme"), ["Clients &amp; contacts", "Clients", "Acme"]),
    ):
        page = page_text(browser(ada).get(f"/crm/{row._meta.model_name}/{row.pk}/change/"))
        assert path_above(page) == path
