"""From the page of a record to the next one of its list."""

from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test import override_settings

from leads.models import Lead
from tests.cast import browser, make_lead, page_text

pytestmark = pytest.mark.django_db


@pytest.fixture
def leads(ann) -> list[Lead]:
    """Leads in the order of the list by value."""
    return [make_lead(estimated_value=value, assigned_to=ann, tags=["fleet"]) for value in (900, 800, 700)]


def beside(page, lead: Lead, direction: str, query: str = "order=value") -> str:
    answer = page.get(f"/leads/lead/{lead.pk}/{direction}/?{urlencode({'list': query})}")
    assert answer.status_code == 302
    return answer["Location"]


def address(lead: Lead, query: str = "order=value") -> str:
    return f"/leads/lead/{lead.pk}/change/?{urlencode({'list': query})}"


def test_the_list_leads_to_a_page_and_on_through_the_list(as_ann, leads):
    query = "order=value&tags=fleet"
    rows = page_text(as_ann.get(f"/leads/lead/?{query}"))
    assert f'href="{leads[0].pk}/change/?{urlencode({"list": query})}"' in rows
    page = page_text(as_ann.get(address(leads[0], query)))
    assert f"/leads/lead/{leads[0].pk}/following/?" in page and 'data-press="]"' in page
    assert beside(as_ann, leads[0], "following", query) == address(leads[1], query)
    assert beside(as_ann, leads[1], "following", query) == address(leads[2], query)
    assert beside(as_ann, leads[1], "preceding", query) == address(leads[0], query)


def test_a_page_that_no_list_opened_leads_nowhere(as_ann, leads):
    assert "/following/" not in page_text(as_ann.get(f"/leads/lead/{leads[0].pk}/change/"))


def test_at_the_end_comes_the_list(as_ann, leads):
    answer = as_ann.get(f"/leads/lead/{leads[2].pk}/following/?list=order%3Dvalue", follow=True)
    assert answer.redirect_chain == [("/leads/lead/?order=value", 302)]
    assert "That was the last of the list." in page_text(answer)
    answer = as_ann.get(f"/leads/lead/{leads[0].pk}/preceding/?list=order%3Dvalue", follow=True)
    assert "That was the first of the list." in page_text(answer)


def test_a_record_that_left_the_list_still_has_neighbours(as_ann, leads):
    Lead.objects.filter(pk=leads[1].pk).update(tags=[])
    assert beside(as_ann, leads[1], "following", "tags=fleet&order=value") == address(
        leads[2], "tags=fleet&order=value"
    )


def test_hidden_records_are_no_neighbours(as_ann, bob, leads):
    Lead.objects.filter(pk=leads[1].pk).update(assigned_to=bob)
    assert beside(as_ann, leads[0], "following") == address(leads[2])
    assert as_ann.get(f"/leads/lead/{leads[1].pk}/following/?list=").status_code == 404
    assert browser(None).get(f"/leads/lead/{leads[0].pk}/following/?list=").status_code == 302


@pytest.mark.parametrize(
    "query", ["order=nothing", "tier=purple", "q=%00", "after=x", "x" * 5_000, "\x00", "cf.none=1"]
)
def test_a_strange_list_is_no_error(as_ann, leads, query):
    assert as_ann.get(f"/leads/lead/{leads[0].pk}/change/?{urlencode({'list': query})}").status_code == 200
    assert as_ann.get(f"/leads/lead/{leads[0].pk}/following/?{urlencode({'list': query})}").status_code == 302


def test_filters_that_take_too_long_are_stopped(as_ann, leads, monkeypatch):
    def slow(*args, **keys) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(5)")

    monkeypatch.setattr("crm.screens.record_page.neighbours.fetch_page", slow)
    with override_settings(LIST_TIMEOUT=0.05):
        answer = as_ann.get(f"/leads/lead/{leads[0].pk}/following/?list=order%3Dvalue", follow=True)
    assert "take too long to find the next one" in page_text(answer)


def test_an_action_returns_to_the_page_with_its_list(as_ann, leads):
    page = page_text(as_ann.get(address(leads[0])))
    assert f'name="next" value="{address(leads[0])}"' in page
