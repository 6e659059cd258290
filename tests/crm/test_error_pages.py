"""Requests refused before they reach a page still get a sentence."""

import pytest
from django.test import Client as Browser

from tests.cast import make_lead, make_suggestion, page_text

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


def test_not_found_page_explains(as_ann, ann, bob):
    answer = as_ann.get(approve_url(bob))
    assert answer.status_code == 404
    assert "The record may have been deleted" in page_text(answer)


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
