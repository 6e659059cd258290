"""Keyset paging: every page costs the same, and no list is counted or sorted whole."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import EmptyResultSet, ValidationError
from django.core.paginator import Paginator
from django.core.signing import BadSignature, Signer
from django.db import OperationalError, connection, models, transaction
from django.db.models.fields.json import KeyTransform
from django.utils.functional import cached_property
from psycopg.errors import QueryCanceled

from crm.exceptions import InvalidInput
from crm.records.json_keys import key_path
from crm.records.owners.branches import first_keys, first_rows
from crm.screens.custom_fields.promoted_columns import PromotedColumn
from crm.screens.custom_fields.sort_keys import SORT_KEY_FUNCTIONS, JsonMember

COUNT_LIMIT = 10_000
COUNT_TIMEOUT_SECONDS = 5
MAX_CURSOR_LENGTH = 2_000


@dataclass(frozen=True)
class Order:
    """A way to sort a list that an index serves.

    `keys` are expressions by name, all sorted in one direction; the last is unique, and none is null.
    """

    label: str
    keys: Mapping[str, Any]
    descending: bool = True

    @property
    def signer(self) -> Signer:
        """Return the signer of this order's cursors, which refuses foreign cursors and those of other orders."""
        return Signer(salt=f"crm.screens.paging:{'-' if self.descending else ''}{','.join(self.keys)}")

    def json_keys(self) -> list[tuple[str, str]]:
        """Return the column and the path of each key of a JSON column that this order sorts by."""
        return [pair for expression in self.keys.values() for pair in find_json_keys(expression)]

    def annotate_keys(self, queryset: models.QuerySet) -> models.QuerySet:
        return queryset.annotate(**{f"_key_{name}": expression for name, expression in self.keys.items()})

    def sort(self, queryset: models.QuerySet, *, backwards: bool = False) -> models.QuerySet:
        sign = "-" if self.descending != backwards else ""
        return queryset.order_by(*(f"{sign}_key_{name}" for name in self.keys))

    def rows_beyond(self, values: list[Any], *, backwards: bool = False) -> models.Func:
        """Return the condition for rows after `values` (before them if `backwards`), as one row comparison."""
        row_key = models.Func(*(models.F(f"_key_{name}") for name in self.keys), function="ROW")
        cursor_key = models.Func(*values, function="ROW")
        operator = " < " if self.descending != backwards else " > "
        return models.Func(
            row_key, cursor_key, template="%(expressions)s", arg_joiner=operator, output_field=models.BooleanField()
        )

    def parse_cursor_values(self, queryset: models.QuerySet, values: list[Any]) -> list[models.Value]:
        """Return the texts of a cursor as typed values.

        Raises:
            InvalidInput: their number or types do not fit the keys.
        """
        expressions = [queryset.query.annotations[f"_key_{name}"] for name in self.keys]
        if len(values) != len(expressions):
            raise InvalidInput("That page no longer exists.")
        fields = [expression.output_field for expression in expressions]
        try:
            return [models.Value(f.to_python(text), output_field=f) for f, text in zip(fields, values, strict=True)]
        except (ValidationError, ValueError, TypeError, ArithmeticError) as error:
            raise InvalidInput("That page no longer exists.") from error

    def make_cursor(self, row: models.Model, offset: int) -> str:
        """Return a cursor at `row` for a link; `offset` is the number of rows before the page that it opens."""
        values = (str(getattr(row, f"_key_{name}")) for name in self.keys)
        return self.signer.sign_object([offset, *values], compress=True)

    def read_cursor(self, text: str) -> tuple[int, list[str]]:
        """Return the offset and the texts of the values in a cursor.

        Raises:
            InvalidInput: the cursor is not one of this order.
        """
        try:
            if len(text) > MAX_CURSOR_LENGTH:
                raise BadSignature
            offset, *values = self.signer.unsign_object(text)
        except (BadSignature, UnicodeEncodeError) as error:
            raise InvalidInput("That page no longer exists.") from error
        return offset, values


def find_json_keys(expression: Any) -> Iterator[tuple[str, str]]:
    """Yield the column and the path of each key of a JSON column inside an unresolved `expression`."""
    steps, inner = [], expression
    while isinstance(inner, KeyTransform):
        steps.insert(0, inner.key_name)
        (inner,) = inner.get_source_expressions()
    if steps and isinstance(inner, models.F):
        yield inner.name, key_path(*steps)
    elif isinstance(inner, PromotedColumn):
        yield inner.json_column, key_path(inner.key)
    elif getattr(inner, "function", None) in SORT_KEY_FUNCTIONS:
        data, key = inner.get_source_expressions()
        steps = [key.value]
        while isinstance(data, JsonMember):
            data, key = data.get_source_expressions()
            steps.insert(0, key.value)
        yield data.name, key_path(*steps)
    elif hasattr(inner, "get_source_expressions"):
        for source in inner.get_source_expressions():
            yield from find_json_keys(source)


