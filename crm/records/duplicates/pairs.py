"""Find the pairs of records that may be the same, in small steps of bounded work.

Each detail (address, phone number, name) is read in the order of its index, a window of rows at a time. Rows with one
value make pairs, at most `max_rows` of them, so that a number that thousands of records share makes few.
`matching.compare` decides about each pair, and the best of them are stored.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import md5
from typing import Any, NamedTuple

from django.db import connection, models, transaction
from django.db.models.functions import MD5, Concat, Lower
from django.utils import timezone

from crm.models import Client, Contact, User
from crm.models.duplicate_pair import DuplicatePair
from crm.records.base import Record
from crm.records.duplicates.finding import visible_rows
from crm.records.duplicates.matching import COLUMNS, PAIRED_ROWS, Identity, compare, shared_values, stored_columns
from crm.records.people import name_key, phone_tail
from crm.records.transitions import permission_name
from crm.text.phones import PHONE_TAIL_LENGTH

WINDOW_SIZE, MAX_PAIRS_PER_DETAIL = 20_000, 10_000
SEPARATOR = "\x1f"
WINDOW_SQL = "SELECT count(*), min(key), max(key) FROM (SELECT key FROM ({rows}) AS one ORDER BY key LIMIT {size}) AS w"
PAIRS_SQL = """
    WITH numbered AS (
        SELECT *, row_number() OVER (PARTITION BY key ORDER BY id DESC) AS place
          FROM ({rows}) AS one WHERE key <= %s AND (%s OR key < %s)
    )
    SELECT a.label, a.id, a.name, a.email, a.phone, a.company, b.label, b.id, b.name, b.email, b.phone, b.company
      FROM numbered AS a JOIN numbered AS b ON a.key = b.key AND a.place < b.place AND b.place <= {max_rows}
     WHERE {condition}
"""
# A name alone makes a pair only if nothing contradicts it. What is left out here `compare` would refuse.
UNCONTRADICTED_SQL = """
    (a.company <> '' AND b.company <> '')
    OR ((a.email = '' OR b.email = '' OR similarity(lower(a.email), lower(b.email)) > 0.6)
        AND (a.phone = '' OR b.phone = '' OR {tail_a} = {tail_b}))
"""
STORE_SQL = """
    INSERT INTO duplicate_pairs (first_table, first_id, first_digest, second_table, second_id, second_digest,
                                 reasons, score, shared_digest, found_at)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (first_id, second_id) DO UPDATE SET
        first_digest = EXCLUDED.first_digest, second_digest = EXCLUDED.second_digest, reasons = EXCLUDED.reasons,
        score = EXCLUDED.score, found_at = EXCLUDED.found_at, shared_digest = EXCLUDED.shared_digest,
        dismissed_by_id = CASE WHEN duplicate_pairs.shared_digest = EXCLUDED.shared_digest
                               THEN duplicate_pairs.dismissed_by_id END,
        dismissed_at = CASE WHEN duplicate_pairs.shared_digest = EXCLUDED.shared_digest
                            THEN duplicate_pairs.dismissed_at END
"""


@dataclass(frozen=True)
class Detail:
    """A detail by which pairs are found: the column that `IdentityColumns` calls `column`, as its index has it."""

    column: str
    max_rows: int
    condition: str = "true"

    def key(self, field: str) -> models.Expression:
        return {"email": Lower, "phone": phone_tail, "name": name_key}[self.column](field)


DETAILS = (Detail("email", 10), Detail("phone", 10), Detail("name", 30, UNCONTRADICTED_SQL))


class ComparedRow(NamedTuple):
    """A row as the pairs are compared; `label` is its table."""

    label: str
    id: Any
    name: str
    email: str
    phone: str
    company: str

    @property
    def model(self) -> type[models.Model]:
        return next(model for model in COLUMNS if model._meta.label_lower == self.label)

    @property
    def identity(self) -> Identity:
        columns = COLUMNS[self.model]
        return Identity.from_values(self.model, dict(zip(columns, self[2:], strict=True)))

    @property
    def digest(self) -> str:
        return text_digest(SEPARATOR.join(self[2 : 2 + len(stored_columns(self.model))]))


def find_all_pairs(now: datetime | None = None) -> Iterator[int]:
    """Store the pairs of all tables; yield the number of pairs after each step, which is a transaction of its own.

    Pairs that are no longer found are deleted at the end, unless a person dismissed them.
    """
    now = now or timezone.now()
    for tables in compared_together():
        for detail in DETAILS:
            count = 0
            for found in windows_of_pairs(tables, detail):
                store_pairs(found[: MAX_PAIRS_PER_DETAIL - count], now)
                count += len(found)
                yield len(found)
                if count >= MAX_PAIRS_PER_DETAIL:
                    break
    DuplicatePair.objects.undecided().filter(found_at__lt=now).delete()


def compared_together() -> list[tuple[type[Record], ...]]:
    """Return the tables whose rows make pairs: contacts with contacts, and leads and clients with each other."""
    return [tuple(model for model in COLUMNS if model is not Contact), (Contact,)]


def windows_of_pairs(tables: tuple[type[Record], ...], detail: Detail) -> Iterator[list[tuple]]:
    """Yield the pairs of one window of rows after the other, as the parameters of `STORE_SQL` without the time."""
    last = ""
    while True:
        rows, params = rows_after(tables, detail, last)
        with connection.cursor() as cursor:
            cursor.execute(WINDOW_SQL.format(rows=rows, size=WINDOW_SIZE), params)
            count, lowest, highest = cursor.fetchone()
        if not count:
            return
        # The last value of a full window may have more rows in the next one.
        is_complete = count < WINDOW_SIZE or lowest == highest
        tails = {f"tail_{side}": tail_sql(f"{side}.phone") for side in "ab"}
        statement = PAIRS_SQL.format(rows=rows, max_rows=detail.max_rows, condition=detail.condition.format(**tails))
        with connection.cursor() as cursor:
            cursor.execute(statement, [*params, highest, is_complete, highest])
            compared = ((ComparedRow(*row[:6]), ComparedRow(*row[6:])) for row in cursor.fetchall())
            yield [pair for one, other in compared if (pair := describe_pair(one, other))]
        if count < WINDOW_SIZE:
            return
        last = highest if is_complete else previous_value(rows, params, highest)


def previous_value(rows: str, params: list[Any], value: str) -> str:
    """Return the greatest value of a window below `value`."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT max(key) FROM ({rows}) AS one WHERE key < %s", [*params, value])
        return cursor.fetchone()[0]


