"""Tests of the editor of a line's questions: what it keeps, what it changes, and what it refuses."""

import json

import pytest
from django.contrib.auth.models import Permission

from crm.exceptions import NotPermitted
from leads.importing.values.line_questions import answerable_questions
from leads.lines.form_rules import form_problem
from leads.lines.forms import QuestionForm, question_initial
from leads.lines.questions import (
    GROUP,
    all_questions,
    asked_questions,
    find_question,
    move_question,
    questions_of,
    retire_question,
)
from leads.lines.transitions import form_digest, start_upgrade
from leads.models import InsuranceType
from tests.cast import browser, make_lead, make_policy, make_user, page_text

pytestmark = pytest.mark.django_db


def sent_question(question, **changes) -> dict:
    """Return what the browser sends for `question` with `changes`."""
    initial = question_initial(question)
    data = {name: value for name, value in initial.items() if name != "choices" and value not in (False, "")}
    for number, row in enumerate(initial["choices"]):
        data |= {f"choices.{number}.label": row["label"], f"choices.{number}.value": row["value"]}
        data |= {f"choices.{number}.retired": "true"} if row["retired"] else {}
    return {**data, **changes}


class Editor:
    """A schema admin at the pages of one line."""

    def __init__(self, code: str) -> None:
        self.line = InsuranceType.objects.get(code=code)
        self.browser = browser(make_user("sam", "schema admin"))
        self.base = f"/leads/insurancetype/{self.line.pk}/"

    @property
    def form(self) -> dict:
        self.line.refresh_from_db()
        return self.line.form_schema

    def press(self, verb: str, question: str) -> str:
        data = {verb: question, "digest": form_digest(self.form)}
        return page_text(self.browser.post(f"{self.base}questions/", data, follow=True))

    def send(self, data: dict, key: str = "", group: str = "") -> str:
        data = {"digest": form_digest(self.form), **data}
        address = f"{self.base}question/?group={group}&key={key}"
        return page_text(self.browser.post(address, data, follow=True))

    def change(self, key: str, group: str = "", **changes) -> str:
        return self.send(sent_question(find_question(self.form, group, key), **changes), key, group)

    def send_json(self, form) -> str:
        text = form if isinstance(form, str) else json.dumps(form)
        data = {"text": text, "digest": form_digest(self.form)}
        return page_text(self.browser.post(f"{self.base}json/", data, follow=True))


def test_every_seeded_question_round_trips_through_its_form():
    count = 0
    for line in InsuranceType.objects.all():
        assert form_problem(line.form_schema) == ""
        for question in all_questions(line.form_schema):
            form = QuestionForm(sent_question(question), line.form_schema, question.group, question)
            assert form.is_valid(), (line.code, question.key, form.errors)
            assert form.changed_form() == line.form_schema, (line.code, question.key)
            assert (
                retire_question(
                    retire_question(line.form_schema, question.group, question.key, is_retired=True),
                    question.group,
                    question.key,
                    is_retired=False,
                )
                == line.form_schema
            )
            count += 1
    assert count > 80


def test_unknown_keywords_are_shown_and_kept():
    editor = Editor("life")
    schema = {"type": "number", "title": "Height", "multipleOf": 0.5, "x-carrier": {"code": 7}, "maximum": 9}
    properties = {"height": schema, "parts": {"anyOf": [{"type": "string"}, {"type": "number"}], "title": "Parts"}}
    odd = {"type": "object", "additionalProperties": True, "$comment": "by hand", "properties": properties}
    editor.send_json({**odd, "propertyOrder": ["height"], "required": ["height"]})
    page = page_text(editor.browser.get(f"{editor.base}question/?key=height"))
    assert "multipleOf" in page and "x-carrier" in page
    editor.change("height", label="Body height", unit="m")
    assert editor.form["properties"]["height"] == {**schema, "title": "Body height", "unit": "m"}
    assert "anyOf" in page_text(editor.browser.get(f"{editor.base}question/?key=parts"))
    editor.change("parts", label="Limbs")
    assert editor.form["properties"]["parts"] == {**properties["parts"], "title": "Limbs"}
    assert editor.form["$comment"] == "by hand" and editor.form["additionalProperties"] is True


def test_choices_of_questions_are_offered_no_colours():
    editor = Editor("auto")
    assert 'name="choices.0.label"' in (page := editor.browser.get(f"{editor.base}question/").content.decode())
    assert "choices.0.colour" not in page


def test_questions_are_added_moved_retired_and_brought_back():
    editor = Editor("life")
    editor.send({"label": "Annual income", "kind": "money", "section": "Money", "is_required": "on"})
    assert editor.form["properties"]["annual_income"] == {
        "type": "number",
        "unit": "$",
        "title": "Annual income",
        "section": "Money",
    }
    assert editor.form["required"] == ["annual_income"] and editor.line.schema_version == 2
    editor.press("up", ".annual_income")
    assert editor.form["propertyOrder"][-2:] == ["annual_income", "beneficiary"]
    before = editor.form
    assert "Its answers stay" in editor.press("retire", ".smoker")
    assert "smoker" not in asked_questions(editor.form)["properties"]
    editor.press("bring_back", ".smoker")
    assert editor.form == before
    assert editor.line.schema_version == 2  # neither order nor retiring changes what answers fit
    assert move_question(before, "", "born", -1) == before
    page = editor.press("up", ".nothing")
    assert "no longer exists" in page and editor.form == before


