"""The rows of an import that are records already: find these, plan their changes, write them."""

import json
from collections.abc import Iterator
from typing import Any

from django.utils import timezone
from psycopg.types.json import Jsonb

from leads.importing.tables.base import ImportTable
from leads.importing.tables.matching import count_duplicates, find_duplicates
from leads.importing.tables.staged import StagedImport
from leads.importing.updates.applying import apply_updates
from leads.importing.updates.planning import UpdatePlan, UpdatePlanner
from leads.importing.updates.policy import DuplicatePolicy
from leads.importing.updates.targets import TargetCounts, find_targets
from leads.importing.values.line_questions import LineQuestion
from leads.models.import_batch import NOUNS

SELECT_EXAMPLES_SQL = "SELECT line, record_id::text, changes::text FROM imported_updates ORDER BY number LIMIT %s"


class KnownRows:
    """The rows of an import that are records of `table` already; `policy` says what becomes of these."""

    def __init__(self, table: ImportTable, staged: StagedImport, policy: DuplicatePolicy, reader: Any) -> None:
        self.table, self.staged, self.cursor = table, staged, staged.cursor
        self.changes_records = policy.changes_records and table.updates is not None
        self.at = timezone.now()
        # `rows` are those without the refused ones, which fit two records.
        self.counts, self.rows = TargetCounts(0, 0), 0
        if self.changes_records:
            self.planner = UpdatePlanner(
                staged.cursor,
                table.updates,
                policy,
                nouns=NOUNS[table.name],
                values={"at": self.at, **table.update_values(reader)},
                has_answers=any(
                    isinstance(reader.context.questions.get(target), LineQuestion) for target in reader.plan.columns
                ),
            )

    def find(self) -> None:
        """Find the records and the earlier rows that the rows of the file are."""
        table, staged = self.table, self.staged
        for statement in table.preparing_statements:
            self.cursor.execute(statement)
        find_duplicates(staged, table.duplicates, changes_records=self.changes_records)
        if self.changes_records:
            self.counts = find_targets(self.cursor, table.model, staged.user, table.free_rows)
        self.rows = count_duplicates(self.cursor) - self.counts.refused
        table.link_rows(staged)

    @property
    def targets(self) -> int:
        """The number of rows that may change a record."""
        return self.counts.targets

    @property
    def duplicates(self) -> int:
        return self.rows - self.targets

    def plan(self, *, lock: bool) -> UpdatePlan:
        """Plan the changes of the records; with `lock`, they stay as they are until the end."""
        if not self.targets:
            return UpdatePlan(0, ())
        plan = self.planner.plan()
        return self.planner.lock(plan) if lock else plan

    def examples(self, count: int) -> list[tuple[int, str, dict[str, Any]]]:
        """Return line, record and changes of the first `count` rows that change a record."""
        if not self.targets:
            return []
        self.cursor.execute(SELECT_EXAMPLES_SQL, [count])
        return [(line, record, json.loads(changes)) for line, record, changes in self.cursor.fetchall()]

    def apply(self, rows: int, **values: Any) -> Iterator[int]:
        """Write the planned changes of all `rows`. Yield the number of records of each chunk."""
        if self.targets:
            labels = Jsonb(self.table.change_labels)
            yield from apply_updates(self.cursor, self.planner, rows, labels=labels, **values)
