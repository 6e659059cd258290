"""Pages of a list by key."""

import itertools
import random
import re
from datetime import UTC, datetime, timedelta

import pytest
from django.db import DataError, connection, models, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm.admin import ClientAdmin
from crm.exceptions import BadInput
from crm.models import Client
from crm.screens import lists, paging
from crm.screens.paging import (
    CappedPaginator,
    Count,
    Order,
    Page,
    capped,
    capped_count,
    capped_counts,
    page,
    whole_count,
)
from leads.admin import LeadAdmin
from leads.models import Lead
from tests.cast import browser

pytestmark = pytest.mark.django_db
URL = "/leads/lead/"
GONE = "That page no longer exists."
MANY = 60
DAY_ONE = datetime(2024, 1, 1, tzinfo=UTC)

# Few values, so that there are ties in every key; None wherever a column may be null.
ROWS = st.lists(
    st.tuples(
        st.sampled_from(["hot", "cold", None]),
        st.sampled_from(["0.70", "0.10", None]),
        st.sampled_from([100, 2, None]),
        st.sampled_from([0, 1, None]),
    ),
    max_size=12,
)
SIZES = st.integers(1, 14)
ORDERS = st.sampled_from(sorted(LeadAdmin.orders))
several = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def leads_of(rows: list[tuple]) -> list[Lead]:
    return Lead.objects.bulk_create(
        Lead(
            contact_name=f"Lead {number}",
            priority_tier=tier,
            overall_score=score,
            estimated_value=value,
            last_contact_at=None if day is None else DAY_ONE + timedelta(days=day),
            created_at=DAY_ONE,
        )
        for number, (tier, score, value, day) in enumerate(rows)
    )


def in_order(name: str) -> list:
    """The keys of all leads as the list called `name` must show them, worked out without the database."""
    urgency = {"hot": 4, "cold": 2, None: 0}
    keys = {
        "priority": lambda lead: (urgency[lead.priority_tier], float(lead.overall_score or -1), lead.pk),
        "newest": lambda lead: lead.pk,
        "heard": lambda lead: (lead.last_contact_at or lead.created_at, lead.pk),
        "quiet": lambda lead: (lead.last_contact_at or lead.created_at, lead.pk),
        "value": lambda lead: (-1 if lead.estimated_value is None else lead.estimated_value, lead.pk),
    }
    return [lead.pk for lead in sorted(Lead.objects.all(), key=keys[name], reverse=name != "quiet")]


def forward(rows: models.QuerySet, order: Order, size: int) -> list[Page]:
    """Every page from the first to the last, by the links to the next."""
    pages = [page(rows, order, size=size)]
    while pages[-1].next:
        pages.append(page(rows, order, size=size, after=pages[-1].next))
        assert len(pages) < MANY, "the pages never end"
    return pages


def keys_of(pages: list[Page]) -> list:
    return [row.pk for shown in pages for row in shown.rows]


@several
@given(rows=ROWS, size=SIZES, name=ORDERS)
def test_walking_forward_meets_every_row_once_and_in_order(rows, size, name):
    with transaction.atomic():
        leads_of(rows)
        pages = forward(Lead.objects.all(), LeadAdmin.orders[name], size)
        assert keys_of(pages) == in_order(name)
        assert [shown.offset for shown in pages] == list(range(0, max(len(rows), 1), size))
        transaction.set_rollback(True)


@several
@given(rows=ROWS, size=SIZES, name=ORDERS)
def test_walking_back_from_the_last_page_shows_the_same_pages(rows, size, name):
    with transaction.atomic():
        leads_of(rows)
        order, all_leads = LeadAdmin.orders[name], Lead.objects.all()
        pages = forward(all_leads, order, size)
        back = [pages[-1]]
        while back[-1].previous:
            back.append(page(all_leads, order, size=size, before=back[-1].previous))
            assert len(back) < MANY, "the pages never end"
        assert [keys_of([shown]) for shown in reversed(back)] == [keys_of([shown]) for shown in pages]
        assert [shown.offset for shown in reversed(back)] == [shown.offset for shown in pages]
        assert all(shown.next for shown in back[1:])
        transaction.set_rollback(True)


