"""How the newest records answer a line's questions: under which versions, and what does not fit."""

import json
from collections import Counter
from dataclasses import dataclass, field

from django.db import connection

from crm.screens.json_forms.schema import VERSION_KEY
from leads.lines.answers import FormCheck
from leads.lines.form_schemas import line_schema
from leads.lines.questions import all_questions
from leads.lines.stored_answers import answer_sources
from leads.models import InsuranceType

# Reading every row of a large table takes too long for a page, so the newest are read; the page says so.
SAMPLED_ROW_COUNT, MAX_MISFITS = 5_000, 50


@dataclass
class Survey:
    """What the newest records of a line have: their number, the number by version (None: without), and misfits."""

    record_count: int = 0
    versions: Counter[int | None] = field(default_factory=Counter)
    misfits: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    labels: dict[str, str] = field(default_factory=dict)
    # Whether every record was read, because no table has more than the newest.
    is_whole: bool = True

    def needs_upgrade(self, version: int) -> bool:
        """Whether a record may have another version than `version`."""
        return not self.is_whole or bool(self.versions.keys() - {version})

    @property
    def version_rows(self) -> list[tuple[int | None, int]]:
        return sorted(self.versions.items(), key=lambda pair: (pair[0] is not None, pair[0]), reverse=True)

    @property
    def misfit_rows(self) -> list[tuple[str, str, str, int]]:
        """The table, the question, the reason and the number of answers, most frequent first."""
        return [
            (table, self.labels.get(key, key), reason, count)
            for (table, key, reason), count in self.misfits.most_common(MAX_MISFITS)
        ]


def survey_answers(line: InsuranceType) -> Survey:
    """Read the newest records of each table that answer the questions of `line`."""
    survey, check = Survey(labels=question_labels(line)), FormCheck(line_schema(line))
    for source in answer_sources(line):
        with connection.cursor() as cursor:
            cursor.execute(
                f"""SELECT answers FROM (
                    SELECT *, {source.answers} AS answers FROM {source.table} ORDER BY id DESC LIMIT {SAMPLED_ROW_COUNT}
                ) AS {source.table} WHERE {source.condition} AND deleted_at IS NULL""",
                source.params,
            )
            answers_of_rows = cursor.fetchall()
            cursor.execute(f"SELECT count(*) FROM (SELECT FROM {source.table} LIMIT {SAMPLED_ROW_COUNT + 1}) AS read")
            survey.is_whole &= cursor.fetchone()[0] <= SAMPLED_ROW_COUNT
            for (text,) in answers_of_rows:
                answers = json.loads(text)
                survey.record_count += 1
                survey.versions[stored_version(answers)] += 1
                survey.misfits.update((source.label, key, reason) for key, reason in check.misfits(answers))
    return survey


def stored_version(answers: object) -> int | None:
    """Return the version of the form that `answers` were written under; None if they have none."""
    version = answers.get(VERSION_KEY) if isinstance(answers, dict) else None
    return version if isinstance(version, int) and not isinstance(version, bool) else None


def question_labels(line: InsuranceType) -> dict[str, str]:
    """Return the label of each question by its key, with that of its repeated group."""
    labels: dict[str, str] = {}
    for question in all_questions(line.form_schema):
        labels[f"{question.group}.{question.key}".lstrip(".")] = " · ".join(
            filter(None, [labels.get(question.group, ""), question.label])
        )
    return labels
