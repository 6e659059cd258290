"""The repeated groups that forms define. The app with the forms registers at start how a group is found."""

from collections.abc import Callable, Mapping

from crm.models import SchemaChange
from crm.models.schema_change import JsonColumn
from crm.schema.promotion.group_table.columns import QuestionColumn
from crm.schema.promotion.group_table.layout import GroupTable
from crm.screens.custom_fields.group_tables import list_steps

# Returns the kinds of the questions of the group in a column under some steps, by key; None if there is no such group.
GroupFinder = Callable[[str, tuple[str, ...]], Mapping[str, str] | None]
group_finders: dict[str, GroupFinder] = {}


def register_groups(table: str, find: GroupFinder) -> None:
    """Let the repeated groups of `table`, a model label, become tables."""
    group_finders[table] = find


def find_group(change: SchemaChange) -> Mapping[str, str] | None:
    """Return the kinds of the questions of the group that `change` is about; None if no form has it."""
    steps = list_steps(change.key)
    if change.table not in group_finders or change.column == JsonColumn.CUSTOM_FIELDS or not steps:
        return None
    return group_finders[change.table](change.column, steps)


def group_table(change: SchemaChange) -> GroupTable:
    """Return the table of the group of `change`; without columns for questions if no form has the group any more."""
    questions = find_group(change) or {}
    columns = tuple(QuestionColumn(key, kind) for key, kind in sorted(questions.items()))
    return GroupTable(change.table, change.column, list_steps(change.key), columns)
