"""Promotion of a repeated group to a table of its own: the list stays in JSON, and both sides are kept in step."""

from collections.abc import Iterable
from functools import cached_property
from typing import ClassVar

from psycopg import sql

from crm.exceptions import IllegalTransition, InvalidInput
from crm.models import SchemaChange, SchemaChangeState, SchemaDecision
from crm.schema.promotion.base import Promotion
from crm.schema.promotion.group_table import inspection
from crm.schema.promotion.group_table.following import TableFill, count_diverging, delete_orphans
from crm.schema.promotion.group_table.groups import find_group, group_table
from crm.schema.promotion.group_table.layout import GroupTable
from crm.schema.promotion.group_table.statements import (
    TRIGGERS,
    add_foreign_key,
    change_columns,
    create_table,
    create_trigger,
    remove_table,
    replace_functions,
    validate_foreign_key,
)
from crm.schema.promotion.index_builds import build_indexes, index_problems, remove_invalid_indexes
from crm.schema.promotion.monitor import ChangeMonitor
from crm.schema.promotion.patience import run_patiently
from crm.schema.promotion.readers import wait_for_readers
from crm.screens.custom_fields.group_tables import list_steps


class TablePromotion(Promotion):
    """A row for each entry of a list, with a column for each question of the group, and indexes on its texts."""

    plan_text: ClassVar[str] = (
        "A table with a row for each entry is filled while everyone goes on working. The list stays in JSON, and both "
        "are kept in step."
    )
    undone_text: ClassVar[str] = "The table is removed. The lists are in JSON as before."

    @cached_property
    def table(self) -> GroupTable:
        return group_table(self.change)

    @property
    def applied_text(self) -> str:
        return f"The table {self.table.name} has a row for each entry. It is kept in step with the list in JSON."

    @classmethod
    def check_decision(cls, change: SchemaChange) -> str:
        if not find_group(change):
            raise InvalidInput(
                f"“{change.key[:60]}” is no repeated group of a line of insurance, so it cannot become a table."
            )
        # The path of a list may be written in two ways, so the key alone does not tell whether another request has it.
        others = SchemaChange.objects.filter(table=change.table, column=change.column, decision=SchemaDecision.TABLE)
        for other in others.exclude(state__in=[SchemaChangeState.DECIDED, SchemaChangeState.UNDONE]):
            if list_steps(other.key) == list_steps(change.key):
                state = other.get_state_display().lower()
                raise IllegalTransition(f"“{change.key[:60]}” is decided to be a table already ({state}).")
        return ""

    def carry_out(self, monitor: ChangeMonitor) -> None:
        monitor.step = "Creating the table"
        self.create(monitor)
        TableFill(self.table, monitor).run()
        build_indexes(self.table.indexes, monitor)
        monitor.step = "Analyzing the values"
        run_patiently(sql.SQL("ANALYZE {}").format(self.table.identifier), monitor)

    def create(self, monitor: ChangeMonitor) -> None:
        """Create what is missing of the table, its functions and its triggers."""
        table = self.table
        if not inspection.is_created(table):
            run_patiently(create_table(table), monitor)
        surplus, missing = inspection.wrong_columns(table)
        if surplus or missing:
            run_patiently(change_columns(table, surplus, missing), monitor, locks_others_out=True)
        if inspection.changed_functions(table):
            run_patiently(replace_functions(table), monitor)
        self.attach(monitor)
        if not inspection.is_foreign_key_valid(table):
            delete_orphans(table)
            run_patiently(validate_foreign_key(table), monitor)

    def attach(self, monitor: ChangeMonitor) -> None:
        """Create what is missing of the triggers, and the foreign key: what locks the owners in one statement."""
        table, triggers = self.table, inspection.missing_triggers(self.table)
        of_rows = [create_trigger(table, one) for one in triggers if not one.is_on_owners]
        of_owners = [create_trigger(table, one) for one in triggers if one.is_on_owners]
        if inspection.is_foreign_key_valid(table) is None:
            of_owners.append(add_foreign_key(table))
        for statements in (of_rows, of_owners):
            if statements:
                run_patiently(sql.SQL(";\n").join(statements), monitor, locks_others_out=True)

    def take_back(self, monitor: ChangeMonitor) -> None:
        if inspection.is_created(self.table):
            # Nothing has read a table that was never applied.
            if self.change.applied_at:
                wait_for_readers(self.table.name, monitor)
            monitor.step = "Removing the table"
            run_patiently(remove_table(self.table), monitor, locks_others_out=True)

    def clean_up(self, monitor: ChangeMonitor) -> None:
        remove_invalid_indexes(self.table.indexes, monitor)

    def problems(self) -> Iterable[str]:
        problems = list(inspection.structure_problems(self.table))
        yield from problems
        if inspection.is_created(self.table):
            yield from index_problems(self.table.indexes)
        if not problems and (count := count_diverging(self.table)):
            lists = "1 list differs" if count == 1 else f"{count:,} lists differ"
            yield f"{lists} from the rows of {self.table.name}"

    @property
    def object_names(self) -> frozenset[str]:
        triggers = (self.table.function_name(trigger.part) for trigger in TRIGGERS)
        return frozenset({self.table.name, *triggers})

    @classmethod
    def find_objects(cls) -> Iterable[tuple[str, str]]:
        return [("table", name) for name in inspection.find_tables()]

    @property
    def index_names(self) -> tuple[str, ...]:
        return tuple(index.name for index in self.table.indexes)

    @property
    def sized_names(self) -> tuple[str, ...]:
        return (self.table.name, *self.index_names)

    @property
    def named_parts(self) -> dict[str, tuple[str, ...]]:
        return {"Table": (self.table.name,), **super().named_parts}
