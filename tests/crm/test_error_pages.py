"""Requests refused before they reach a page still get a sentence."""

from uuid import uuid4

import pytest
from django.test import Client as Browser

from tests.cast import browser, make_lead, make_suggestion, page_text

pytestmark = pytest.mark.django_db


def approve_url(ann) -> str:
    return f"/suggestions/suggestion/{make_suggestion(lead=make_lead(assigned_to=ann)).pk}/do/approve/"


def test_stale_csrf_token_shows_instructions(ann):
    careful = Browser(enforce_csrf_checks=True)
    careful.force_login(ann)
    answer = careful.post(approve_url(ann), {})
    assert answer.status_code == 403
    assert "reload the page and try again" in page_text(answer)


def test_oversized_request_shows_message(ann, as_ann, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000
    answer = as_ann.post(approve_url(ann), {"note": "x" * 2_000})
    assert answer.status_code == 400
    assert "too large. Nothing was changed" in page_text(answer)


@pytest.mark.parametrize("debug", [True, False])
def test_record_of_a_colleague_and_none_at_all_get_the_same_page(as_ann, bob, settings, debug):
    settings.DEBUG = debug
    lead = make_lead(assigned_to=bob, contact_name="Secret")
    pages = []
    for key in (lead.pk, uuid4()):
        answer = as_ann.get(f"/leads/lead/{key}/change/")
        assert answer.status_code == 404
        assert "Content-Security-Policy" in answer
        pages.append(page_text(answer))
    page = pages[0]
    # The form of the logout has a token of its own on every page.
    contents = [one.partition('id="content-main"')[2].partition("</main>")[0] for one in pages]
    assert contents[0] == contents[1] != ""
    assert "The record may have been deleted, you may not have access to it" in page
    assert "Secret" not in page
    assert '<a class="btn" href="/leads/lead/">' in page
    assert 'id="nav-sidebar-inner"' in page
    assert "urlpatterns" not in page


def test_missing_page_offers_no_list_that_its_reader_may_not_open(stranger):
    page = page_text(browser(stranger).get(f"/leads/lead/{uuid4()}/change/"))
    assert '<a class="btn" href="/leads/lead/">' not in page


def test_public_address_that_is_not_found_shows_no_navigation(as_ann):
    assert "nav-sidebar" not in page_text(as_ann.get("/in/" + "A" * 22 + "/"))


def test_server_error_page_explains(as_ann, ann, monkeypatch):
    def breaks(*args, **kwargs):
        raise ZeroDivisionError

    monkeypatch.setattr("suggestions.admin.suggestion_context", breaks)
    as_ann.raise_request_exception = False
    answer = as_ann.get(approve_url(ann))
    assert answer.status_code == 500
    assert "Something went wrong" in page_text(answer)


ODD_KEYS = ("1", "0", "-1", "9" * 30, "x", "%00", "_00", "%FF", "1.5", "²", "NaN", "a" * 300)


@pytest.mark.parametrize("key", ODD_KEYS)
@pytest.mark.parametrize(
    "path",
    ["r/{}/{}/", "leads/leadstatus/{}/change/", "leads/leadstatus/{}/history/", "crm/user/{}/password/", "{}/{}/"],
)
def test_odd_key_in_an_address_is_not_found(admin_client, path, key):
    assert admin_client.get("/" + path.format(key, key)).status_code in {302, 404}