def rows_after(tables: tuple[type[Record], ...], detail: Detail, last: str) -> tuple[str, list[Any]]:
    """Return SQL for the next rows of each table after the value `last`, in the order of their indexes."""
    parts, params = [], []
    for model in tables:
        columns = COLUMNS[model]
        field = getattr(columns, detail.column)
        company = columns.company or (columns.name if model is Client else "")
        texts = {"name_": columns.name, "email_": columns.email, "phone_": columns.phone, "company_": company}
        values = {
            name: models.F(column) if column else models.Value("", models.TextField()) for name, column in texts.items()
        }
        rows = model._default_manager.filter(PAIRED_ROWS[model]).exclude(**{field: ""})
        rows = rows.annotate(key=detail.key(field), label=models.Value(model._meta.label_lower, models.TextField()))
        rows = rows.annotate(**values).filter(key__gt=last).order_by("key")
        sql, values = rows.values_list("key", "label", "pk", *texts)[:WINDOW_SIZE].query.sql_with_params()
        parts.append(f"(SELECT * FROM ({sql}) AS part (key, label, id, name, email, phone, company))")
        params += values
    return " UNION ALL ".join(parts), params


def tail_sql(column: str) -> str:
    return f"right(regexp_replace({column}, '\\D', '', 'g'), {PHONE_TAIL_LENGTH})"


def describe_pair(one: ComparedRow, other: ComparedRow) -> tuple | None:
    """Return what is stored of a pair; None if the two are different."""
    match = compare(one.identity, other.identity)
    if match is None:
        return None
    first, second = sorted((one, other), key=lambda row: (row.label, row.id))
    shared = text_digest(SEPARATOR.join(shared_values(first.identity, second.identity, match)))
    return (
        first.label,
        first.id,
        first.digest,
        second.label,
        second.id,
        second.digest,
        list(match.reasons),
        match.score,
        shared,
    )


@transaction.atomic
def store_pairs(pairs: list[tuple], now: datetime) -> None:
    """Add or update `pairs`. A dismissed one stays dismissed as long as the two share the same."""
    with connection.cursor() as cursor:
        # In one order, so that two searches at once do not wait for each other.
        cursor.executemany(STORE_SQL, [(*pair, now) for pair in sorted(pairs, key=lambda pair: (pair[1], pair[4]))])


def text_digest(text: str) -> str:
    return md5(text.encode(), usedforsecurity=False).hexdigest()


# What a user sees of the pairs


def current_pairs(user: User) -> models.QuerySet[DuplicatePair]:
    """Return the pairs of which `user` may see and merge both records, and that have changed in neither since."""
    sides = models.Q()
    for tables in compared_together():
        allowed = [model for model in tables if user.has_perm(permission_name(model, "merge"))]
        for first in allowed:
            for second in allowed:
                sides |= current_side(first, "first", user) & current_side(second, "second", user)
    return DuplicatePair.objects.filter(sides) if sides else DuplicatePair.objects.none()


def current_side(model: type[Record], side: str, user: User) -> models.Q:
    """Return the condition that a side of a pair is a row of `model` that has not changed and that `user` may see."""
    rows = visible_rows(model, user)
    if rows is None:
        return models.Q(pk__in=[])
    parts = [part for name in stored_columns(model) for part in (models.F(name), models.Value(SEPARATOR))]
    digest = MD5(Concat(*parts[:-1], output_field=models.TextField()))
    same = rows.filter(PAIRED_ROWS[model], pk=models.OuterRef(f"{side}_id")).annotate(digest=digest)
    is_current = models.Exists(same.filter(digest=models.OuterRef(f"{side}_digest")))
    return models.Q(**{f"{side}_table": model._meta.label_lower}) & models.Q(is_current)


def load_sides(pairs: list[DuplicatePair]) -> dict[Any, Record]:
    """Return the records of `pairs` by key; one statement a table."""
    records: dict[Any, Record] = {}
    for model in COLUMNS:
        label = model._meta.label_lower
        keys = {
            key
            for pair in pairs
            for table, key in ((pair.first_table, pair.first_id), (pair.second_table, pair.second_id))
            if table == label
        }
        if keys:
            records |= model._default_manager.in_bulk(keys)
    return records
