"""What stops a request before any page of ours is reached still ends in a sentence."""

import pytest
from django.test import Client as Browser

from tests.cast import make_lead, make_suggestion

pytestmark = pytest.mark.django_db


def approval(ann) -> str:
    return f"/suggestions/suggestion/{make_suggestion(lead=make_lead(assigned_to=ann)).pk}/do/approve/"


def test_a_page_from_before_another_login_says_what_to_do(ann):
    careful = Browser(enforce_csrf_checks=True)
    careful.force_login(ann)
    answer = careful.post(approval(ann), {})
    assert answer.status_code == 403
    assert "load the page anew and do it again" in answer.content.decode()


def test_more_than_is_taken_says_so(ann, as_ann, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000
    answer = as_ann.post(approval(ann), {"note": "x" * 2_000})
    assert answer.status_code == 400
    assert "too large. Nothing was changed" in answer.content.decode()


def test_what_is_not_there_or_not_theirs_says_so(as_ann, ann, bob):
    answer = as_ann.get(approval(bob))
    assert answer.status_code == 404
    assert "It may have been deleted" in answer.content.decode()


def test_a_breakdown_says_so(as_ann, ann, monkeypatch):
    def breaks(*args, **kwargs):
        raise ZeroDivisionError

    monkeypatch.setattr("suggestions.admin.detail", breaks)
    as_ann.raise_request_exception = False
    answer = as_ann.get(approval(ann))
    assert answer.status_code == 500
    assert "The program broke down over this" in answer.content.decode()