def test_repeated_group_has_questions_of_its_own():
    editor = Editor("life")
    editor.send({"label": "Children", "kind": GROUP})
    editor.send({"label": "Name", "kind": "text", "is_required": "on"}, group="children")
    editor.send({"label": "Born", "kind": "date"}, group="children")
    editor.press("up", "children.born")
    assert [question.key for question in questions_of(editor.form, "children")] == ["born", "name"]
    assert editor.form["properties"]["children"]["items"]["required"] == ["name"]
    page = page_text(editor.browser.get(f"{editor.base}questions/"))
    assert 'Add a question<span class="vh"> to Children</span>' in page
    assert 'name="preview.children.0.born"' in page
    assert "is not one of the available choices" in editor.send({"label": "Toys", "kind": GROUP}, group="children")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"label": "Born", "kind": "date"}, "The key “born” is used already."),
        ({"label": "Two", "kind": "text", "key": 'a"b'}, "The key “a&quot;b” is invalid."),
        ({"label": "Two", "kind": "text", "key": "a.b"}, "The key “a.b” is invalid."),
        ({"label": "Two", "kind": "text", "key": "🐶"}, "The key “🐶” is invalid."),
        ({"label": "🐶", "kind": "text"}, "Enter a key"),
        ({"label": "Two", "kind": "text", "key": "k" * 1000}, "has 1,000 characters; 60 are allowed."),
        ({"label": "x" * 1000, "kind": "text"}, "at most 100 characters"),
        ({"label": "Two", "kind": "text", "key": "schema_version"}, "is reserved"),
        ({"label": "Two", "kind": "shape"}, "is not one of the available choices"),
        ({"label": "Two", "kind": "choice"}, "Enter the choices."),
        ({"label": "Two", "kind": "text", "choices.0.label": "A"}, "Only the kinds"),
        ({"label": "Two", "kind": "choice", "choices.0.label": "A", "choices.1.label": "a"}, "is there twice"),
        ({"label": "", "kind": "text"}, "This field is required"),
        ({"label": "Two", "kind": "text", "digest": "old"}, "Another user changed this form"),
    ],
)
def test_invalid_question_is_refused_with_reason(data, sentence):
    editor = Editor("life")
    before = editor.form
    assert sentence in editor.send(data)
    assert editor.form == before and editor.line.schema_version == 1


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ("{", "This is not JSON"),
        ("[" * 100_000, "nested too many levels"),
        ("[1]", "must be a JSON object"),
        ('{"properties": {"a": {"minimum": NaN}}}', "a number that JSON does not have"),
        ({"properties": {"a": {"title": "\x00"}}}, "null character"),
        ({"type": "nothing"}, "is not valid"),
        ({"type": "array"}, "must be “object”"),
        ({"properties": {"a": {"type": 5}}}, "not a valid JSON Schema"),
        ({"properties": {"a": {"type": ["string", "null"]}}}, "name one type"),
        ({"properties": {"a": True}}, "must be a JSON object"),
        ({"properties": {"a": {"$ref": "#"}}}, "refers to another schema"),
        ({"properties": {"a": {"labels": []}}}, "has the wrong type"),
        ({"properties": {"a b": {"type": "string"}}}, "The key “a b” is invalid"),
        ({"properties": {}, "propertyOrder": [{}]}, "must be a list of keys"),
        ({"properties": {"r": {"type": "array", "items": {"type": "object", "properties": {"a.b": {}}}}}}, "“a.b”"),
    ],
)
def test_schema_that_is_no_form_is_refused_with_reason(form, sentence):
    editor = Editor("life")
    before = editor.form
    assert sentence in editor.send_json(form)
    assert editor.form == before


def nested(depth: int) -> dict:
    return {"properties": {"a": nested(depth - 1)}} if depth else {}


def test_deeply_nested_schema_is_refused():
    assert "nested too deep" in form_problem(nested(5_00))


