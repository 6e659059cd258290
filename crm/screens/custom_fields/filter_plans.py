"""How the database finds the rows of a filter by a custom field: by an index, or by reading every record."""

import json
import re
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection, models

from crm.screens.custom_fields.promoted_columns import NAME_PREFIX

# A smaller table is read whole in a moment, with an index or without: its plans say nothing about a filter.
SMALL_TABLE_ROWS = 10_000
TABLE_ROWS_SQL = "SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = to_regclass(%s)"


@dataclass(frozen=True)
class FilterPlan:
    """How a filter works; `table_rows` is the database's estimate, None if the reader may not know it."""

    is_indexed: bool
    table_rows: int | None
    index_label: str = "indexed"

    @property
    def label(self) -> str:
        if self.is_indexed:
            return self.index_label
        return "reads all records" if self.table_rows is None else f"reads all {self.table_rows:,} records"

    @property
    def colour(self) -> str:
        return "green" if self.is_indexed else "amber"


def estimate_table_rows(db_table: str) -> int:
    """Return how many rows a table has, as the database last estimated; 0 if it never did."""
    with connection.cursor() as cursor:
        cursor.execute(TABLE_ROWS_SQL, [connection.ops.quote_name(db_table)])
        return cursor.fetchone()[0]


def plan_filter(model: type[models.Model], condition: models.Q, column: str, table_rows: int) -> FilterPlan:
    """Return how the live rows of `model` that meet `condition` are found: by an index on `column`, or not."""
    rows = model._base_manager.filter(condition, deleted_at__isnull=True).order_by()
    try:
        plan = json.loads(rows.explain(format="json"))
    except EmptyResultSet:
        return FilterPlan(is_indexed=True, table_rows=table_rows)
    return FilterPlan(reads_index(plan[0]["Plan"], column), table_rows)


def reads_index(node: dict[str, Any], column: str) -> bool:
    """Return whether a step of the plan looks values in `column` up in an index."""
    condition = node.get("Index Cond", "")
    # Of a small table of entries all are read, and only their records are looked up.
    is_lookup = NAME_PREFIX in condition or re.search(rf"\b{re.escape(column)}\b|\bentry\.", condition)
    return bool(is_lookup) or any(reads_index(child, column) for child in node.get("Plans", ()))
