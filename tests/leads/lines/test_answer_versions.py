"""Tests of old answers: what is said about them, the upgrade, its resumption after a kill, and the way back."""

import json

import pytest
from django.db import connection
from psycopg.types.json import Jsonb

from leads.lines import survey, transitions
from leads.lines.answers import AnswerCheck, FormCheck, convert_answer
from leads.lines.questions import HINTS, Question, find_question, of_kind, put_question, shape_of, with_choices_of_kind
from leads.lines.transitions import UPGRADE_TASK, change_form, form_digest, upgrade_answers
from leads.models import InsuranceType, Lead, Policy
from tests.cast import browser, make_lead, make_policy, make_user, page_text
from tests.killing import Killed
from tests.queued_jobs import run_jobs

pytestmark = pytest.mark.django_db
CHOICES = [{"value": value, "label": value} for value in ("5", "7", "yes")]


def change_kind(code: str, key: str, kind: str, group: str = "") -> int:
    """Change the kind of a question as the editor does; return the number of answers to convert."""
    line = InsuranceType.objects.get(code=code)
    question = find_question(line.form_schema, group, key)
    schema = with_choices_of_kind(of_kind(question.schema, kind), kind, CHOICES)
    form = put_question(line.form_schema, Question(key, schema, group, question.is_required))
    admin = make_user(f"{code}_{key}_{kind}", "schema admin")
    return change_form(line, form, digest=form_digest(line.form_schema), by=admin)


@pytest.mark.parametrize(
    ("value", "schema", "converted"),
    [
        ("5", {"type": "number"}, 5),
        ("5.5", {"type": "number"}, 5.5),
        ("5.50", {"type": "number"}, "5.50"),
        ("10 ", {"type": "integer"}, "10 "),
        ("05", {"type": "integer"}, "05"),
        ("1e400", {"type": "number"}, "1e400"),
        ("NaN", {"type": "number"}, "NaN"),
        ("5.5", {"type": "integer"}, "5.5"),
        (5, {"type": "string"}, "5"),
        (True, {"type": "string"}, "yes"),
        ("no", {"type": "boolean"}, False),
        ("true", {"type": "boolean"}, "true"),
        ("boat", {"type": "array", "items": {"enum": ["boat"]}}, ["boat"]),
        ("car", {"type": "array", "items": {"enum": ["boat"]}}, "car"),
        (["boat"], {"type": "string"}, "boat"),
        (["boat", "car"], {"type": "string"}, ["boat", "car"]),
        (["5"], {"type": "number"}, 5),
        ("2026-02-30", {"type": "string", "format": "date"}, "2026-02-30"),
        (5, {"type": "number", "maximum": 4}, 5),
    ],
)
def test_only_conversions_without_a_loss_are_made(value, schema, converted):
    result = convert_answer(value, AnswerCheck(schema))
    assert (result, type(result)) == (converted, type(converted))


def test_group_that_is_no_list_stays_as_it_is():
    form = InsuranceType.objects.get(code="auto").form_schema
    answers = {"drivers": "two", "other_vehicles": [{"year": "1999"}, 7]}
    assert FormCheck(form).convert(answers) == {"drivers": "two", "other_vehicles": [{"year": 1999}, 7]}


def stored() -> list:
    leads = Lead.everything.order_by("pk").values_list("auto_data", "line_data")
    return [*leads, *Policy.everything.order_by("pk").values_list("data", flat=True)]


def test_kind_change_converts_every_record_and_back():
    make_lead(auto_data={"make": "5", "drivers": [{"licence_state": "7"}, {"name": "Kim"}], "schema_version": 1})
    deleted = make_lead(auto_data={"make": "7", "schema_version": 1}, line_data={"life": {"term_years": 5}})
    Lead.objects.filter(pk=deleted.pk).update(deleted_at=deleted.created_at)
    make_policy(line="auto", data={"make": "5", "schema_version": 1})
    make_policy(line="home", data={"make": "5"})
    before = stored()
    assert change_kind("auto", "make", "number") == 3
    assert change_kind("auto", "licence_state", "whole_number", group="drivers") == 1
    assert run_jobs(UPGRADE_TASK) == 1
    assert stored() == [
        ({"make": 5, "drivers": [{"licence_state": 7}, {"name": "Kim"}], "schema_version": 3}, {}),
        ({"make": 7, "schema_version": 3}, {"life": {"term_years": 5}}),
        {"make": 5, "schema_version": 3},
        {"make": "5"},
    ]
    change_kind("auto", "make", "choices")
    run_jobs(UPGRADE_TASK)
    assert stored()[1][0] == {"make": ["7"], "schema_version": 4}
    change_kind("auto", "make", "text")
    change_kind("auto", "licence_state", "text", group="drivers")
    run_jobs(UPGRADE_TASK)
    assert [drop_version(one) for one in stored()] == [drop_version(one) for one in before]


def drop_version(stored_answers):
    answers = stored_answers[0] if isinstance(stored_answers, tuple) else stored_answers
    return {key: value for key, value in answers.items() if key != "schema_version"}