@dataclass(frozen=True)
class Page:
    """Rows of a list, with cursors of the next and previous page; `offset` is the number of rows before them."""

    rows: list[Any] = field(default_factory=list)
    offset: int = 0
    next: str | None = None
    previous: str | None = None


def fetch_page(
    queryset: models.QuerySet, order: Order, *, size: int, after: str | None = None, before: str | None = None
) -> Page:
    """Return `size` rows of `queryset` after or before a cursor, in `order`.

    Raises:
        InvalidInput: the cursor is not valid.
    """
    queryset = order.annotate_keys(queryset)
    backwards = bool(before) and not after
    cursor = after or before
    offset, values = order.read_cursor(cursor) if cursor else (0, None)
    if values is not None:
        queryset = queryset.filter(order.rows_beyond(order.parse_cursor_values(queryset, values), backwards=backwards))
    rows = list(first_rows(order.sort(queryset, backwards=backwards), size + 1))
    has_more, rows = len(rows) > size, rows[:size]
    if backwards:
        rows.reverse()
        offset = max(offset - len(rows), 0)
    has_next, has_previous = (True, has_more) if backwards else (has_more, values is not None)
    return Page(
        rows,
        offset if not backwards or has_more else 0,
        order.make_cursor(rows[-1], offset + len(rows)) if rows and has_next else None,
        order.make_cursor(rows[0], offset) if rows and has_previous else None,
    )


def capped_count(queryset: models.QuerySet, limit: int | None = None) -> int:
    """Return the number of rows, counting no further than one past `limit` (`COUNT_LIMIT`)."""
    limit = COUNT_LIMIT if limit is None else limit
    return first_keys(queryset.order_by(), limit + 1)[: limit + 1].count()


@dataclass(frozen=True)
class CappedCount:
    """A number of rows, counted no further than one past `limit`; shown as `1,234` or `10,000+`."""

    number: int
    limit: int = field(default_factory=lambda: COUNT_LIMIT)

    def __str__(self) -> str:
        return f"{self.limit:,}+" if self.is_capped else f"{self.number:,}"

    @property
    def is_capped(self) -> bool:
        """Whether there are more rows than were counted."""
        return self.number > self.limit


def format_capped_count(count: int) -> str:
    """Return a count that stopped at `COUNT_LIMIT`, as text."""
    return str(CappedCount(count))


class QueryTooSlow(Exception):
    """A statement took longer than it may, and was stopped."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Stop each statement in the block that takes longer than `seconds`.

    Raises:
        QueryTooSlow: one was stopped.
    """
    is_nested = connection.in_atomic_block
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {round(seconds * 1_000)}")
            yield
            if is_nested:  # else it ends with the transaction
                cursor.execute("SET LOCAL statement_timeout TO DEFAULT")
    except OperationalError as error:
        if isinstance(error.__cause__, QueryCanceled):
            raise QueryTooSlow from error
        raise


def exact_count(queryset: models.QuerySet) -> int | None:
    """Return the number of rows, or None if counting takes longer than `COUNT_TIMEOUT_SECONDS`."""
    try:
        with time_limit(COUNT_TIMEOUT_SECONDS):
            return queryset.order_by().count()
    except QueryTooSlow:
        return None


class CappedPaginator(Paginator):
    """Django's paginator, for pickers and plain lists, counting no further than `COUNT_LIMIT`."""

    @cached_property
    def count(self) -> int:
        return min(capped_count(self.object_list), COUNT_LIMIT)


def capped_counts(querysets: Mapping[str, models.QuerySet], limit: int | None = None) -> dict[str, int]:
    """Return the `capped_count` of several querysets in one query; an empty one counts 0."""
    limit = COUNT_LIMIT if limit is None else limit
    parts, params, counts = [], [], dict.fromkeys(querysets, 0)
    for name, queryset in querysets.items():
        try:
            keys = first_keys(queryset.order_by(), limit + 1)[: limit + 1]
            sql, values = keys.query.sql_with_params()
        except EmptyResultSet:
            continue
        parts.append((name, f"(SELECT count(*) FROM ({sql}) AS counted)"))
        params += values
    if parts:
        with connection.cursor() as cursor:
            cursor.execute("SELECT " + ", ".join(sql for _, sql in parts), params)
            counts.update(zip((name for name, _ in parts), cursor.fetchone(), strict=True))
    return counts