@several
@given(rows=ROWS, size=SIZES, name=ORDERS, chance=st.randoms(use_true_random=False))
def test_rows_that_come_and_go_between_pages_hide_and_repeat_no_other(rows, size, name, chance):
    with transaction.atomic():
        staying = {lead.pk for lead in leads_of(rows)}
        order, met = LeadAdmin.orders[name], []
        shown = page(Lead.objects.all(), order, size=size)
        while True:
            met += keys_of([shown])
            assert len(met) < MANY, "the pages never end"
            if len(met) < len(rows):  # or they might come for ever
                staying -= come_and_go(chance)
            if not shown.next:
                break
            shown = page(Lead.objects.all(), order, size=size, after=shown.next)
        assert len(met) == len(set(met))
        order_now = {pk: place for place, pk in enumerate(in_order(name))}
        still = [pk for pk in met if pk in staying]
        assert still == sorted(staying, key=order_now.get)
        transaction.set_rollback(True)


def come_and_go(chance: random.Random) -> set:
    """One lead more, and at times one less; the keys of those that went."""
    leads_of([(chance.choice(["hot", None]), chance.choice(["0.10", None]), 2, chance.choice([0, None]))])
    gone = chance.choice([None, *Lead.objects.values_list("pk", flat=True)])
    return {gone} if gone and Lead.objects.filter(pk=gone).delete() else set()


@pytest.mark.parametrize("size", [1, 2, 5])
def test_names_are_paged_in_the_order_in_which_the_database_sorts_them(size):
    names = ["", "a", "A", "a", "ä", "Z", "z z", "z-z", "É", "e", "ZZ", "10", "9", "\U0001f600" * 200, "漢" * 200]
    Client.objects.bulk_create(Client(name=name or "-") for name in names)
    order = ClientAdmin.orders["name"]
    expected = list(Client.objects.order_by("name", "id").values_list("pk", flat=True))
    pages = forward(Client.objects.all(), order, size)
    assert keys_of(pages) == expected
    for earlier, later in itertools.pairwise(pages):
        assert page(Client.objects.all(), order, size=size, before=later.previous).rows == earlier.rows


def test_a_page_of_which_all_rows_are_gone_is_empty_and_the_list_shows_the_first(as_max):
    first, second, third = leads_of([(None, None, value, None) for value in (3, 2, 1)])
    order = LeadAdmin.orders["value"]
    after = page(Lead.objects.all(), order, size=2).next
    Lead.objects.filter(pk=third.pk).delete()
    assert page(Lead.objects.all(), order, size=2, after=after).rows == []
    answer = as_max.get(URL, {"order": "value", "after": after})
    assert "Nothing stands on that page any more. This is the first." in answer.content.decode()
    assert keys_of([answer.context["cl"].page]) == [first.pk, second.pk]


def cursors() -> dict[str, str]:
    """Texts that are no cursor of the order by value."""
    leads_of([("hot", "0.70", 3, 0), ("hot", "0.70", 2, 0), ("cold", None, 1, 1)])
    pages = {name: page(Lead.objects.all(), order, size=2).next for name, order in LeadAdmin.orders.items()}
    ours = pages["value"]
    data, signature = ours.rsplit(":", 1)
    return {
        "rubbish": "rubbish",
        "unreadable": "%%%ä\x00\u202e",
        "a lone surrogate": "\ud800",
        "only a signature": f":{signature}",
        "forged": f"{data[:-2]}AA:{signature}",
        "unsigned": data,
        "too long": ours + "A" * 10_000,
        "of another order": pages["priority"],
        "of another order with keys of other types": pages["heard"],
    }


@pytest.mark.parametrize(
    "kind",
    [
        "rubbish",
        "unreadable",
        "a lone surrogate",
        "only a signature",
        "forged",
        "unsigned",
        "too long",
        "of another order",
        "of another order with keys of other types",
    ],
)
def test_a_cursor_that_is_not_this_orders_is_refused_and_the_list_shows_the_first_page(as_max, kind):
    cursor = cursors()[kind]
    for where in ("after", "before"):
        with pytest.raises(BadInput, match=GONE):
            page(Lead.objects.all(), LeadAdmin.orders["value"], size=2, **{where: cursor})
        if kind != "a lone surrogate":  # no address can hold one
            answer = as_max.get(URL, {"order": "value", where: cursor})
            assert answer.status_code == 200
            assert f"{GONE} This is the first." in answer.content.decode()
            assert keys_of([answer.context["cl"].page]) == in_order("value")


def test_a_cursor_of_the_same_keys_the_other_way_round_is_refused():
    leads_of([(None, None, None, day) for day in (0, 1, None)])
    cursor = page(Lead.objects.all(), LeadAdmin.orders["heard"], size=1).next
    with pytest.raises(BadInput, match=GONE):
        page(Lead.objects.all(), LeadAdmin.orders["quiet"], size=1, after=cursor)


