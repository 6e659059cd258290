"""The book of business: the premium of the policies in force on a day, by line, carrier, owner and month of expiry.

The policies are those of the list, filtered by `in_force`, so each sum is the sum of the rows behind its link.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.db.models import DateField, F, QuerySet
from django.db.models.functions import Cast, TruncMonth, Upper

from crm.models import User
from crm.records.local_time import format_month
from crm.screens.reports.grouping import group_rows, owner_dimension
from leads.models import InsuranceType, Policy
from leads.policies.terms import add_months

MAX_ROWS = 50
ZERO = Decimal()
COLUMNS = ("line", "carrier_key", "owner", "month")
SUMS = ("count(*)", "sum(premium)", "sum(annual_premium)", "min(carrier)")
# The key of a group with its count and sums, and what a row says of it: its label and the filters of the list.
Group = tuple[Any, list[Any]]
Description = tuple[str, dict[str, str]]
Describe = Callable[[Any], Description]


@dataclass(frozen=True)
class BookRow:
    """The policies of one line, carrier, owner or month; `query` filters the list to them, where it can."""

    label: str
    count: int
    premium: Decimal
    annual_premium: Decimal
    query: str = ""
    # Percent of the largest row.
    share: float = 0


class BookTable(NamedTuple):
    """The book by one dimension: its title, such as "By carrier", and its rows."""

    title: str
    column: str
    rows: list[BookRow]


@dataclass(frozen=True)
class Book:
    """The book of business as of a day, as far as a user may see it."""

    day: date
    total: BookRow
    tables: list[BookTable]


def load_book(user: User, day: date) -> Book:
    """Return the book as of `day` of the policies that `user` may see, in a bounded number of statements."""
    found = group_rows(policies_in_force(user, day), COLUMNS, SUMS)
    groups = {column: [(value, sums[:3]) for value, sums in rows] for column, rows in found.by.items()}
    carriers = [((key, sums[3]), sums[:3]) for key, sums in found.by["carrier_key"]]
    in_force = {"in_force": day.isoformat()}
    tables = [
        BookTable("By line", "Line", ranked(groups["line"], line_describer(), in_force)),
        BookTable("By carrier", "Carrier", ranked(carriers, describe_carrier, in_force)),
        BookTable("By owner", "Owner", ranked(groups["owner"], owner_dimension(groups["owner"]).describe, in_force)),
        BookTable("By month of expiry", "Month", by_month(groups["month"], in_force)),
    ]
    count, premium, annual_premium, _ = found.total
    total = BookRow("Total", count or 0, premium or ZERO, annual_premium or ZERO, query=urlencode(in_force))
    return Book(day, total, tables)


def policies_in_force(user: User, day: date) -> QuerySet:
    policies = Policy.objects.visible_to(user).in_force(day).with_annual_premium()
    columns = {
        "line": F("insurance_type_id"),
        "carrier_key": Upper("carrier"),
        "owner": F("client__assigned_to_id"),
        "month": Cast(TruncMonth("expires_on"), DateField()),
    }
    return policies.values("carrier", "premium", "annual_premium", **columns)


def ranked(groups: list[Group], describe: Describe, in_force: dict[str, str]) -> list[BookRow]:
    """Return the rows with the highest annualised premium first; those past `MAX_ROWS` are one row."""
    rows = []
    for value, sums in groups:
        label, params = describe(value)
        rows.append(BookRow(label, *sums, query=urlencode({**in_force, **params})))
    rows.sort(key=lambda row: (-row.annual_premium, row.label))
    return with_shares([*rows[:MAX_ROWS], *united(rows[MAX_ROWS:], f"{len(rows) - MAX_ROWS:,} others")])


def united(rows: list[BookRow], label: str, query: str = "") -> list[BookRow]:
    """Return `rows` as one row, or none where there are none."""
    if not rows:
        return []
    count = sum(row.count for row in rows)
    premium, annual_premium = (sum(getattr(row, name) for row in rows) for name in ("premium", "annual_premium"))
    return [BookRow(label, count, premium, annual_premium, query)]


def by_month(groups: list[Group], in_force: dict[str, str]) -> list[BookRow]:
    """Return the months in their order; those past `MAX_ROWS` are one row."""
    groups = sorted(groups)
    rows = [BookRow(format_month(month), *sums, query=month_query(month, in_force)) for month, sums in groups]
    query = urlencode({**in_force, "expires_from": groups[MAX_ROWS][0].isoformat()}) if rows[MAX_ROWS:] else ""
    return with_shares([*rows[:MAX_ROWS], *united(rows[MAX_ROWS:], "Later", query)])


def month_query(month: date, in_force: dict[str, str]) -> str:
    last = add_months(month, 1) - timedelta(days=1)
    return urlencode({**in_force, "expires_from": month.isoformat(), "expires_to": last.isoformat()})


def line_describer() -> Describe:
    lines = {line.pk: line for line in InsuranceType.objects.only("code", "name")}
    return lambda key: (lines[key].name, {"line": lines[key].code})


def describe_carrier(key: tuple[str, str]) -> Description:
    """Return the carrier as one of its policies spells it: the filter, as the grouping, ignores case."""
    return key[1], {"carrier": key[1]}


def with_shares(rows: list[BookRow]) -> list[BookRow]:
    """Return the rows with the share that each has of the largest."""
    largest = max((row.annual_premium for row in rows), default=ZERO) or Decimal(1)
    return [replace(row, share=float(round(row.annual_premium * 100 / largest, 1))) for row in rows]
