"""What an import makes of the records that its rows fit: new values, computed before any is written."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.backends.utils import CursorWrapper

from crm.exceptions import IllegalTransition
from leads.importing.updates.policy import DuplicatePolicy
from leads.importing.updates.rules import UpdateRules

# The new value of a column is called `new_` and its name. OFFSET 0 keeps PostgreSQL from computing each value twice.
CREATE_UPDATES_SQL = """
    DROP TABLE IF EXISTS pg_temp.imported_updates;
    CREATE TEMPORARY TABLE imported_updates ON COMMIT DROP AS
    SELECT imported.number, imported.line, imported.id AS log_id, existing.id AS record_id, {about} AS about_id,
           existing.updated_at, new.*, {changes} || added.links AS changes
      FROM imported_targets AS target JOIN imported_rows AS imported ON imported.number = target.number
      JOIN {table} AS existing ON existing.id = target.record_id
     CROSS JOIN LATERAL (SELECT {moves} AS moves) AS stage
     CROSS JOIN LATERAL (SELECT {values} OFFSET 0) AS new
     CROSS JOIN LATERAL (SELECT {links} AS links OFFSET 0) AS added
     WHERE fate = 'update' AND existing.deleted_at IS NULL
       AND (({new}) IS DISTINCT FROM ({old}) OR added.links <> '{{}}');
    ALTER TABLE imported_updates ADD PRIMARY KEY (number);
    ANALYZE imported_updates
"""
# A record is found by several rows, which may name several others.
INDEX_TARGETS_SQL = "CREATE INDEX IF NOT EXISTS imported_targets_record ON imported_targets (record_id)"
DELETE_EMPTY_SQL = "DELETE FROM imported_updates WHERE changes = '{}'"
COUNT_KEPT_SQL = """
    SELECT {counts}
      FROM imported_targets AS target JOIN imported_rows AS imported ON imported.number = target.number
      JOIN {table} AS existing ON existing.id = target.record_id WHERE fate = 'update'
"""
LOCK_RECORDS_SQL = """
    SELECT count(*) FROM (
        SELECT existing.updated_at AS now, planned.updated_at AS then
          FROM {table} AS existing JOIN imported_updates AS planned ON planned.record_id = existing.id
         ORDER BY existing.id FOR NO KEY UPDATE OF existing) AS locked
     WHERE locked.now <> locked.then
"""
MAX_PLANS = 5


@dataclass(frozen=True)
class UpdatePlan:
    """How many records an import changes, and sentences about what it leaves as it is."""

    changed: int
    notices: tuple[str, ...]


class UpdatePlanner:
    """Plan the changes of the records that the rows of a file fit, in the table `imported_updates`.

    `nouns` is what such a record is called, and several of them. `values` are the parameters of the rules.
    """

    def __init__(
        self,
        cursor: CursorWrapper,
        rules: UpdateRules,
        policy: DuplicatePolicy,
        *,
        nouns: tuple[str, str],
        values: Mapping[str, Any],
        has_answers: bool = False,
    ) -> None:
        self.cursor, self.rules, self.policy, self.nouns, self.values = cursor, rules, policy, nouns, values
        self.expressions = rules.expressions(policy, has_answers=has_answers)

    def plan(self) -> UpdatePlan:
        """Compute all changes, without writing any."""
        columns, rules = list(self.expressions), self.rules
        sql = CREATE_UPDATES_SQL.format(
            changes=" || ".join(change_expression(rules, name) for name in columns if name not in rules.derived),
            moves=rules.moves_sql(self.policy),
            values=", ".join(f"{expression} AS new_{name}" for name, expression in self.expressions.items()),
            new=", ".join(f"new_{name}" for name in columns),
            old=", ".join(f"existing.{name}" for name in columns),
            links=" || ".join(link.added for link in rules.links) or "'{}'::jsonb",
            **rules.names,
        )
        if rules.links:
            self.cursor.execute(INDEX_TARGETS_SQL)
        self.cursor.execute(sql, self.values)
        corrected = [*self.correct()]
        self.cursor.execute(DELETE_EMPTY_SQL)
        self.cursor.execute("SELECT count(*) FROM imported_updates")
        (changed,) = self.cursor.fetchone()
        return UpdatePlan(changed, (*self.kept_notices(), *corrected))

    def correct(self) -> Iterator[str]:
        """Take back the changes that are not possible, and yield sentences about them."""
        for correction in self.rules.corrections:
            self.cursor.execute(correction.statement)
            yield from self.notice(self.cursor.rowcount, correction.what, correction.why)

    def lock(self, plan: UpdatePlan) -> UpdatePlan:
        """Lock the records, and plan again while one was changed since. What is locked stays as it is.

        Raises:
            IllegalTransition: other people keep changing the records.
        """
        for _ in range(MAX_PLANS):
            self.cursor.execute(LOCK_RECORDS_SQL.format(**self.rules.names))
            if self.cursor.fetchone() == (0,):
                return plan
            plan = self.plan()
        raise IllegalTransition(
            f"Nothing was imported, because the {self.nouns[1]} were changed again and again meanwhile. "
            "Import the file again."
        )

    def kept_notices(self) -> Iterator[str]:
        """Yield sentences about the records that keep what differs from the file."""
        kept, moves = self.rules.kept, self.rules.moves_sql(self.policy)
        if not kept:
            return
        counts = ", ".join(f"count(*) FILTER (WHERE {one.condition.format(moves=moves)})" for one in kept)
        self.cursor.execute(COUNT_KEPT_SQL.format(counts=counts, **self.rules.names), self.values)
        for count, one in zip(self.cursor.fetchone(), kept, strict=True):
            yield from self.notice(count, one.what, one.reason(self.policy))

    def notice(self, count: int, what: str, why: str) -> Iterator[str]:
        """Yield the sentence about `count` records that keep something; none for 0. `what` begins with a verb."""
        noun, plural = self.nouns
        if count == 1:
            yield f"1 {noun} {what}: {why}"
        elif count:
            verb, rest = what.split(" ", 1)
            yield f"{count:,} {plural} {verb.removesuffix('s')} {rest.replace('its ', 'their ')}: {why}"


def change_expression(rules: UpdateRules, column: str) -> str:
    """Return the entry of `ImportChange.changes` for one column, or an empty object."""
    if column == "tags":
        entry = "(SELECT jsonb_agg(tag) FROM unnest(new_tags) AS tag WHERE NOT tag = ANY(existing.tags))"
    elif column in rules.objects:
        entry = (
            f"(SELECT jsonb_object_agg(key, jsonb_build_array(existing.{column} -> key, value)) "
            f"FROM jsonb_each(new_{column}) WHERE value IS DISTINCT FROM existing.{column} -> key)"
        )
    else:
        entry = f"jsonb_build_array(existing.{column}, new_{column})"
    return (
        f"CASE WHEN new_{column} IS DISTINCT FROM existing.{column} THEN jsonb_build_object('{column}', {entry}) "
        "ELSE '{}' END"
    )
