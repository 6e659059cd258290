"""The part of an import that concerns leads which exist already: find them, plan their changes, write them."""

import json
from collections.abc import Iterator
from typing import Any

from django.utils import timezone
from psycopg.types.json import Jsonb

from leads.importing.duplicates import DuplicateSearch, count_duplicates, find_duplicates
from leads.importing.tables.base import StagedImport
from leads.importing.updates.applying import apply_updates
from leads.importing.updates.planning import UpdatePlan, UpdatePlanner
from leads.importing.updates.policy import DuplicatePolicy
from leads.importing.updates.targets import TargetCounts, find_targets
from leads.importing.values.labels import changed_column_labels

SELECT_EXAMPLES_SQL = "SELECT line, lead_id::text, changes::text FROM imported_updates ORDER BY number LIMIT %s"


class LeadUpdates:
    """The rows of an import that are leads already."""

    def __init__(self, staged: StagedImport, policy: DuplicatePolicy, reader: Any) -> None:
        self.staged, self.cursor, self.policy, self.reader = staged, staged.cursor, policy, reader
        self.at = timezone.now()
        self.counts, self.known_rows = TargetCounts(0, 0), 0
        self.planner = UpdatePlanner(
            staged.cursor,
            policy,
            at=self.at,
            source_detail=reader.default_of("source_detail"),
            lost=sorted(reader.context.lost_stages),
            has_answers=any(target in reader.context.questions for target in reader.plan.columns),
        )

    def find(self) -> None:
        """Find the leads and the earlier rows that the rows of the file are."""
        staged = self.staged
        search = DuplicateSearch(
            key=staged.key,
            is_key_chosen=staged.plan.is_key_chosen,
            region=staged.phone_region,
            former=[(str(batch.pk), batch.imported_at) for batch in staged.former],
            ends_open=self.policy.changes_leads,
        )
        find_duplicates(self.cursor, search)
        if self.policy.changes_leads:
            self.counts = find_targets(self.cursor, staged.user)
        # Without the rows that fit two leads, which count as refused.
        self.known_rows = count_duplicates(self.cursor) - self.counts.two_leads

    @property
    def targets(self) -> int:
        """The number of rows that may change a lead."""
        return self.counts.targets

    @property
    def duplicates(self) -> int:
        return self.known_rows - self.targets

    def plan(self, *, lock: bool) -> UpdatePlan:
        """Plan the changes of the leads; with `lock`, nobody else changes these leads until the end."""
        if not self.targets:
            return UpdatePlan(0, ())
        plan = self.planner.plan()
        return self.planner.lock(plan) if lock else plan

    def examples(self, count: int) -> list[tuple[int, str, dict[str, Any]]]:
        """Return line, lead and changes of the first `count` rows that change a lead."""
        if not self.targets:
            return []
        self.cursor.execute(SELECT_EXAMPLES_SQL, [count])
        return [(line, lead, json.loads(changes)) for line, lead, changes in self.cursor.fetchall()]

    def apply(self, rows: int, **values: Any) -> Iterator[int]:
        """Write the planned changes of all `rows`. Yield the number of leads of each chunk."""
        if self.targets:
            yield from apply_updates(self.cursor, self.planner, rows, labels=Jsonb(changed_column_labels()), **values)