def test_upgrade_that_is_killed_goes_on_and_writes_nothing_twice(monkeypatch):
    monkeypatch.setattr(transitions, "UPGRADE_BATCH_SIZE", 2)
    for number in range(5):
        make_lead(line="life", line_data={"life": {"beneficiary": str(number)}})
    change_kind("life", "beneficiary", "number")
    whole, calls = transitions.upgrade_batch, []

    def killed_at_second(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise Killed
        return whole(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(transitions, "upgrade_batch", killed_at_second)
        with pytest.raises(Killed):
            upgrade_answers("life")
    done = Lead.objects.filter(line_data__life__schema_version=2)
    assert done.count() == 2
    assert upgrade_answers("life") == 3 and done.count() == 5
    assert upgrade_answers("life") == 0
    answers = Lead.objects.order_by("pk").values_list("line_data__life__beneficiary", flat=True)
    assert list(answers) == [0, 1, 2, 3, 4]


def test_record_changed_during_the_upgrade_keeps_its_change(monkeypatch):
    lead = make_lead(line="life", line_data={"life": {"beneficiary": "5"}})
    change_kind("life", "beneficiary", "number")
    line = InsuranceType.objects.get(code="life")
    [source, _] = transitions.answer_sources(line)
    [rows] = transitions.answer_batches(source, 10)
    Lead.objects.filter(pk=lead.pk).update(line_data={"life": {"beneficiary": 6}})
    assert transitions.upgrade_batch(source, rows, line) == 0
    lead.refresh_from_db()
    assert lead.line_data == {"life": {"beneficiary": 6}}


def test_upgrade_of_an_old_form_writes_nothing():
    lead = make_lead(line="life", line_data={"life": {"beneficiary": "5"}})
    line = InsuranceType.objects.get(code="life")
    change_kind("life", "beneficiary", "number")
    [source, _] = transitions.answer_sources(line)
    [rows] = transitions.answer_batches(source, 10)
    assert transitions.upgrade_batch(source, rows, line) == 0
    lead.refresh_from_db()
    assert "schema_version" not in lead.line_data["life"]


def test_older_answers_are_shown_as_such_and_get_a_version(monkeypatch):
    lead = make_lead(line="life", line_data={"life": {"beneficiary": "Kim", "smoker": "perhaps"}})
    policy = make_policy(line="life", data={"coverage": 5, "schema_version": 0})
    admin = browser(make_user("sam", "administrator"))
    assert "Written under no version; the form is at version 1" in page_text(
        admin.get(f"/leads/lead/{lead.pk}/change/")
    )
    assert "Written under version 0" in page_text(admin.get(f"/leads/policy/{policy.pk}/change/"))
    address = f"/leads/insurancetype/{lead.insurance_type_id}/records/"
    page = page_text(admin.get(address))
    assert "Without a version" in page and "Version 0" in page and "neither yes nor no" in page
    assert "are being brought to version 1" in page_text(admin.post(address, follow=True))
    run_jobs(UPGRADE_TASK)
    page = page_text(admin.get(address))
    assert page.count("Older") == 0
    assert "All records have this version." in page and "Bring all records" not in page
    monkeypatch.setattr(survey, "SAMPLED_ROW_COUNT", 0)
    survey_of_none = survey.survey_answers(lead.insurance_type)
    assert survey_of_none.needs_upgrade(1), "records beyond the newest are not known"
    lead.refresh_from_db()
    assert lead.line_data["life"] == {"beneficiary": "Kim", "smoker": "perhaps", "schema_version": 1}


def test_raw_sql_changes_the_version_only_with_the_shape():
    def update(path: str, value: str) -> int:
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE insurance_types SET form_schema = jsonb_set(form_schema, %s, %s) WHERE code = 'auto'"
                " RETURNING schema_version",
                [path, value],
            )
            return cursor.fetchone()[0]

    assert update("{properties,drivers,items,properties,name,title}", '"First name"') == 1
    assert update("{propertyOrder}", "[]") == 1
    assert update("{properties,drivers,items,properties,name,maxLength}", "100") == 2


def shape_in_database(form) -> object:
    with connection.cursor() as cursor:
        cursor.execute("SELECT form_shape(%s)", [Jsonb(form)])
        return json.loads(cursor.fetchone()[0])


@pytest.mark.parametrize(
    "form",
    [
        {},
        [],
        {"properties": {"title": {"type": "string", "title": "Title"}}, "title": "Form"},
        {"properties": [], "items": {"type": "number", "unit": "$"}},
        {"type": "object", "properties": {"a": {"items": {"properties": {"b": dict.fromkeys(HINTS, "x")}}}}},
        {"properties": {"default": {"default": {"title": "x"}, "enum": ["title"]}}},
    ],
)
def test_database_and_editor_agree_on_what_a_hint_is(form):
    assert shape_in_database(form) == shape_of(form)


def test_shapes_of_the_seeded_forms_are_the_same_in_the_database_and_the_editor():
    for line in InsuranceType.objects.all():
        assert shape_in_database(line.form_schema) == shape_of(line.form_schema) != {}
