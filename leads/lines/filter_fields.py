"""The questions of lines as fields that the lists of leads and policies filter by."""

from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import Any

from django.db.models import Q

from crm.models import CustomFieldKind, CustomFieldTable
from crm.records.json_keys import ELEMENTS
from crm.screens.custom_fields.questions import QUESTION_PREFIX, QuestionField, QuestionForm, register_questions
from leads.lines.questions import GROUP, OTHER, WHOLE_NUMBER, Question, all_questions
from leads.models import InsuranceType
from leads.models.insurance_type import COLUMN_BY_LINE

# Where the answers of a line stand in a table: the column, the steps to them, and what `QuestionField` says of records.
Place = Callable[[InsuranceType], dict[str, Any]]
# A moment inside a repeated group cannot be compared as a whole day.
UNFILTERED_IN_GROUPS = frozenset({CustomFieldKind.DATE_TIME.value})


def register_line_questions() -> None:
    """Let the lists of leads and policies be filtered by the questions of lines."""
    register_questions(CustomFieldTable.LEAD.value, partial(line_forms, CustomFieldTable.LEAD.value, lead_place))
    register_questions(CustomFieldTable.POLICY.value, partial(line_forms, CustomFieldTable.POLICY.value, policy_place))


def lead_place(line: InsuranceType) -> dict[str, Any]:
    """A lead may answer the questions of several lines: of its own, and of those that it has data for."""
    column = COLUMN_BY_LINE.get(line.code)
    answered = ~Q(**{column: {}}) if column else Q(line_data__has_key=line.code)
    return {
        "column": column or "line_data",
        "steps": () if column else (line.code,),
        "asked": answered | Q(insurance_type=line.pk),
    }


def policy_place(line: InsuranceType) -> dict[str, Any]:
    return {"column": "data", "steps": (), "scope": Q(insurance_type=line.pk)}


def line_forms(table: str, place: Place, codes: Collection[str] | None) -> Iterator[QuestionForm]:
    """Yield the forms of the lines with `codes` (None: all) that have questions to filter by."""
    lines = InsuranceType.objects.order_by("name", "id")
    for line in lines if codes is None else lines.filter(code__in=codes):
        if fields := tuple(line_fields(table, line, place(line))):
            yield QuestionForm(line.code, line.name, fields)


def line_fields(table: str, line: InsuranceType, place: dict[str, Any]) -> Iterator[QuestionField]:
    """Yield the questions of a line that can be compared; one whose answers only JSON can describe cannot."""
    groups: dict[str, Question] = {}
    for question in all_questions(line.form_schema):
        group = groups.get(question.group)
        if question.kind == GROUP:
            groups[question.key] = question
        elif question.kind != OTHER and not (group and question.kind in UNFILTERED_IN_GROUPS):
            yield make_field(table, line, place, question, group)


def make_field(
    table: str, line: InsuranceType, place: dict[str, Any], question: Question, group: Question | None
) -> QuestionField:
    own_steps = (group.key, ELEMENTS, question.key) if group else (question.key,)
    names, labels = ((group.key,), (group.label,)) if group else ((), ())
    return QuestionField(
        parameter=QUESTION_PREFIX + ".".join([line.code, *names, question.key]),
        table=table,
        label=f"{line.name}: {' · '.join([*labels, question.label])}",
        kind=CustomFieldKind.NUMBER.value if question.kind == WHOLE_NUMBER else question.kind,
        choices={row["value"]: row["label"] for row in question.choices},
        is_filterable=not (question.is_retired or (group and group.is_retired)),
        **{**place, "steps": (*place["steps"], *own_steps)},
    )
