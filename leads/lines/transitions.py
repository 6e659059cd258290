"""State changes of lines: another form, and answers brought to its version."""

import json
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection, transaction

from crm.exceptions import IllegalTransition, InvalidInput
from crm.models import User
from crm.models.custom_field import KINDS_WITH_CHOICES
from crm.records.activity import Actor, record
from crm.records.base import can_see_everyone
from crm.runtime.job_queue import configure_job, enqueue
from crm.screens.json_forms.schema import VERSION_KEY, Schema, json_value_text
from crm.text.cleaning import shorten
from leads.lines.answers import AnswerCheck, FormCheck, convert_answer
from leads.lines.form_rules import form_problem
from leads.lines.form_schemas import line_schema
from leads.lines.questions import GROUP, Question, all_questions, shape_of
from leads.lines.stored_answers import AnswerSource, answer_batches, answer_sources, stored_values
from leads.models import InsuranceType

CHANGE_PERMISSION = "leads.change_insurancetype"
UPGRADE_TASK = "leads.upgrade_line"
FORM_CONFLICT = "Another user changed this form after you opened it. Reload the page and make your change again."
UPGRADE_BATCH_SIZE, MAX_EXAMPLE_LENGTH = 1_000, 40


def form_digest(form: Schema) -> str:
    """Return what tells one state of a form from another."""
    return sha256(json.dumps(form, sort_keys=True).encode()).hexdigest()[:16]


@transaction.atomic
def change_form(line: InsuranceType, form: Schema, *, digest: str, by: Actor | User) -> int:
    """Replace the form of `line`, which had `digest` when it was opened; queue the conversion of stored answers.

    Returns the number of stored answers that are converted to another kind, in records of every owner.

    Raises:
        NotPermitted: `by` may not change lines.
        IllegalTransition: the form was changed in the meantime.
        InvalidInput: the form is none, or stored answers would no longer fit.
    """
    Actor.of(by).require_permission(CHANGE_PERMISSION, "change the questions of a line")
    row = InsuranceType.objects.select_for_update().get(pk=line.pk)
    if form_digest(row.form_schema) != digest:
        raise IllegalTransition(FORM_CONFLICT)
    if problem := form_problem(form):
        raise InvalidInput(problem)
    if form == row.form_schema:
        return 0
    # An answer may stand in a record that the user cannot open.
    convertible = check_stored_answers(row, form, tells_answers=by_everyone(by))
    row.form_schema = form
    row.save(update_fields=["form_schema", "updated_at"])
    row.refresh_from_db(fields=["schema_version"])
    line.form_schema, line.schema_version = row.form_schema, row.schema_version
    record(row, "edited", by=by, summary=f"Changed the questions of {row}", version=row.schema_version)
    if convertible:
        queue_upgrade(row)
    return convertible


def by_everyone(by: Actor | User) -> bool:
    user = Actor.of(by).user
    return user is None or can_see_everyone(user)


@dataclass
class Misfits:
    """The answers that a changed question would refuse: how many, and the most frequent one."""

    count: int = 0
    example: str = ""
    example_count: int = 0

    def add(self, value: Any, count: int) -> None:
        self.count += count
        if count > self.example_count:
            self.example, self.example_count = json_value_text(value), count


def check_stored_answers(line: InsuranceType, form: Schema, *, tells_answers: bool) -> int:
    """Return how many stored answers another `form` of `line` converts; deleted records count too.

    `tells_answers`: a refusal may count answers and quote one.

    Raises:
        InvalidInput: an answer that fits the present form would neither fit nor convert.
    """
    after = {(question.group, question.key): question for question in all_questions(form)}
    problems: list[Refusal] = []
    convertible = 0
    for question in all_questions(line.form_schema):
        changed = after.get((question.group, question.key))
        if changed is not None and is_wider(question, changed):
            continue
        misfits = Misfits()
        before, check = AnswerCheck(question.schema), AnswerCheck(changed.schema) if changed else None
        for value, count in stored_values(line, question.group, question.key):
            converted = value if check is None else convert_answer(value, check)
            if check is None or (before.fits(value) and not check.fits(converted)):
                misfits.add(value, count)
            elif converted != value or type(converted) is not type(value):
                convertible += count
        problems += [refusal(question, changed, misfits, tells_answers)] if misfits.count else []
    if problems:
        raise InvalidInput(describe_refusals(problems))
    return convertible


def is_wider(before: Question, after: Question) -> bool:
    """Whether every answer that fits `before` also fits `after`, as far as can be told without reading answers."""
    if before.kind == after.kind == GROUP:
        return True  # its questions are compared one by one
    old, new = shape_of(before.schema), shape_of(after.schema)
    if before.kind == after.kind and before.kind in KINDS_WITH_CHOICES:
        is_subset = {row["value"] for row in before.choices} <= {row["value"] for row in after.choices}
        return is_subset and without_choices(old) == without_choices(new)
    return old == new


