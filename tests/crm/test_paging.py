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
from crm.exceptions import InvalidInput
from crm.models import Client
from crm.screens import lists, paging
from crm.screens.paging import (
    CappedCount,
    CappedPaginator,
    Order,
    Page,
    capped_count,
    capped_counts,
    exact_count,
    fetch_page,
    format_capped_count,
)
from leads.admin import LeadAdmin
from leads.models import Lead
from tests.cast import browser
from tests.examples import examples

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
several = settings(
    max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def make_leads(rows: list[tuple]) -> list[Lead]:
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


def expected_keys(name: str) -> list:
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


def all_pages(rows: models.QuerySet, order: Order, size: int) -> list[Page]:
    """Every page from the first to the last, by the links to the next."""
    pages = [fetch_page(rows, order, size=size)]
    while pages[-1].next:
        pages.append(fetch_page(rows, order, size=size, after=pages[-1].next))
        assert len(pages) < MANY, "the pages never end"
    return pages


def keys_of(pages: list[Page]) -> list:
    return [row.pk for shown in pages for row in shown.rows]


@several
@given(rows=ROWS, size=SIZES, name=ORDERS)
def test_forward_paging_visits_every_row_once_in_order(rows, size, name):
    with transaction.atomic():
        make_leads(rows)
        pages = all_pages(Lead.objects.all(), LeadAdmin.orders[name], size)
        assert keys_of(pages) == expected_keys(name)
        assert [shown.offset for shown in pages] == list(range(0, max(len(rows), 1), size))
        transaction.set_rollback(True)


@several
@given(rows=ROWS, size=SIZES, name=ORDERS)
def test_backward_paging_shows_same_pages(rows, size, name):
    with transaction.atomic():
        make_leads(rows)
        order, all_leads = LeadAdmin.orders[name], Lead.objects.all()
        pages = all_pages(all_leads, order, size)
        back = [pages[-1]]
        while back[-1].previous:
            back.append(fetch_page(all_leads, order, size=size, before=back[-1].previous))
            assert len(back) < MANY, "the pages never end"
        assert [keys_of([shown]) for shown in reversed(back)] == [keys_of([shown]) for shown in pages]
        assert [shown.offset for shown in reversed(back)] == [shown.offset for shown in pages]
        assert all(shown.next for shown in back[1:])
        transaction.set_rollback(True)


@several
@given(rows=ROWS, size=SIZES, name=ORDERS, chance=st.randoms(use_true_random=False))
def test_concurrent_changes_hide_and_repeat_no_row(rows, size, name, chance):
    with transaction.atomic():
        staying = {lead.pk for lead in make_leads(rows)}
        order, met = LeadAdmin.orders[name], []
        shown = fetch_page(Lead.objects.all(), order, size=size)
        while True:
            met += keys_of([shown])
            assert len(met) < MANY, "the pages never end"
            if len(met) < len(rows):  # or they might come for ever
                staying -= add_and_remove_leads(chance)
            if not shown.next:
                break
            shown = fetch_page(Lead.objects.all(), order, size=size, after=shown.next)
        assert len(met) == len(set(met))
        order_now = {pk: place for place, pk in enumerate(expected_keys(name))}
        still = [pk for pk in met if pk in staying]
        assert still == sorted(staying, key=order_now.get)
        transaction.set_rollback(True)


def add_and_remove_leads(chance: random.Random) -> set:
    """One lead more, and at times one less; the keys of those that went."""
    make_leads([(chance.choice(["hot", None]), chance.choice(["0.10", None]), 2, chance.choice([0, None]))])
    gone = chance.choice([None, *Lead.objects.values_list("pk", flat=True)])
    return {gone} if gone and Lead.objects.filter(pk=gone).delete() else set()


@pytest.mark.parametrize("size", [1, 2, 5])
def test_text_order_follows_database_collation(size):
    names = ["", "a", "A", "a", "ä", "Z", "z z", "z-z", "É", "e", "ZZ", "10", "9", "\U0001f600" * 200, "漢" * 200]
    Client.objects.bulk_create(Client(name=name or "-") for name in names)
    order = ClientAdmin.orders["name"]
    expected = list(Client.objects.order_by("name", "id").values_list("pk", flat=True))
    pages = all_pages(Client.objects.all(), order, size)
    assert keys_of(pages) == expected
    for earlier, later in itertools.pairwise(pages):
        assert fetch_page(Client.objects.all(), order, size=size, before=later.previous).rows == earlier.rows


def test_emptied_page_falls_back_to_first_page(as_max):
    first, second, third = make_leads([(None, None, value, None) for value in (3, 2, 1)])
    order = LeadAdmin.orders["value"]
    after = fetch_page(Lead.objects.all(), order, size=2).next
    Lead.objects.filter(pk=third.pk).delete()
    assert fetch_page(Lead.objects.all(), order, size=2, after=after).rows == []
    answer = as_max.get(URL, {"order": "value", "after": after})
    assert "That page is empty now. Here is the first page." in answer.content.decode()
    assert keys_of([answer.context["cl"].page]) == [first.pk, second.pk]


def invalid_cursors() -> dict[str, str]:
    """Texts that are no cursor of the order by value."""
    make_leads([("hot", "0.70", 3, 0), ("hot", "0.70", 2, 0), ("cold", None, 1, 1)])
    pages = {name: fetch_page(Lead.objects.all(), order, size=2).next for name, order in LeadAdmin.orders.items()}
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
def test_invalid_cursor_falls_back_to_first_page(as_max, kind):
    cursor = invalid_cursors()[kind]
    for where in ("after", "before"):
        with pytest.raises(InvalidInput, match=GONE):
            fetch_page(Lead.objects.all(), LeadAdmin.orders["value"], size=2, **{where: cursor})
        if kind != "a lone surrogate":  # no address can hold one
            answer = as_max.get(URL, {"order": "value", where: cursor})
            assert answer.status_code == 200
            assert f"{GONE} Here is the first page." in answer.content.decode()
            assert keys_of([answer.context["cl"].page]) == expected_keys("value")


def test_cursor_of_reversed_order_is_refused():
    make_leads([(None, None, None, day) for day in (0, 1, None)])
    cursor = fetch_page(Lead.objects.all(), LeadAdmin.orders["heard"], size=1).next
    with pytest.raises(InvalidInput, match=GONE):
        fetch_page(Lead.objects.all(), LeadAdmin.orders["quiet"], size=1, after=cursor)


def test_empty_cursor_is_first_page_and_after_wins_over_before():
    make_leads([(None, None, value, None) for value in (3, 2, 1)])
    order, all_leads = LeadAdmin.orders["value"], Lead.objects.all()
    first = fetch_page(all_leads, order, size=1)
    assert fetch_page(all_leads, order, size=1, after="", before="") == first
    second = fetch_page(all_leads, order, size=1, after=first.next, before=first.next)
    assert keys_of([second]) == expected_keys("value")[1:2]
    assert (
        keys_of([fetch_page(all_leads, order, size=1, after="", before=second.previous)]) == expected_keys("value")[:1]
    )


def test_capped_count_stops_one_past_its_limit(monkeypatch):
    make_leads([(None, None, None, None)] * 5)
    assert capped_count(Lead.objects.all()) == 5
    monkeypatch.setattr(paging, "COUNT_LIMIT", 3)
    assert capped_count(Lead.objects.order_by("contact_name")) == 4
    assert (format_capped_count(3), format_capped_count(4)) == ("3", "3+")
    assert capped_count(Lead.objects.all(), 1) == 2
    assert [(str(CappedCount(n, 1_000)), CappedCount(n, 1_000).is_capped) for n in (1_000, 1_001)] == [
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


def test_full_count_gives_up_when_slow(monkeypatch):
    make_leads([(None, None, None, None)] * 5)
    monkeypatch.setattr(paging, "COUNT_LIMIT", 3)
    assert exact_count(Lead.objects.order_by("contact_name")) == 5
    slow = Lead.objects.extra(where=["pg_sleep(0.05) IS NOT NULL"])
    monkeypatch.setattr(paging, "COUNT_TIMEOUT_SECONDS", 0.1)
    assert exact_count(slow) is None
    with connection.cursor() as cursor:  # the limit was only for that
        cursor.execute("SELECT pg_sleep(0.2)")
    monkeypatch.setattr(paging, "COUNT_TIMEOUT_SECONDS", 30)
    assert exact_count(slow) == 5
    with pytest.raises(DataError), transaction.atomic():
        exact_count(Lead.objects.extra(where=["1 / 0 = 1"]))


def test_list_shows_capped_count(max, monkeypatch):
    make_leads([("hot", None, None, None)] * 4)
    monkeypatch.setattr(paging, "COUNT_LIMIT", 3)
    text = " ".join(browser(max).get(URL).content.decode().split())
    assert re.search(r'1–4 of <a href="\?count=all"[^>]*>3\+<', text)
    assert ">Hot<span>3+</span>" in text


def test_filtered_list_counts_little_and_all_on_request(max, monkeypatch):
    make_leads([("hot", None, value, None) for value in range(4)])
    monkeypatch.setattr(lists, "MAX_FILTERED_COUNT", 2)
    page_of_max = browser(max)
    cl = page_of_max.get(URL, {"value_min": "1", "order": "value", "count": "some"}).context["cl"]
    assert (str(cl.result_total), cl.count_all_url()) == ("2+", "?value_min=1&order=value&count=all")
    text = " ".join(page_of_max.get(URL, {"value_min": "1"}).content.decode().split())
    assert 'name="select_across" value="1"> Select all 2+' in text
    cl = page_of_max.get(URL + cl.count_all_url()).context["cl"]
    assert (str(cl.result_total), cl.count_all_url(), cl.order_name) == ("3", "", "value")
    assert "count" not in cl.query_to_save()
    cl = page_of_max.get(URL, {"tier": "hot"}).context["cl"]  # a tab is counted anyway
    assert (str(cl.result_total), cl.count_all_url()) == ("4", "")
    cl = page_of_max.get(URL, {"tier": "hot", "stage": "nowhere"}).context["cl"]  # what is refused narrows nothing
    assert str(cl.result_total) == "4"


def test_slow_count_shows_message(max, monkeypatch):
    make_leads([("hot", None, None, None)] * 4)
    monkeypatch.setattr(lists, "MAX_FILTERED_COUNT", 2)
    monkeypatch.setattr(lists, "exact_count", lambda rows: None)
    answer = browser(max).get(URL, {"state": "all", "count": "all"})
    assert "There are too many rows to count. Narrow the list down with a filter." in answer.content.decode()
    assert str(answer.context["cl"].result_total) == "2+"
