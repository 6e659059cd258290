"""The figures of keys, from the last scan, the counts of uses and the indexes of the table."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import NamedTuple

from django.apps import apps
from django.db import connection
from django.db.models import F
from django.db.models.functions import Coalesce
from django.utils import timezone

from crm.models import CustomField, FieldStatistic, FieldUse, IndexUsage, SchemaChange, SchemaDecision, SchemaThresholds
from crm.models.schema_change import JsonColumn
from crm.records.json_keys import ELEMENTS, key_path, path_steps
from crm.records.local_time import agency_today
from crm.schema.advice.rules import Advice, Decision, KeyFigures, advise
from crm.schema.promotion.group_table.groups import group_finders
from crm.schema.usage.report import Place, UsageReport, counting_began, load_usage, place_of
from crm.screens.custom_fields.group_tables import group_table_name, list_steps
from crm.screens.custom_fields.promoted_columns import column_name
from crm.screens.custom_fields.questions import load_question_forms
from crm.screens.custom_fields.sort_keys import SORT_KEYS

INDEXES_SQL = """
SELECT table_class.relname, index_class.relname, method.amname = 'gin', pg_get_indexdef(indexrelid),
       ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = indrelid AND attnum = ANY (indkey))
  FROM pg_index JOIN pg_class AS index_class ON index_class.oid = indexrelid
  JOIN pg_class AS table_class ON table_class.oid = indrelid JOIN pg_am AS method ON method.oid = index_class.relam
 WHERE indisvalid AND table_class.relname = ANY (%s) AND table_class.relnamespace = current_schema()::regnamespace