def test_choice_in_use_is_retired_and_stays_readable():
    editor = Editor("auto")
    lead = make_lead(line="auto", auto_data={"use": "business", "make": "Saab"})
    make_policy(line="auto", data={"use": "business"})
    page = editor.change("use", **{"choices.2.label": "", "choices.2.value": ""})
    assert "“Use”: 2 stored answers would lose a choice, such as “business” (2). Retire the choice" in page
    assert editor.form["properties"]["use"]["enum"] == ["commute", "pleasure", "business"]
    editor.change("use", **{"choices.2.label": "Work", "choices.2.retired": "true"})
    assert editor.form["properties"]["use"]["labels"] == {"business": "Work"}
    editor.change("use", **{"choices.1.label": "", "choices.1.value": ""})
    assert editor.form["properties"]["use"]["enum"] == ["commute", "business"]  # no record had the other one
    manager = browser(make_user("meg", "manager"))
    assert "Work" in page_text(manager.get(f"/leads/lead/{lead.pk}/change/"))
    inputs = page_text(manager.get(f"/leads/lead/{lead.pk}/change/?edit=1"))
    select = inputs.split('name="auto_data.use"')[1].split("</select>")[0]
    assert "business" in select and "no longer offered" in select
    fresh = page_text(manager.post("/leads/lead/add/", {"insurance_type": editor.line.pk, "_show_line": "1"}))
    assert "business" not in fresh.split('name="auto_data.use"')[1].split("</select>")[0]


def test_kind_change_that_contradicts_answers_is_refused_with_their_number():
    editor = Editor("life")
    make_lead(line="life", line_data={"life": {"beneficiary": "about 5"}})
    make_lead(line="life", line_data={"life": {"beneficiary": "7"}})
    before = editor.form
    page = editor.change("beneficiary", kind="number")
    assert "“Beneficiary” cannot become “Number”: 1 stored answer would not fit, such as “about 5” (1)." in page
    without = {key: schema for key, schema in before["properties"].items() if key != "beneficiary"}
    page = editor.send_json({**before, "properties": without})
    assert "“Beneficiary” has 2 stored answers. Retire the question instead of removing it." in page
    assert editor.form == before


def test_refusal_says_what_to_do_once_for_several_questions():
    editor = Editor("life")
    make_lead(line="life", line_data={"life": {"beneficiary": "Kim", "term_years": 20}})
    page = editor.send_json({"type": "object", "properties": {}})
    assert "“Beneficiary” has 1 stored answer." in page and "has 1 stored answer. Retire the questions" in page
    assert page.count("instead of removing") == 1


def test_only_those_who_may_change_lines_edit_questions():
    line = InsuranceType.objects.get(code="life")
    viewer = browser(make_user("vic", "viewer"))
    page = page_text(viewer.get(f"/leads/insurancetype/{line.pk}/questions/"))
    assert "Beneficiary" in page and 'name="retire"' not in page
    for name in ("question", "json", "records"):
        assert viewer.get(f"/leads/insurancetype/{line.pk}/{name}/").status_code == 403
    assert viewer.post(f"/leads/insurancetype/{line.pk}/questions/", {"retire": ".born"}).status_code == 403
    with pytest.raises(NotPermitted):
        start_upgrade(line, by=make_user("vera", "viewer"))


def test_answers_are_neither_quoted_nor_counted_for_a_user_who_sees_only_their_own_records(ann):
    make_lead(line="life", line_data={"life": {"beneficiary": "Secret Aunt", "term_years": 20}})
    ann.user_permissions.add(Permission.objects.get(codename="change_insurancetype"))
    editor = Editor("life")
    editor.browser = browser(ann)
    page = editor.change("beneficiary", kind="number")
    assert "“Beneficiary” cannot become “Number”: stored answers would not fit." in page and "Secret" not in page
    page = editor.change("term_years", kind="text")
    assert "Stored answers will be converted shortly." in page
    assert editor.browser.get(f"{editor.base}records/").status_code == 403


def test_preview_shows_the_question_and_saves_nothing():
    editor = Editor("life")
    before = editor.form
    page = editor.send({"label": "Hobby", "kind": "text", "section": "Leisure", "preview": "1"})
    assert 'name="preview.hobby"' in page and '<h3 class="wide">Leisure</h3>' in page and editor.form == before


def test_required_question_asks_once_another_is_answered(as_max):
    editor = Editor("umbrella")
    editor.change("limit", is_required="on")
    lead = make_lead(line="umbrella")
    data = {
        "insurance_type": editor.line.pk,
        "contact_name": "Lee",
        "client_type": "Individual",
        "source_type": "OTHER",
    }
    page = page_text(as_max.post("/leads/lead/add/", {**data, "line_data.umbrella.households": "2"}))
    assert "Limit: enter an answer." in page and "(required)" in page
    assert as_max.post("/leads/lead/add/", data).status_code == 302
    assert lead.line_data == {}


def test_retired_question_leaves_forms_and_keeps_its_answer(as_max):
    editor = Editor("umbrella")
    lead = make_lead(line="umbrella", line_data={"umbrella": {"limit": 5, "vehicles": 2}})
    assert "umbrella.vehicles" in answerable_questions([editor.line])
    editor.press("retire", ".vehicles")
    editor.line.refresh_from_db()
    assert "umbrella.vehicles" not in answerable_questions([editor.line])
    page = page_text(as_max.get(f"/leads/lead/{lead.pk}/change/?edit=1"))
    assert "line_data.umbrella.limit" in page and "line_data.umbrella.vehicles" not in page
    assert "Vehicles" in page_text(as_max.get(f"/leads/lead/{lead.pk}/change/"))
