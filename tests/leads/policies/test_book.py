"""The book of business: its sums are those of the list behind each link, and what counts is what covers something."""

import csv
import io
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from crm.records.local_time import agency_today
from leads.models import Policy
from leads.policies.book import load_book
from tests.cast import allow_export, browser, make_client, make_policy, page_text

pytestmark = pytest.mark.django_db
BOOK = "/leads/book-of-business/"


def make_book(ann, bob) -> None:
    """Create policies of several lines, carriers, owners and months, in force and not."""
    mine, his, free = make_client(assigned_to=ann), make_client(assigned_to=bob), make_client()
    for number, (client, line, carrier) in enumerate(
        [
            (mine, "auto", "Harbor Mutual"),
            (mine, "home", "HARBOR mutual"),
            (his, "auto", "Acme"),
            (free, "life", "Zeta"),
        ]
    ):
        for status in ("ACTIVE", "BOUND", "QUOTED", "LAPSED", "RENEWED"):
            make_policy(
                client=client,
                line=line,
                carrier=carrier,
                status=status,
                premium=Decimal("100.01") * (number + 1),
                days_left=40 * number + 10,
            )
    make_policy(client=mine, days_left=-1)
    make_policy(client=mine, effective_on=agency_today() + timedelta(days=1), days_left=200)


def listed(user, query: str) -> list[Policy]:
    """Return what the list shows for `query`, from all its pages, with the annualised premium of each."""
    keys, session, address = [], browser(user), f"/leads/policy/?{query}"
    while address:
        changes = session.get(address).context["cl"]
        keys += [row.pk for row in changes.page.rows]
        address = changes.next_url() and f"/leads/policy/{changes.next_url()}"
    return list(Policy.objects.with_annual_premium().filter(pk__in=keys))


@pytest.mark.parametrize("reader", ["ann", "max"])
def test_each_sum_is_that_of_the_list_behind_its_link(request, ann, bob, reader):
    user = request.getfixturevalue(reader)
    make_book(ann, bob)
    book = load_book(user, agency_today())
    rows = [book.total, *(row for table in book.tables for row in table.rows)]
    assert len(rows) > 9
    for row in rows:
        policies = listed(user, row.query)
        assert len(policies) == row.count, row.label
        assert sum(policy.premium for policy in policies) == row.premium, row.label
        assert sum(policy.annual_premium for policy in policies) == row.annual_premium, row.label
    for table in book.tables:
        assert sum(row.annual_premium for row in table.rows) == book.total.annual_premium
        assert sum(row.count for row in table.rows) == book.total.count
    assert {row.label for row in book.tables[1].rows} <= {"Harbor Mutual", "HARBOR mutual", "Acme", "Zeta"}


def test_reader_sees_sums_of_visible_clients_only(ann, bob):
    make_policy(client=make_client(assigned_to=bob), carrier="Planted", premium=777)
    page = page_text(browser(ann).get(BOOK))
    assert "Planted" not in page and "777" not in page and "No policy is in force" in page


def test_quotes_and_ended_policies_do_not_count():
    today = agency_today()
    in_force = {make_policy(status=status, days_left=1).pk for status in ("ACTIVE", "BOUND", "LAPSED", "RENEWED")}
    make_policy(status="QUOTED"), make_policy(days_left=0)
    later = {"cancelled_on": today + timedelta(days=1), "cancellation_reason": "OTHER"}
    in_force.add(make_policy(status="CANCELLED", **later).pk)
    make_policy(status="CANCELLED", cancelled_on=today, cancellation_reason="OTHER")
    make_policy(status="CANCELLED", cancelled_on=today + timedelta(days=1), cancellation_reason="NOT_TAKEN")
    make_policy(status="CANCELLED", premium=None, carrier="", **later)
    assert set(Policy.objects.in_force(today).values_list("pk", flat=True)) == in_force


@pytest.mark.parametrize(
    ("effective_on", "expires_on", "annual"),
    [
        (date(2026, 1, 1), date(2027, 1, 1), "1000.00"),
        (date(2024, 2, 29), date(2025, 2, 28), "1000.00"),
        (date(2026, 1, 1), date(2026, 7, 1), "2000.00"),
        (date(2026, 1, 31), date(2026, 4, 30), "4000.00"),
        (date(2026, 1, 1), date(2028, 1, 1), "500.00"),
        (date(2026, 1, 1), date(2026, 1, 11), "36500.00"),
        (date(2026, 1, 1), date(2026, 12, 31), "1002.75"),
    ],
)
def test_premium_is_annualised_by_months_else_by_days(effective_on, expires_on, annual):
    make_policy(premium=1000, effective_on=effective_on, expires_on=expires_on)
    assert Policy.objects.with_annual_premium().get().annual_premium == Decimal(annual)


def test_page_shows_the_day_asked_for_and_refuses_another(as_max):
    make_policy(premium=Decimal("1234.50"), effective_on=date(2020, 1, 1), expires_on=date(2021, 1, 1), status="LAPSED")
    page = page_text(as_max.get(BOOK, {"day": "2020-06-01"}))
    assert "$1,234.50" in page and "Jan 2021" in page
    assert "No policy is in force" in page_text(as_max.get(BOOK))
    for day in ("yesterday", "0001-01-01", "9999-12-31"):
        answer = as_max.get(BOOK, {"day": day})
        assert answer.status_code == 422
    assert "Choose a day from 1900 to 2200." in page_text(answer)


def test_page_takes_the_same_statements_for_one_policy_and_for_many(as_max, ann, bob):
    make_policy(client=make_client(assigned_to=ann))
    as_max.get(BOOK)
    with CaptureQueriesContext(connection) as few:
        as_max.get(BOOK)
    make_book(ann, bob)
    with CaptureQueriesContext(connection) as many:
        as_max.get(BOOK)
    assert len(many) == len(few)


def test_rows_past_the_limit_are_one_row(monkeypatch, max):
    monkeypatch.setattr("leads.policies.book.MAX_ROWS", 2)
    for number in range(5):
        make_policy(carrier=f"Carrier {number}", premium=100 * (number + 1), days_left=31 * number + 20)
    book = load_book(max, agency_today())
    carriers = [(row.label, row.count, row.premium, bool(row.query)) for row in book.tables[1].rows]
    assert carriers[:2] == [("Carrier 4", 1, 500, True), ("Carrier 3", 1, 400, True)]
    assert carriers[2] == ("3 others", 3, 600, False)
    later = book.tables[3].rows[2]
    assert (later.label, later.count) == ("Later", 3)
    assert len(listed(max, later.query)) == 3


def test_page_is_linked_from_the_list_and_needs_permission(as_max, ann):
    assert BOOK in as_max.get("/leads/policy/").content.decode()
    ann.groups.clear()
    assert browser(ann).get(BOOK).status_code == 403


def test_export_of_the_list_has_the_annualised_premium(max):
    make_policy(premium=600, effective_on=agency_today(), days_left=182)
    make_policy(premium=600)
    allow_export(max)
    answer = browser(max).post(f"/leads/policy/export/?in_force={agency_today()}")
    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode("utf-8-sig"))))
    total = load_book(max, agency_today()).total
    assert sum(Decimal(row["Annualised premium"]) for row in rows) == total.annual_premium
