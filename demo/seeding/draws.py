"""Random draws in SQL that depend only on the seed, the number of the row and a name, not on the query plan."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import Any

from django.db.backends.utils import CursorWrapper

# Functions of the session only. Each is one expression, so that the planner can inline it: a call of an SQL function
# costs many times the draw itself.
SQL_FUNCTIONS = """
CREATE OR REPLACE FUNCTION pg_temp.draw(n bigint, what text) RETURNS float8 LANGUAGE sql IMMUTABLE AS $$
    SELECT (hashint8extended(n, hashtextextended(what, {seed})) & 1073741823) / 1073741824.0::float8
$$;
CREATE OR REPLACE FUNCTION pg_temp.whole(low int, high int, chance float8) RETURNS int
LANGUAGE sql IMMUTABLE AS $$
    SELECT low + floor((high - low + 1) * chance)::int
$$;
CREATE OR REPLACE FUNCTION pg_temp.pick(words text[], chance float8) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT words[1 + floor(cardinality(words) * chance)::int]
$$;
CREATE OR REPLACE FUNCTION pg_temp.pick(words text[], shares float8[], chance float8) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT words[1 + width_bucket(chance, shares)]
$$;
-- RFC 9562, section 5.7: 48 bits of milliseconds, the version, then bits that only have to be unique.
CREATE OR REPLACE FUNCTION pg_temp.uuid7(at timestamptz, what text, n bigint) RETURNS uuid
LANGUAGE sql STABLE AS $$
    SELECT (lpad(to_hex((date_part('epoch', at) * 1000)::bigint), 12, '0') || '7'
        || overlay(substr(md5(what || ':{seed}:' || n::text), 1, 19) PLACING 'a' FROM 4 FOR 1))::uuid
$$;
"""


@dataclass(frozen=True)
class Chunk:
    """Leads `first` to `last` of a run that creates `total` leads from number `start` on, as of `now`."""

    start: int
    total: int
    first: int
    last: int
    now: datetime
    # The shares (0 to 1) of leads with a conversation, a task and so on.
    shares: Mapping[str, float]

    def run(self, cursor: CursorWrapper, sql: str, parameters: Mapping[str, Any] | None = None) -> int:
        """Execute `sql` with the values of this chunk and `parameters`. Return the number of rows."""
        cursor.execute(sql, {**vars(self), **self.shares, **(parameters or {})})
        return cursor.rowcount


def create_sql_functions(cursor: CursorWrapper, seed: int) -> None:
    """Create the functions of the session for `seed`."""
    cursor.execute(SQL_FUNCTIONS.format(seed=int(seed)))


def weighted_choice(name: str, shares: Mapping[str, float]) -> dict[str, list[Any]]:
    """Return the parameters for `pg_temp.pick(%(name)s, %(name_shares)s, chance)`, which picks words by share."""
    share_sum = sum(shares.values())
    cumulative_shares = [total / share_sum for total in accumulate(shares.values())]
    return {name: [str(word) for word in shares], f"{name}_shares": cumulative_shares[:-1]}
