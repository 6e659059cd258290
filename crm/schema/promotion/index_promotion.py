"""Promotion to an index on an expression: the values stay in JSON."""

from collections.abc import Iterable
from functools import cached_property
from typing import ClassVar

from django.db import connection

from crm.exceptions import IllegalTransition, InvalidInput
from crm.models import SchemaChange, SchemaDecision
from crm.models.schema_change import JsonColumn
from crm.schema.promotion.base import Promotion
from crm.schema.promotion.index_builds import build_indexes, index_problems, remove_indexes, remove_invalid_indexes
from crm.schema.promotion.indexes import PromotedKey, drop_statistics
from crm.schema.promotion.monitor import ChangeMonitor
from crm.schema.promotion.patience import run_patiently
from crm.screens.custom_fields.promoted_columns import NAME_PREFIX
from crm.screens.custom_fields.questions import find_questions
from crm.screens.custom_fields.sort_keys import SORT_KEYS

OUR_INDEXES_SQL = """
SELECT relname FROM pg_class JOIN pg_namespace AS space ON space.oid = relnamespace
 WHERE relkind = 'i' AND starts_with(relname, %s) AND nspname = current_schema() ORDER BY relname
"""
HAS_STATISTICS_SQL = "SELECT EXISTS (SELECT FROM pg_statistic_ext WHERE stxname = %s)"


class IndexPromotion(Promotion):
    """Indexes on the sort key of a custom field, with statistics of its values."""

    plan_text: ClassVar[str] = "An index is built while everyone goes on working. The values stay in JSON."
    undone_text: ClassVar[str] = "The index is removed. The values are in JSON as before."

    @cached_property
    def promoted(self) -> PromotedKey:
        return PromotedKey.of(self.change)

    @classmethod
    def check_decision(cls, change: SchemaChange) -> str:
        kind = comparable_kind(change)
        for applied in SchemaChange.objects.applied().filter(table=change.table, column=change.column, key=change.key):
            what = "an index" if applied.decision == SchemaDecision.INDEX else "a column with an index"
            raise IllegalTransition(f"“{change.key[:60]}” has {what} already.")
        return kind

    def carry_out(self, monitor: ChangeMonitor) -> None:
        build_indexes(self.promoted.indexes, monitor)
        monitor.step = "Analyzing the values"
        run_patiently(self.promoted.create_statistics, monitor)
        run_patiently(self.promoted.analyze, monitor)

    def take_back(self, monitor: ChangeMonitor) -> None:
        remove_indexes(self.promoted.indexes, monitor)
        run_patiently(drop_statistics(self.promoted.statistics_name), monitor)

    def clean_up(self, monitor: ChangeMonitor) -> None:
        remove_invalid_indexes(self.promoted.indexes, monitor)

    def problems(self) -> Iterable[str]:
        yield from index_problems(self.promoted.indexes)
        if not has_statistics(self.promoted.statistics_name):
            yield f"the statistics {self.promoted.statistics_name} are missing"

    @property
    def object_names(self) -> frozenset[str]:
        return frozenset(self.index_names)

    @property
    def index_names(self) -> tuple[str, ...]:
        return tuple(index.name for index in self.promoted.indexes)

    @classmethod
    def find_objects(cls) -> Iterable[tuple[str, str]]:
        with connection.cursor() as cursor:
            cursor.execute(OUR_INDEXES_SQL, [NAME_PREFIX])
            return [("index", name) for (name,) in cursor.fetchall()]


def has_statistics(name: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(HAS_STATISTICS_SQL, [name])
        return cursor.fetchone()[0]


def comparable_kind(change: SchemaChange) -> str:
    """Return the kind by which the values of the key of `change` compare.

    Raises:
        InvalidInput: the key is neither a custom field nor a question, or its kind has no order.
    """
    field = change.defined_field()
    if change.column != JsonColumn.CUSTOM_FIELDS:
        kind = question_kind(change)
    elif field is None:
        raise InvalidInput(f"Define “{change.key[:60]}” as a custom field first: its kind says how values compare.")
    else:
        kind = field.kind
    if kind not in SORT_KEYS:
        raise InvalidInput(
            "Several choices stay in JSON: they have no order, and their filters use the index of the whole column."
        )
    return kind


def question_kind(change: SchemaChange) -> str:
    """Return the kind of the question whose answers stand under the key of `change`.

    Raises:
        InvalidInput: there is none, there are several that contradict each other, or it is in a repeated group.
    """
    name, questions = change.key[:60], find_questions(change.table, change.column, change.key)
    if not questions:
        raise InvalidInput(f"No line asks for “{name}”: the kind of a question says how values compare.")
    if any(one.is_repeated for one in questions):
        raise InvalidInput(f"“{name}” is in a repeated group: an index of one value cannot serve several entries.")
    if len({one.kind for one in questions}) > 1:
        raise InvalidInput(f"Several lines ask for “{name}”, as different kinds: their values do not compare.")
    return questions[0].kind
