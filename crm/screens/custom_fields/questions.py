"""Questions of forms, such as those of a line of insurance, as fields that a list filters and sorts by.

The answers stand in JSON columns of a record. The app that has the forms registers at start how they are loaded.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from django.db.models import Q

from crm.models import CustomFieldKind, SchemaChange, SchemaDecision
from crm.models.custom_field import KINDS_WITH_CHOICES
from crm.models.schema_change import JsonColumn
from crm.records.json_keys import ELEMENTS, key_path
from crm.screens.custom_fields.group_tables import (
    group_table_name,
    indexed_keys,
    list_steps,
    question_column_name,
    text_columns,
)

QUESTION_PREFIX = "answer."
# The filter of a list by the form, whose questions can then sort the list.
FORM_FILTER = "line"

# A repeated group: the JSON column, and the steps to the list.
Group = tuple[str, tuple[str, ...]]


@dataclass(frozen=True)
class QuestionField:
    """A question of a form, with what filters need of a custom field.

    `steps` lead to an answer in the JSON `column`; `[]` stands for each entry of a repeated group. `scope` are the
    records whose column has answers to this form, if it also has those to others; `asked` the records that the form
    is for, among which "is not" and "is empty" search.
    """

    parameter: str
    table: str
    column: str
    steps: tuple[str, ...]
    label: str
    kind: str
    choices: Mapping[str, str] = field(default_factory=dict)
    scope: Q = field(default_factory=Q)
    asked: Q = field(default_factory=Q)
    is_filterable: bool = True
    promotion: str = ""
    # No question asks for a record.
    refers_to: ClassVar[str] = ""

    def __str__(self) -> str:
        return self.label

    @property
    def key(self) -> str:
        """The path of the answer, as a schema request names it."""
        return key_path(*self.steps)

    @property
    def is_repeated(self) -> bool:
        """Whether a record answers the question once for each entry of a group."""
        return ELEMENTS in self.steps

    @property
    def group(self) -> Group | None:
        """The repeated group of the question, if it is in one."""
        return (self.column, self.steps[:-2]) if self.is_repeated else None

    def is_asked_of(self, row: Any) -> bool:
        """Whether the answers in `row` are to this form; `scope` compares columns of the row itself."""
        return all(getattr(row, row._meta.get_field(name).attname) == value for name, value in self.scope.children)

    @property
    def kind_label(self) -> str:
        return CustomFieldKind(self.kind).label

    @property
    def indexed_column(self) -> str:
        """The column whose index finds the answers."""
        return question_column_name(self.steps[-1]) if self.promotion == SchemaDecision.TABLE else self.column

    @property
    def promotion_label(self) -> str:
        """Say how filters and orders find the answers."""
        return "table" if self.promotion == SchemaDecision.TABLE else "indexed"

    @property
    def has_choices(self) -> bool:
        return self.kind in KINDS_WITH_CHOICES

    def choice_labels(self) -> dict[str, str]:
        return dict(self.choices)

    def choice_colours(self) -> dict[str, str]:
        """Return no colours: the choices of questions have none."""
        return {}


@dataclass(frozen=True)
class QuestionForm:
    """A form, by its code, with the questions that a list can be filtered by."""

    code: str
    label: str
    fields: tuple[QuestionField, ...]


# Returns the forms with these codes (None: all).
QuestionSource = Callable[[Collection[str] | None], Iterable[QuestionForm]]
sources: dict[str, QuestionSource] = {}


def register_questions(table: str, load: QuestionSource) -> None:
    """Let lists of `table`, a model label, be filtered by the questions of the forms that `load` returns."""
    sources[table] = load


def load_question_forms(table: str, codes: Collection[str] | None = None) -> list[QuestionForm]:
    """Return the forms of `table`, those with `codes` only if given; each question knows how its key is promoted."""
    forms = list(sources[table](codes)) if table in sources and (codes is None or codes) else []
    if not forms:
        return []
    changes = SchemaChange.objects.applied().filter(table=table).exclude(column=JsonColumn.CUSTOM_FIELDS)
    promoted, groups = {}, set()
    for column, key, kind, decision in changes.values_list("column", "key", "kind", "decision"):
        if decision == SchemaDecision.TABLE:
            groups.add((column, list_steps(key)))
        else:
            promoted[column, key, kind] = decision
    names = {group: group_table_name(table, *group) for group in groups}
    columns = text_columns(names.values()) if names else {}
    tables = {group: columns[name] for group, name in names.items()}
    return [replace(form, fields=with_promotions(form.fields, promoted, tables)) for form in forms]


def with_promotions(
    fields: Collection[QuestionField],
    promoted: Mapping[tuple[str, str, str], str],
    tables: Mapping[Group, Collection[str]],
) -> tuple[QuestionField, ...]:
    """Return `fields`, each with its promotion: that of its own key, or the table of its group if it has an index.

    `tables` has the columns of texts of each table. A question that is newer than its table is looked up in JSON.
    """
    members: dict[Group, list[tuple[str, str]]] = {}
    for one in fields:
        if question_column_name(one.steps[-1]) in tables.get(one.group, ()):
            members.setdefault(one.group, []).append((one.steps[-1], one.kind))
    indexed = {group: indexed_keys(questions) for group, questions in members.items()}
    return tuple(
        replace(
            one,
            promotion=SchemaDecision.TABLE.value
            if one.steps[-1] in indexed.get(one.group, ())
            else promoted.get((one.column, one.key, one.kind), ""),
        )
        for one in fields
    )


def find_questions(table: str, column: str, key: str) -> list[QuestionField]:
    """Return the questions whose answers stand under the path `key` of a JSON column, or in the group there.

    Several forms may share a question.
    """
    fields = (one for form in load_question_forms(table) for one in form.fields)
    group = (column, list_steps(key))
    return [one for one in fields if (one.column, one.key) == (column, key) or one.group == group]