def test_an_empty_cursor_is_the_first_page_and_after_wins_over_before():
    leads_of([(None, None, value, None) for value in (3, 2, 1)])
    order, all_leads = LeadAdmin.orders["value"], Lead.objects.all()
    first = page(all_leads, order, size=1)
    assert page(all_leads, order, size=1, after="", before="") == first
    second = page(all_leads, order, size=1, after=first.next, before=first.next)
    assert keys_of([second]) == in_order("value")[1:2]
    assert keys_of([page(all_leads, order, size=1, after="", before=second.previous)]) == in_order("value")[:1]


def test_counts_stop_one_past_the_most_that_is_counted(monkeypatch):
    leads_of([(None, None, None, None)] * 5)
    assert capped_count(Lead.objects.all()) == 5
    monkeypatch.setattr(paging, "MOST_COUNTED", 3)
    assert capped_count(Lead.objects.order_by("contact_name")) == 4
    assert (capped(3), capped(4)) == ("3", "3+")
    assert capped_count(Lead.objects.all(), 1) == 2
    assert [(str(Count(n, 1_000)), Count(n, 1_000).goes_on) for n in (1_000, 1_001)] == [
        ("1,000", False),
        ("1,000+", True),
    ]
    assert CappedPaginator(Lead.objects.order_by("pk"), 2).count == 3
    parts = {
        "all": Lead.objects.order_by("contact_name"),
        "two": Lead.objects.filter(contact_name__in=["Lead 1", "Lead 2"]),
        "none can": Lead.objects.none(),
        "per cent": Lead.objects.filter(contact_name__contains="%"),
    }
    assert capped_counts(parts) == {"all": 4, "two": 2, "none can": 0, "per cent": 0}
    assert capped_counts({}) == {}


def test_all_are_counted_unless_that_takes_too_long(monkeypatch):
    leads_of([(None, None, None, None)] * 5)
    monkeypatch.setattr(paging, "MOST_COUNTED", 3)
    assert whole_count(Lead.objects.order_by("contact_name")) == 5
    slow = Lead.objects.extra(where=["pg_sleep(0.05) IS NOT NULL"])
    monkeypatch.setattr(paging, "COUNT_SECONDS", 0.1)
    assert whole_count(slow) is None
    with connection.cursor() as cursor:  # the limit was only for that
        cursor.execute("SELECT pg_sleep(0.2)")
    monkeypatch.setattr(paging, "COUNT_SECONDS", 30)
    assert whole_count(slow) == 5
    with pytest.raises(DataError), transaction.atomic():
        whole_count(Lead.objects.extra(where=["1 / 0 = 1"]))


def test_the_list_says_that_there_are_more_than_it_counts(max, monkeypatch):
    leads_of([("hot", None, None, None)] * 4)
    monkeypatch.setattr(paging, "MOST_COUNTED", 3)
    text = browser(max).get(URL).content.decode()
    assert re.search(r'1–4 of <a href="\?count=all"[^>]*>3\+<', text)
    assert ">Hot<span>3+</span>" in text


def test_a_narrowed_list_counts_few_more_than_a_page_and_all_when_asked(max, monkeypatch):
    leads_of([("hot", None, value, None) for value in range(4)])
    monkeypatch.setattr(lists, "MOST_COUNTED_NARROWED", 2)
    page_of_max = browser(max)
    cl = page_of_max.get(URL, {"value_min": "1", "order": "value", "count": "some"}).context["cl"]
    assert (str(cl.counted), cl.count_url()) == ("2+", "?value_min=1&order=value&count=all")
    assert 'name="select_across" value="1"> All 2+ found' in page_of_max.get(URL, {"value_min": "1"}).content.decode()
    cl = page_of_max.get(URL + cl.count_url()).context["cl"]
    assert (str(cl.counted), cl.count_url(), cl.order_name) == ("3", "", "value")
    assert "count" not in cl.query_to_save()
    cl = page_of_max.get(URL, {"tier": "hot"}).context["cl"]  # a tab is counted anyway
    assert (str(cl.counted), cl.count_url()) == ("4", "")
    cl = page_of_max.get(URL, {"tier": "hot", "stage": "nowhere"}).context["cl"]  # what is refused narrows nothing
    assert str(cl.counted) == "4"


def test_a_count_that_takes_too_long_is_given_up_with_a_sentence(max, monkeypatch):
    leads_of([("hot", None, None, None)] * 4)
    monkeypatch.setattr(lists, "MOST_COUNTED_NARROWED", 2)
    monkeypatch.setattr(lists, "whole_count", lambda rows: None)
    answer = browser(max).get(URL, {"state": "all", "count": "all"})
    assert "There are too many to count them all: narrow the list down." in answer.content.decode()
    assert str(answer.context["cl"].counted) == "2+"
