"""Pages of a list by key: every page costs the same, no list is counted or sorted whole."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import EmptyResultSet, ValidationError
from django.core.paginator import Paginator
from django.core.signing import BadSignature, Signer
from django.db import OperationalError, connection, models, transaction
from django.utils.functional import cached_property
from psycopg.errors import QueryCanceled

from crm.exceptions import BadInput

MOST_COUNTED = 10_000
COUNT_SECONDS = 5
LONGEST_CURSOR = 2_000


@dataclass(frozen=True)
class Order:
    """A way to sort a list that an index serves.

    `keys` are expressions by name, all sorted the same way, the last one unique; none may be null.
    """

    label: str
    keys: Mapping[str, Any]
    descending: bool = True

    @property
    def signer(self) -> Signer:
        """Signs the cursors of this order; nobody else's, and no other order's, are read."""
        return Signer(salt=f"crm.screens.paging:{'-' if self.descending else ''}{','.join(self.keys)}")

    def annotated(self, queryset: models.QuerySet) -> models.QuerySet:
        return queryset.annotate(**{f"_key_{name}": expression for name, expression in self.keys.items()})

    def sorted(self, queryset: models.QuerySet, *, backwards: bool = False) -> models.QuerySet:
        sign = "-" if self.descending != backwards else ""
        return queryset.order_by(*(f"{sign}_key_{name}" for name in self.keys))

    def beyond(self, values: list[Any], *, backwards: bool = False) -> models.Func:
        """Rows that come after `values` (before them, when `backwards`), as one row comparison."""
        here = models.Func(*(models.F(f"_key_{name}") for name in self.keys), function="ROW")
        there = models.Func(*values, function="ROW")
        operator = " < " if self.descending != backwards else " > "
        return models.Func(
            here, there, template="%(expressions)s", arg_joiner=operator, output_field=models.BooleanField()
        )

    def parse(self, queryset: models.QuerySet, values: list[Any]) -> list[models.Value]:
        """The texts of a cursor as typed values.

        Raises:
            BadInput: not as many as keys, or not of their types.
        """
        expressions = [queryset.query.annotations[f"_key_{name}"] for name in self.keys]
        if len(values) != len(expressions):
            raise BadInput("That page no longer exists.")
        fields = [expression.output_field for expression in expressions]
        try:
            return [models.Value(f.to_python(text), output_field=f) for f, text in zip(fields, values, strict=True)]
        except (ValidationError, ValueError, TypeError, ArithmeticError) as error:
            raise BadInput("That page no longer exists.") from error

    def cursor_for(self, row: models.Model, offset: int) -> str:
        """Where `row` stands, for a link; `offset` is how many rows stand before the page it opens."""
        values = (str(getattr(row, f"_key_{name}")) for name in self.keys)
        return self.signer.sign_object([offset, *values], compress=True)

    def read_cursor(self, text: str) -> tuple[int, list[str]]:
        """The offset and the texts of the values in a cursor.

        Raises:
            BadInput: it is not one of this order's.
        """
        try:
            if len(text) > LONGEST_CURSOR:
                raise BadSignature
            offset, *values = self.signer.unsign_object(text)
        except (BadSignature, UnicodeEncodeError) as error:
            raise BadInput("That page no longer exists.") from error
        return offset, values


@dataclass(frozen=True)
class Page:
    """Rows of a list with links to the pages around them; `offset` is how many rows stand before."""

    rows: list[Any] = field(default_factory=list)
    offset: int = 0
    next: str | None = None
    previous: str | None = None


def page(
    queryset: models.QuerySet, order: Order, *, size: int, after: str | None = None, before: str | None = None
) -> Page:
    """`size` rows of `queryset` after or before a cursor, in `order`.

    Raises:
        BadInput: the cursor is not one of ours.
    """
    queryset = order.annotated(queryset)
    backwards = bool(before) and not after
    cursor = after or before
    offset, values = order.read_cursor(cursor) if cursor else (0, None)
    if values is not None:
        queryset = queryset.filter(order.beyond(order.parse(queryset, values), backwards=backwards))
    rows = list(order.sorted(queryset, backwards=backwards)[: size + 1])
    more, rows = len(rows) > size, rows[:size]
    if backwards:
        rows.reverse()
        offset = max(offset - len(rows), 0)
    has_next, has_previous = (True, more) if backwards else (more, values is not None)
    return Page(
        rows,
        offset if not backwards or more else 0,
        order.cursor_for(rows[-1], offset + len(rows)) if rows and has_next else None,
        order.cursor_for(rows[0], offset) if rows and has_previous else None,
    )


def capped_count(queryset: models.QuerySet, most: int | None = None) -> int:
    """How many rows, counting no further than one past `most` (`MOST_COUNTED`)."""
    most = MOST_COUNTED if most is None else most
    return queryset.order_by().values("pk")[: most + 1].count()


@dataclass(frozen=True)
class Count:
    """How many rows, counted no further than one past `most`; as a text for people: `1,234`, or `10,000+`."""

    number: int
    most: int = field(default_factory=lambda: MOST_COUNTED)

    def __str__(self) -> str:
        return f"{self.most:,}+" if self.goes_on else f"{self.number:,}"

    @property
    def goes_on(self) -> bool:
        """Whether there are more than were counted."""
        return self.number > self.most


def capped(count: int) -> str:
    """A count that went to `MOST_COUNTED`, for people."""
    return str(Count(count))


def whole_count(queryset: models.QuerySet) -> int | None:
    """How many rows there are, or None if that cannot be counted in `COUNT_SECONDS`."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = '{COUNT_SECONDS}s'")
            found = queryset.order_by().count()
            cursor.execute("SET LOCAL statement_timeout TO DEFAULT")
    except OperationalError as error:
        if isinstance(error.__cause__, QueryCanceled):
            return None
        raise
    return found


class CappedPaginator(Paginator):
    """Django's paginator for pickers and the like: counts no further than `MOST_COUNTED`."""

    @cached_property
    def count(self) -> int:
        return min(capped_count(self.object_list), MOST_COUNTED)


def capped_counts(querysets: Mapping[str, models.QuerySet]) -> dict[str, int]:
    """`capped_count` of several sets in one query; sets that cannot hold anything count 0."""
    parts, params, counts = [], [], dict.fromkeys(querysets, 0)
    for name, queryset in querysets.items():
        try:
            sql, values = queryset.order_by().values("pk")[: MOST_COUNTED + 1].query.sql_with_params()
        except EmptyResultSet:
            continue
        parts.append((name, f"(SELECT count(*) FROM ({sql}) AS counted)"))
        params += values
    if parts:
        with connection.cursor() as cursor:
            cursor.execute("SELECT " + ", ".join(sql for _, sql in parts), params)
            counts.update(zip((name for name, _ in parts), cursor.fetchone(), strict=True))
    return counts