def without_choices(shape: Schema) -> Schema:
    return {key: value for key, value in shape.items() if key not in {"enum", "items", "type"}}


class Refusal(NamedTuple):
    """Why a question cannot change, and what to do instead, which is said once for several questions."""

    reason: str
    advice: str = ""


RETIRE_QUESTION = ("Retire the question instead of removing it.", "Retire the questions instead of removing them.")
RETIRE_CHOICE = ("Retire the choice instead of removing it.", "Retire the choices instead of removing them.")


def describe_refusals(refusals: list[Refusal]) -> str:
    """Return the reasons of all `refusals`, each kind of advice once after its reasons."""
    sentences = []
    for one, several in (RETIRE_QUESTION, RETIRE_CHOICE, ("", "")):
        reasons = [refusal.reason for refusal in refusals if refusal.advice == one]
        sentences += [*reasons, one if len(reasons) == 1 else several] if reasons else []
    return " ".join(filter(None, sentences))


def refusal(before: Question, after: Question | None, misfits: Misfits, tells_answers: bool) -> Refusal:
    """Return why a question cannot change, with the number of answers in the way if `tells_answers`."""
    answers = (
        f"{misfits.count:,} stored answer{'' if misfits.count == 1 else 's'}" if tells_answers else "stored answers"
    )
    if after is None:
        return Refusal(f"“{before.label}” has {answers}.", RETIRE_QUESTION[0])
    example = (
        f", such as “{shorten(misfits.example, MAX_EXAMPLE_LENGTH)}” ({misfits.example_count:,})"
        if tells_answers
        else ""
    )
    if before.kind == after.kind and before.kind in KINDS_WITH_CHOICES:
        return Refusal(f"“{before.label}”: {answers} would lose a choice{example}.", RETIRE_CHOICE[0])
    return Refusal(f"“{before.label}” cannot become “{after.kind_label}”: {answers} would not fit{example}.")


# Versions


def queue_upgrade(line: InsuranceType) -> None:
    """Queue the job that brings the stored answers of `line` to its version."""
    lock = f"{UPGRADE_TASK} {line.code}"
    enqueue(configure_job(UPGRADE_TASK, queueing_lock=lock, lock=lock), line=line.code)


def start_upgrade(line: InsuranceType, *, by: Actor | User) -> None:
    """Queue the upgrade because a person asks for it.

    Raises:
        NotPermitted: `by` may not change lines.
    """
    Actor.of(by).require_permission(CHANGE_PERMISSION, "upgrade the records of a line")
    queue_upgrade(line)


def upgrade_answers(code: str) -> int:
    """Bring every stored answer of a line to the version of its form; return the number of changed records.

    A batch is a transaction, and a record that needs no change is not written: a run after a kill goes on where the
    last one ended. Conversions lose nothing, so the same upgrade takes them back once the question has its old kind.
    """
    line, changed = InsuranceType.objects.filter(code=code).first(), 0
    for source in answer_sources(line) if line else ():
        for rows in answer_batches(source, UPGRADE_BATCH_SIZE):
            changed += upgrade_batch(source, rows, line)
    return changed


@transaction.atomic
def upgrade_batch(source: AnswerSource, rows: list[tuple[UUID, Any]], line: InsuranceType) -> int:
    """Write the upgraded answers of `rows`; return the number of written records.

    A record that was changed since it was read is left as it is.
    """
    check = FormCheck(line_schema(line))
    upgraded = [
        (pk, json.dumps(answers), after)
        for pk, answers in rows
        if isinstance(answers, dict)
        and (after := json.dumps({**check.convert(answers), VERSION_KEY: line.schema_version})) != json.dumps(answers)
    ]
    with connection.cursor() as cursor:
        # A change of the form in the meantime has an upgrade of its own.
        cursor.execute("SELECT schema_version FROM insurance_types WHERE id = %s FOR SHARE", [line.pk])
        if not upgraded or cursor.fetchone() != (line.schema_version,):
            return 0
        ids, before, after = zip(*upgraded, strict=True)
        cursor.execute(
            f"""UPDATE {source.table} SET {source.column} = {source.written.format("upgraded.after")}
            FROM unnest(%(ids)s::uuid[], %(before)s::jsonb[], %(after)s::jsonb[]) AS upgraded (row_id, before, after)
            WHERE {source.table}.id = upgraded.row_id AND {source.answers} = upgraded.before""",
            {**source.params, "ids": list(ids), "before": list(before), "after": list(after)},
        )
        return cursor.rowcount
