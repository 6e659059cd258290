"""The ranges by which a chart groups numbers: a few, with about as many rows each, and borders that are round.

A field with few different values has a group for each of them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Context, Decimal, localcontext

from django.db import connection, models

from crm.records.owners.branches import union_all

PARTS = 8
# Enough for every number that has a sort key.
EXACT = Context(prec=2_100)
SPREAD_SQL = """
    WITH numbers AS MATERIALIZED (SELECT value FROM ({rows}) AS rows (value) WHERE value IS NOT NULL)
    SELECT (SELECT array_agg(value) FROM (SELECT DISTINCT value FROM numbers LIMIT {limit}) AS few),
           percentile_disc(ARRAY[{fractions}]::float8[]) WITHIN GROUP (ORDER BY value),
           max(scale(trim_scale(value)))
      FROM numbers
"""


@dataclass(frozen=True)
class Ranges:
    """Ranges of numbers: below the first border, from each border to the next one, and from the last one on.

    `unit` is the smallest difference between two numbers that have as many decimals as those of the rows. With
    `are_values`, the borders are all the numbers that there are.
    """

    borders: Sequence[Decimal]
    unit: Decimal
    are_values: bool = False

    def bounds(self, index: int) -> tuple[Decimal | None, Decimal | None]:
        """Return the first border of a range and the next one, None where it is open; the lowest range is 0."""
        borders = [None, *self.borders, None]
        return borders[index], borders[index + 1]

    def condition(self, index: int) -> tuple[str, list[Decimal]]:
        """Return the operator of the filter that finds the numbers of a range, and its values."""
        low, high = self.bounds(index)
        if self.are_values:
            return "is", [low]
        last = None if high is None else EXACT.subtract(high, self.unit)
        operator = "to" if low is None else "from" if last is None else "between"
        return operator, [one for one in (low, last) if one is not None]

    def describe(self, index: int, write: Callable[[Decimal], str]) -> str:
        """Return a range for reading, such as “$1,000 to under $2,000”."""
        low, high = self.bounds(index)
        if self.are_values:
            return write(low)
        if low is None:
            return f"Under {write(high)}"
        return f"{write(low)} or more" if high is None else f"{write(low)} to under {write(high)}"


def find_ranges(branches: Sequence[models.QuerySet], value: models.expressions.Combinable) -> Ranges:
    """Return the ranges of the numbers `value` of the rows of `branches`; one of all numbers if there are no rows.

    Raises:
        EmptyResultSet: the conditions on `rows` contradict each other.
    """
    sql, params = union_all([rows.values_list(value) for rows in branches]).query.sql_with_params()
    fractions = ", ".join(str(part / PARTS) for part in range(PARTS + 1))
    with connection.cursor() as cursor:
        cursor.execute(SPREAD_SQL.format(rows=sql, limit=PARTS + 1, fractions=fractions), params)
        few, quantiles, scale = cursor.fetchone()
    unit = Decimal(1).scaleb(-(scale or 0))
    is_short = few is not None and len(few) <= PARTS
    borders = sorted(few) if is_short else round_borders(sorted({*(quantiles or ())}))
    return Ranges([without_zeros(border) for border in borders], unit, is_short)


def round_borders(quantiles: Sequence[Decimal]) -> list[Decimal]:
    """Return borders near the inner ones of `quantiles`, which are sorted and differ; of two, one between them.

    A border stays within a quarter of the way from its quantile to the nearest one.
    """
    with localcontext(EXACT):
        quarters = [(high - low) / 4 for low, high in zip(quantiles, quantiles[1:], strict=False)]
        inner = zip(quantiles[1:], map(min, quarters, quarters[1:]), strict=False)
        stretches = [(one - quarter, one + quarter) for one, quarter in inner]
        if len(quarters) == 1:
            stretches = [(quantiles[0] + quarters[0], quantiles[1] - quarters[0])]
        return sorted({roundest_between(low, high) for low, high in stretches})


def roundest_between(low: Decimal, high: Decimal) -> Decimal:
    """Return the multiple of the largest 1, 2 or 5 times a power of ten that is at least `low` and at most `high`."""
    if low <= 0 <= high:
        return Decimal(0)
    exponent = max(low.adjusted(), high.adjusted()) + 1
    while True:
        for factor in (5, 2, 1):
            step = Decimal(factor).scaleb(exponent)
            multiple = (low / step).to_integral_value(ROUND_CEILING) * step
            if multiple <= high:
                return multiple
        exponent -= 1


def without_zeros(number: Decimal) -> Decimal:
    """Return `number` with neither an exponent nor zeros at the end of its decimals."""
    text = format(number, "f")
    return Decimal(text.rstrip("0").rstrip(".") if "." in text else text)
