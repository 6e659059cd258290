"""Questions of forms, such as those of a line of insurance, as fields that a list filters and sorts by.

The answers stand in JSON columns of a record. The app that has the forms registers at start how they are loaded.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

from django.db.models import Q

from crm.models import CustomFieldKind, SchemaChange
from crm.models.custom_field import KINDS_WITH_CHOICES
from crm.models.schema_change import JsonColumn
from crm.records.json_keys import ELEMENTS, key_path

QUESTION_PREFIX = "answer."
# The filter of a list by the form, whose questions can then sort the list.
FORM_FILTER = "line"


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
    # A question gets no column.
    promotion_label: ClassVar[str] = "indexed"

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
    def kind_label(self) -> str:
        return CustomFieldKind(self.kind).label

    @property
    def has_choices(self) -> bool:
        return self.kind in KINDS_WITH_CHOICES

    def choice_labels(self) -> dict[str, str]:
        return dict(self.choices)


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
    promoted = {
        (column, key, kind): decision
        for column, key, kind, decision in changes.values_list("column", "key", "kind", "decision")
    }
    return [
        replace(
            form,
            fields=tuple(
                replace(one, promotion=promoted.get((one.column, one.key, one.kind), "")) for one in form.fields
            ),
        )
        for form in forms
    ]


def find_questions(table: str, column: str, key: str) -> list[QuestionField]:
    """Return the questions whose answers stand under the path `key` of a JSON column; several forms may share it."""
    fields = (one for form in load_question_forms(table) for one in form.fields)
    return [one for one in fields if (one.column, one.key) == (column, key)]
