"""The answers to the questions of lines, as columns of an exported file: “Auto: Annual mileage”."""

from collections.abc import Callable, Iterator
from datetime import date, datetime
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import QuerySet
from django.utils.dateparse import parse_date, parse_datetime

from crm.records.json_keys import key_path
from crm.records.local_time import in_agency_zone
from crm.screens.export import ExportColumn
from crm.screens.export.columns import unique_names
from crm.screens.json_forms.schema import VERSION_KEY, Schema, ordered_properties, property_label
from leads.models import InsuranceType, Lead, Policy
from leads.models.insurance_type import COLUMN_BY_LINE, answer_key

# With more questions than these, the answers of a line share one column, as JSON.
MAX_QUESTION_COLUMNS = 1_000
LINE_OF_ANSWERS = {column: code for code, column in COLUMN_BY_LINE.items()}
ANSWERS_HEADING = "Answers"
# Pairs of a line and a key; what is no object has no keys.
LEAD_KEYS_SQL = """
    SELECT DISTINCT code, key FROM ({rows}) AS exported
     CROSS JOIN LATERAL (
        {own_columns}
        SELECT each.code, each.answers FROM jsonb_each(exported.line_data) AS each (code, answers)
     ) AS line (code, answers)
     CROSS JOIN LATERAL jsonb_object_keys(
        CASE jsonb_typeof(line.answers) WHEN 'object' THEN line.answers ELSE '{{}}' END
     ) AS key
"""
POLICY_KEYS_SQL = """
    SELECT DISTINCT insurance_types.code, key FROM ({rows}) AS exported
      JOIN insurance_types ON insurance_types.id = exported.insurance_type_id
     CROSS JOIN LATERAL jsonb_object_keys(exported.data) AS key
"""


class AnsweredQuestion(NamedTuple):
    """A question that at least one row answers: its line, its key and the schema of its answer."""

    line: str
    key: str
    schema: Schema


def lead_line_columns(leads: QuerySet) -> list[ExportColumn]:
    """Return a column for each question that one of `leads` answers, line by line."""
    own_columns = "".join(f"SELECT '{code}', exported.{column} UNION ALL\n" for code, column in COLUMN_BY_LINE.items())
    keys = answered_keys(LEAD_KEYS_SQL, leads.values(*LINE_OF_ANSWERS, "line_data"), own_columns=own_columns)
    return list(question_columns(keys, lead_answers, answer_key))


def policy_line_columns(policies: QuerySet) -> list[ExportColumn]:
    """Return a column for each question that one of `policies` answers, line by line."""
    keys = answered_keys(POLICY_KEYS_SQL, policies.values("insurance_type_id", "data"))
    return list(question_columns(keys, policy_answers, policy_answer_key))


def lead_answers(lead: Lead, line: str) -> Any:
    return getattr(lead, COLUMN_BY_LINE[line]) if line in COLUMN_BY_LINE else lead.line_data.get(line)


def policy_answers(policy: Policy, line: str) -> Any:
    return policy.data if policy.insurance_type.code == line else None


def policy_answer_key(line: str, key: str) -> tuple[str, str]:
    return "data", key_path(key)


def answered_keys(statement: str, rows: QuerySet, **parts: str) -> set[tuple[str, str]]:
    """Return the pairs of a line's code and a question's key that `rows` have."""
    sql, params = rows.order_by().query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(statement.format(rows=sql, **parts), params)
        return {(code, key) for code, key in cursor.fetchall() if key != VERSION_KEY}


def question_columns(
    keys: set[tuple[str, str]],
    read_answers: Callable[[Any, str], Any],
    json_key: Callable[[str, str], tuple[str, str]],
) -> Iterator[ExportColumn]:
    """Yield the columns of `keys`.

    `read_answers(row, line)` returns the answers of a row for a line, and `json_key(line, key)` where an answer stands.
    """
    lines = {line.code: line for line in InsuranceType.everything.all()}
    codes = {code for code, _ in keys}
    names = unique_names({code: lines[code].name if code in lines else property_label(code, {}) for code in codes})
    for code in sorted(names, key=lambda code: (names[code].casefold(), code)):
        schema = lines[code].form_schema if code in lines else {}
        questions = line_questions(code, {key for line, key in keys if line == code}, schema)
        if len(keys) > MAX_QUESTION_COLUMNS:
            yield ExportColumn(f"{names[code]}: {ANSWERS_HEADING}", lambda row, code=code: read_answers(row, code))
            continue
        labels = unique_names({question.key: property_label(question.key, question.schema) for question in questions})
        for question in questions:
            heading = f"{names[code]}: {labels[question.key]}"
            source = json_key(code, question.key)
            yield ExportColumn(heading, lambda row, one=question: read_answer(read_answers(row, one.line), one), source)


def line_questions(code: str, keys: set[str], schema: Schema) -> list[AnsweredQuestion]:
    """Return the questions of a line in the order of its form; answers to questions that it no longer asks follow."""
    known = ordered_properties(schema)
    return [
        AnsweredQuestion(code, key, known.get(key, {}))
        for key in [*(key for key in known if key in keys), *sorted(keys - known.keys())]
    ]


def read_answer(answers: Any, question: AnsweredQuestion) -> Any:
    """Return the answer to `question`; a date as such, if it is one."""
    value = answers.get(question.key) if isinstance(answers, dict) else None
    kind = question.schema.get("format")
    if not isinstance(value, str) or kind not in {"date", "date-time"}:
        return value
    return parse_time(value, kind) or value


def parse_time(text: str, kind: str) -> date | datetime | None:
    try:
        if kind == "date":
            return parse_date(text)
        moment = parse_datetime(text)
    except ValueError:
        return None
    return in_agency_zone(moment) if moment else None
