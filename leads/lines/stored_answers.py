"""The answers to a line's questions in the rows of leads and policies, read by key."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from leads.models import InsuranceType
from leads.models.insurance_type import COLUMN_BY_LINE


class AnswerSource(NamedTuple):
    """Where answers of a line stand: a table, and SQL for the answers of a row and for which rows have them."""

    table: str
    label: str
    answers: str
    condition: str
    # The column to write, and SQL for its new value with the new answers in place of {}.
    column: str
    written: str
    params: dict[str, Any]


def answer_sources(line: InsuranceType) -> list[AnswerSource]:
    """Return the places of the answers of `line`; deleted rows count, because they can be restored."""
    column, params = COLUMN_BY_LINE.get(line.code), {"code": line.code, "line": line.pk}
    leads = (
        AnswerSource("leads", "Leads", column, f"{column} <> '{{}}'", column, "{}", params)
        if column
        else AnswerSource(
            "leads",
            "Leads",
            "(line_data -> %(code)s)",
            "line_data ? %(code)s AND line_data -> %(code)s <> '{}'",
            "line_data",
            "jsonb_set(line_data, ARRAY[%(code)s], {})",
            params,
        )
    )
    policies = AnswerSource(
        "policies", "Policies", "data", "insurance_type_id = %(line)s AND data <> '{}'", "data", "{}", params
    )
    return [leads, policies]


def stored_values(line: InsuranceType, group: str, key: str) -> Iterator[tuple[Any, int]]:
    """Yield each different answer to a question, and how often it is stored; reads every row, and holds few of them."""
    sources = answer_sources(line)
    rows = " UNION ALL ".join(
        f"SELECT {one.answers} AS answers FROM {one.table} WHERE {one.condition}" for one in sources
    )
    if group:
        rows = f"""SELECT entry.answers FROM ({rows}) AS outside CROSS JOIN LATERAL jsonb_array_elements(
            CASE jsonb_typeof(outside.answers -> %(group)s) WHEN 'array' THEN outside.answers -> %(group)s
            ELSE '[]' END) AS entry (answers)"""
    statement = f"""SELECT answers -> %(key)s, count(*) FROM ({rows}) AS one
        WHERE jsonb_typeof(answers) = 'object' AND answers ? %(key)s GROUP BY 1"""
    with connection.chunked_cursor() as cursor:
        cursor.execute(statement, {**sources[0].params, "group": group, "key": key})
        yield from ((json.loads(value), count) for value, count in cursor)


def answer_batches(source: AnswerSource, batch_size: int) -> Iterator[list[tuple[UUID, Any]]]:
    """Yield the IDs and answers of all rows of `source` in batches, in the order of their IDs."""
    after = UUID(int=0)
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                f"""SELECT id, {source.answers} FROM {source.table}
                WHERE id > %(after)s AND {source.condition} ORDER BY id LIMIT {batch_size}""",
                {**source.params, "after": after},
            )
            rows = [(pk, json.loads(answers)) for pk, answers in cursor.fetchall()]
        if not rows:
            return
        yield rows
        after = rows[-1][0]
