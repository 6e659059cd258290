"""Tests of editing the form of a line of insurance as a table of questions."""

import pytest
from django.core.exceptions import ValidationError

from leads.models import InsuranceType
from leads.screens.line_schema_editor import question_kind, questions_from_schema, schema_from_questions
from tests.cast import browser, make_user

pytestmark = pytest.mark.django_db


def test_seeded_schemas_round_trip_through_the_editor():
    for line in InsuranceType.objects.all():
        assert schema_from_questions(questions_from_schema(line.form_schema), line.form_schema) == line.form_schema, (
            line.code
        )


def test_questions_can_be_added_and_removed():
    before = InsuranceType.objects.get(code="life").form_schema
    rows = [row for row in questions_from_schema(before) if row["key"] != "smoker"]
    after = schema_from_questions(
        [*rows, {"key": "occupation", "title": "", "kind": "choice", "choices": "desk, field"}], before
    )
    assert after["properties"]["occupation"] == {"type": "string", "enum": ["desk", "field"], "title": "Occupation"}
    assert "smoker" not in after["properties"]
    assert after["propertyOrder"][-1] == "occupation"


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"key": "Two words", "kind": "text"}, "Use lower-case letters"),
        ({"key": "", "kind": "text"}, "Use lower-case letters"),
        ({"key": "born", "kind": "date"}, "is used twice"),
        ({"key": "colour", "kind": "choice", "choices": " , "}, "enter the choices"),
        ({"key": "people", "kind": "table"}, "enter the columns"),
    ],
)
def test_invalid_question_is_refused_with_reason(row, sentence):
    before = InsuranceType.objects.get(code="life").form_schema
    with pytest.raises(ValidationError, match=sentence):
        schema_from_questions([*questions_from_schema(before), row], before)


def test_saving_schema_creates_next_version():
    line = InsuranceType.objects.get(code="renters")
    page = browser(make_user("sam", "schema admin"))
    url = f"/leads/insurancetype/{line.pk}/change/"
    assert page.get(url).status_code == 200
    data = {"name": "Renters", "is_personal": "on", "is_active": "on", "description": "x"}
    for number, row in enumerate(questions_from_schema(line.form_schema)):
        data |= {f"form_schema.{number}.{key}": value for key, value in row.items()}
    data |= {"form_schema.90.key": "bicycle", "form_schema.90.kind": "yes or no"}
    assert page.post(url, data).status_code == 302
    line.refresh_from_db()
    assert question_kind(line.form_schema["properties"]["bicycle"]) == "yes or no"
    assert line.schema_version == 2
    assert page.post(url, {**data, "form_schema.91.key": "Bad Key"}).status_code == 200
    line.refresh_from_db()
    assert line.schema_version == 2
