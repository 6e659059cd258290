"""Rows grouped in several ways by one statement, and tables made of the groups."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import EmptyResultSet
from django.db import connection, models

from crm.models import User
from crm.screens.reports.tables import Figure, ReportColumn, ReportRow, ReportTable

MAX_ROWS = 50
GROUPS_SQL = "SELECT grouping({columns}), {columns}, {sums} FROM ({rows}) AS rows GROUP BY GROUPING SETS ({sets}, ())"
Sums = Sequence[Any]
# What is grouped by, and the sums of the group.
Group = tuple[Any, Sums]
Params = Mapping[str, str]


@dataclass(frozen=True)
class Groups:
    """The groups of rows by each column, and the sums of all rows."""

    by: Mapping[str, list[Group]]
    total: Sums


def group_rows(rows: models.QuerySet, columns: Sequence[str], sums: Sequence[str]) -> Groups:
    """Group `rows`, a `values()` queryset, by each of its `columns`. `sums` are SQL over its columns."""
    try:
        return group_statement(*rows.order_by().query.sql_with_params(), columns, sums)
    except EmptyResultSet:
        return Groups({column: [] for column in columns}, [None] * len(sums))


def group_statement(sql: str, params: Sequence[Any], columns: Sequence[str], sums: Sequence[str]) -> Groups:
    """Group the rows of the statement `sql` in the same way."""
    by: dict[str, list[Group]] = {column: [] for column in columns}
    total: Sums = [None] * len(sums)
    statement = GROUPS_SQL.format(
        columns=", ".join(columns), sums=", ".join(sums), rows=sql, sets=", ".join(f"({column})" for column in columns)
    )
    # `grouping` has a bit for each column that a row is not grouped by, the first column's the highest.
    everything = (1 << len(columns)) - 1
    names = {everything & ~(1 << place): column for place, column in enumerate(reversed(columns))}
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        for kind, *values in cursor.fetchall():
            figures = values[len(columns) :]
            if kind == everything:
                total = figures
            else:
                by[names[kind]].append((values[columns.index(names[kind])], figures))
    return Groups(by, total)


@dataclass(frozen=True)
class Dimension:
    """A way to group rows: `describe` returns what a value is called, and the filters of the list that find its rows.

    The filters are None where the list cannot be narrowed to them.
    """

    title: str
    label: str
    describe: Callable[[Any], tuple[str, Params | None]]
    # Keeps the order of the values, in place of the size of the groups.
    in_order: bool = False


def make_table(
    dimension: Dimension,
    groups: Sequence[Group],
    columns: Sequence[ReportColumn],
    make_figures: Callable[[Sums, Params | None], Sequence[Figure]],
    *,
    note: str = "",
    bar: int = 0,
) -> ReportTable:
    """Return the groups as a table, the largest in column `bar` first; those past `MAX_ROWS` are one row.

    `make_figures` gets the sums of a group and its filters, None for several groups together.
    """
    rows = []
    for value, sums in groups:
        label, params = dimension.describe(value)
        rows.append((value, label, sums, make_figures(sums, params)))
    if dimension.in_order:
        rows.sort(key=lambda row: (row[0] is None, row[0] or ""))
    else:
        rows.sort(key=lambda row: (-(row[3][bar].value or 0), row[1]))
    shown = [ReportRow(label, figures) for _, label, _, figures in rows[:MAX_ROWS]]
    if others := [sums for _, _, sums, _ in rows[MAX_ROWS:]]:
        shown.append(ReportRow(f"{len(others):,} others", make_figures(add_sums(others), None)))
    return ReportTable(dimension.title, dimension.label, columns, shown, note=note, bar=bar)


def add_sums(several: Sequence[Sums]) -> Sums:
    """Return the sums of several groups together; None for percentiles (floats), which do not add up."""
    columns = zip(*several, strict=True)
    return [None if any(isinstance(one, float) for one in column) else sum(filter(None, column)) for column in columns]


def list_address(url: str, filters: Params, params: Params | None) -> str:
    """Return the address of the list with `filters` and those of a row; empty where the row has none."""
    return "" if params is None else f"{url}?{urlencode({**filters, **params})}"


def owner_dimension(groups: Sequence[Group], parameter: str = "owner", label: str = "Owner") -> Dimension:
    """Return the grouping by users; the filter `parameter` of a list finds their rows, and those of no user."""
    names = {user.pk: str(user) for user in User.objects.filter(pk__in=[key for key, _ in groups if key])}
    return Dimension(
        f"By {label.lower()}",
        label,
        lambda key: (names[key], {parameter: str(key)}) if key else ("Unassigned", {parameter: "none"}),
    )