"""


@dataclass
class TableIndexes:
    """The indexes of a table on JSON: the columns with a GIN index, and the definitions of the others by name."""

    gin_columns: set[str] = field(default_factory=set)
    definitions: dict[str, str] = field(default_factory=dict)

    def name_for(self, column: str, key: str) -> str:
        """Return the index on an expression of the key; empty if there is none."""
        steps = path_steps(key)
        if len(steps) != 1:
            return ""
        quoted = steps[0].replace("'", "''")
        # The last one is the argument of a function, as in the index of a promoted key.
        parts = [f"{column}{joined}'{quoted}'::" for joined in (" ->> ", " -> ", ", ")]
        return next((name for name, text in self.definitions.items() if any(part in text for part in parts)), "")


class AdvisedKey(NamedTuple):
    """A key with what is known of it, and the advice."""

    statistic: FieldStatistic
    usage: UsageReport
    figures: KeyFigures
    advice: Advice


def load_advice(rows: Iterable[FieldStatistic], thresholds: SchemaThresholds | None = None) -> list[AdvisedKey]:
    """Return the advice for each of `rows`, in a number of statements that does not depend on them."""
    rows, thresholds = list(rows), thresholds or load_thresholds()
    today, began = agency_today(), counting_began()
    usage = load_usage(rows, today, thresholds.window_days)
    indexes = load_indexes({row.table for row in rows})
    promotions, promotable = load_promotions(), load_promotable_keys({row.table for row in rows})
    advised = []
    for row in rows:
        report = usage[place_of(row)]
        figures = make_figures(row, report, indexes[row.table], idle_days(report, began, row, today))
        figures = replace(
            figures,
            promoted_to=promotions.get(place_of(row), ""),
            promotable_to=promotable.decisions(row),
            is_undefined_field=promotable.is_undefined_field(row),
        )
        advised.append(AdvisedKey(row, report, figures, advise(figures, thresholds)))
    return advised


def load_thresholds() -> SchemaThresholds:
    return SchemaThresholds.objects.get(is_only=True)


def load_indexes(tables: Iterable[str]) -> dict[str, TableIndexes]:
    """Return the indexes of `tables` (model labels) that concern JSON."""
    labels = {apps.get_model(table)._meta.db_table: table for table in tables}
    found: defaultdict[str, TableIndexes] = defaultdict(TableIndexes)
    with connection.cursor() as cursor:
        cursor.execute(INDEXES_SQL, [list(labels)])
        for table, name, is_gin, definition, columns in cursor.fetchall():
            if is_gin:
                found[labels[table]].gin_columns.update(columns)
            else:
                found[labels[table]].definitions[name] = definition
    return found


def load_promotions() -> dict[Place, str]:
    """Return the columns and tables that keys are promoted to, by table, JSON column and the path of the key."""
    promotions = {}
    applied = SchemaChange.objects.applied().values_list("table", "column", "key", "kind", "decision")
    for table, column, key, kind, decision in applied:
        if decision == SchemaDecision.COLUMN:
            promotions[table, column, key_path(key)] = f"column {column_name(table, column, key, kind)}"
        elif decision == SchemaDecision.TABLE:
            steps = list_steps(key)
            promotions[table, column, key_path(*steps)] = f"table {group_table_name(table, column, steps)}"
    return promotions


@dataclass(frozen=True)
class PromotableKeys:
    """The custom fields that are defined, the questions that an index can serve, and the groups that can be tables."""

    fields: frozenset[Place]
    questions: frozenset[Place]
    groups: frozenset[Place]

    def decisions(self, row: FieldStatistic) -> frozenset[Decision]:
        """Return what a request about a key can ask for."""
        if row.column == JsonColumn.CUSTOM_FIELDS:
            return frozenset({Decision.INDEX, Decision.COLUMN} if len(path_steps(row.key)) == 1 else ())
        promotions = {Decision.INDEX: self.questions, Decision.TABLE: self.groups}
        return frozenset(decision for decision, places in promotions.items() if place_of(row) in places)

    def is_undefined_field(self, row: FieldStatistic) -> bool:
        return row.column == JsonColumn.CUSTOM_FIELDS and place_of(row) not in self.fields


def load_promotable_keys(tables: Collection[str]) -> PromotableKeys:
    """Return which keys of `tables` (model labels) a request can promote."""
    defined = CustomField.objects.filter(table__in=tables).values_list("table", "key")
    kinds: defaultdict[Place, set[str]] = defaultdict(set)
    groups = set()
    for question in (one for table in tables for form in load_question_forms(table) for one in form.fields):
        if question.group is None:
            kinds[question.table, question.column, question.key].add(question.kind)
        elif question.table in group_finders:
            column, steps = question.group
            groups.add((question.table, column, key_path(*steps)))
    # Answers of different kinds do not compare, and several choices have no order.
    comparable = (place for place, found in kinds.items() if len(found) == 1 and found <= SORT_KEYS.keys())
    return PromotableKeys(
        frozenset((table, JsonColumn.CUSTOM_FIELDS.value, key_path(key)) for table, key in defined),
        frozenset(comparable),
        frozenset(groups),
    )


def idle_days(report: UsageReport, began: date | None, row: FieldStatistic, today: date) -> int | None:
    """Return the days since the last use of a key; if there was none, since both the key and counts are known."""
    if began is None:
        return None
    first_seen = max(began, row.created_at.date())
    return (today - (report.last_used_on or first_seen)).days


def make_figures(
    row: FieldStatistic, report: UsageReport, indexes: TableIndexes, unused_days: int | None
) -> KeyFigures:
    return KeyFigures(
        row_count=row.row_count,
        filled_count=row.filled_count,
        kinds=row.kinds,
        distinct_count=row.distinct_count,
        searches=report.searches,
        sorts=report.totals[FieldUse.SORTED],
        people=len(report.people),
        unused_days=unused_days,
        is_inside_list=ELEMENTS in path_steps(row.key),
        has_gin=row.column in indexes.gin_columns,
        index_name=indexes.name_for(row.column, row.key),
    )


def unused_indexes(thresholds: SchemaThresholds, now: datetime | None = None) -> list[IndexUsage]:
    """Return the indexes that no query has read for as long as the thresholds say, the largest first."""
    limit = (now or timezone.now()) - timedelta(days=thresholds.unused_days)
    quiet = IndexUsage.objects.annotate(last_known=Coalesce(F("last_used_at"), F("watched_since")))
    return list(quiet.filter(last_known__lt=limit).order_by("-size", "name"))
