"""The groups of a chart, counted by the database."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from urllib.parse import urlencode

from django.core.exceptions import EmptyResultSet
from django.db import connection, models
from django.db.models import Case, Value, When
from django.db.models.functions import Cast

from crm.records.owners.branches import disjoint_branches, union_all
from crm.screens.charts.groupings import OTHER_VALUES, Amount, Grouping, GroupName

MAX_GROUPS = 50
NO_AMOUNT = Cast(Value(None), models.IntegerField())
# The rows are read once: first grouped as they are, which leaves few, then by what is one group. The total comes first.
GROUPS_SQL = """
      WITH counted AS MATERIALIZED (
           SELECT value, is_blank, count(*) AS count, sum(amount) AS amount
             FROM ({rows}) AS rows (value, is_blank, amount)
            GROUP BY value, is_blank)
    SELECT NULL, NULL, coalesce(sum(count), 0)::bigint, sum(amount) FROM counted
     UNION ALL
   (SELECT min({value}), is_blank, sum(count)::bigint, sum(amount)
      FROM counted {elements}
     GROUP BY {key}, is_blank ORDER BY {order} LIMIT {limit})
"""
ELEMENTS_SQL = "LEFT JOIN LATERAL unnest(counted.value) AS element (value) ON true"


@dataclass(frozen=True)
class ChartGroup:
    """The rows of one group and the sum of their amounts.

    `query` lists them; it is empty where no filter does. `share` is the part of the largest group, in percent.
    """

    label: str
    count: int
    amount: Decimal | None
    query: str = ""
    share: float = 0


@dataclass(frozen=True)
class Chart:
    """The rows of a list in groups. A row with several values is in several groups, and in `total` once."""

    groups: list[ChartGroup]
    total: ChartGroup
    has_more: bool = False


def count_groups(
    branches: Sequence[models.QuerySet],
    grouping: Grouping,
    amount: Amount | None,
    filters: Sequence[tuple[str, str]],
) -> Chart:
    """Return the rows of all `branches` in groups, in a few statements; no row may be in two of them.

    `filters` are the parameters of the list of these rows.
    """
    branches = [part for rows in branches for part in disjoint_branches(rows.filter(grouping.rows).order_by())]
    try:
        grouping = grouping.adapt(branches) if grouping.adapt else grouping
        sql, params = union_of_values(branches, grouping, amount).sql_with_params()
    except EmptyResultSet:
        return Chart([], ChartGroup("Total", 0, None))
    with connection.cursor() as cursor:
        cursor.execute(groups_sql(grouping, by_amount=amount is not None).format(rows=sql), params)
        (_, _, *sums), *found = cursor.fetchall()
    total = ChartGroup("Total", *sums, query=urlencode(filters))
    if grouping.load:
        grouping.load(value for value, *_ in found)
    groups = [
        make_group(name_group(grouping, value, is_blank), count, added, filters)
        for value, is_blank, count, added in found[:MAX_GROUPS]
    ]
    if grouping.is_ordered:
        groups.reverse()
    return Chart(with_shares(groups, by_amount=amount is not None), total, len(found) > MAX_GROUPS)


def union_of_values(branches: Sequence[models.QuerySet], grouping: Grouping, amount: Amount | None) -> models.sql.Query:
    """Return the query of value, blankness and amount of each row."""
    is_blank = Value(True) if grouping.blank is None else Case(When(grouping.blank, then=True), default=False)
    columns = (grouping.value, is_blank, amount.value if amount else NO_AMOUNT)
    return union_all([rows.values_list(*columns) for rows in branches]).query


def groups_sql(grouping: Grouping, *, by_amount: bool) -> str:
    """Return the statement for the total, and the largest groups or the latest; `{rows}` is left open."""
    value = "element.value" if grouping.is_list else "counted.value"
    key = f"{grouping.case_function}({value})"  # without a function, the value in brackets
    size = "sum(amount)" if by_amount else "sum(count)"
    return GROUPS_SQL.format(
        value=value,
        key=key,
        rows="{rows}",
        elements=ELEMENTS_SQL if grouping.is_list else "",
        order=f"{key} DESC NULLS LAST" if grouping.is_ordered else f"{size} DESC NULLS LAST, {key}",
        # One more than the chart shows tells that there are more.
        limit=MAX_GROUPS + 1,
    )


def name_group(grouping: Grouping, value: str | None, is_blank: bool) -> GroupName:
    return GroupName(OTHER_VALUES, None) if value is None and not is_blank else grouping.describe(value)


def make_group(name: GroupName, count: int, amount: Decimal | None, filters: Sequence[tuple[str, str]]) -> ChartGroup:
    """Return the group with the query that adds its own filters to `filters`, in place of those of the same name."""
    if name.params is None:
        return ChartGroup(name.label, count, amount)
    own = {key for key, _ in name.params}
    return ChartGroup(
        name.label, count, amount, urlencode([*(one for one in filters if one[0] not in own), *name.params])
    )


def with_shares(groups: list[ChartGroup], *, by_amount: bool) -> list[ChartGroup]:
    sizes = [max(one.amount or 0, 0) if by_amount else one.count for one in groups]
    largest = max(sizes, default=0) or 1
    return [replace(one, share=round(float(size * 100 / largest), 1)) for one, size in zip(groups, sizes, strict=True)]
