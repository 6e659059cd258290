"""Defaults of a line's questions: new forms begin with them, stored answers never get them."""

import pytest

from leads.lines.form_rules import form_problem
from leads.lines.questions import default_answers
from leads.lines.transitions import change_form, form_digest, upgrade_answers
from leads.models import InsuranceType, Lead, Policy
from tests.cast import browser, make_client, make_lead, make_user, page_text
from tests.leads.lines.test_question_editor import Editor

pytestmark = pytest.mark.django_db
FORM = {
    "type": "object",
    "propertyOrder": ["use", "likes", "chipped", "weight", "colour", "kind"],
    "properties": {
        "use": {"type": "string", "title": "Use", "default": "family"},
        "likes": {
            "type": "array",
            "items": {"type": "string", "enum": ["balls", "naps", "mud"]},
            "default": ["balls", "mud"],
        },
        "chipped": {"type": "boolean", "default": False},
        "weight": {"type": "number", "default": 4.5},
        "colour": {"type": "string", "default": "brown", "retired": True},
        "kind": {"type": "string", "enum": ["cat", "dog"], "retiredChoices": ["cat"], "default": "cat"},
    },
}
DEFAULTS = {"use": "family", "likes": ["balls", "mud"], "chipped": False, "weight": 4.5}


@pytest.fixture
def pet(db) -> InsuranceType:
    return InsuranceType.objects.create(code="pet", name="Pet", form_schema=FORM)


def shown_values(response, field: str) -> dict:
    """Return the values of the inputs of `field`, as a browser shows and sends them."""
    bound = response.context["adminform"].form[field]
    inputs = bound.field.widget.get_context(field, bound.value(), {})["inputs"]
    inputs = inputs[0]["inputs"] if inputs[0]["kind"] == "object" else inputs
    return {one["name"].rpartition(".")[2]: one["value"] for one in inputs}


SHOWN = {"use": "family", "likes": "balls\nmud", "chipped": "false", "weight": "4.5", "kind": ""}


def test_retired_question_and_choice_are_no_default():
    assert default_answers(FORM) == DEFAULTS


def test_new_lead_begins_with_the_defaults_once_its_line_is_chosen(ada, pet):
    page = browser(ada)
    chosen = {"insurance_type": pet.pk, "contact_name": "Lee", "_show_line": "1"}
    assert shown_values(page.post("/leads/lead/add/", chosen), "line_data") == SHOWN
    assert shown_values(page.get(f"/leads/lead/add/?insurance_type={pet.pk}"), "line_data") == SHOWN
    typed = {**chosen, "line_data.pet.use": "farm", "line_data.pet.weight": ""}
    again = shown_values(page.post("/leads/lead/add/", typed), "line_data")
    assert (again["use"], again["weight"]) == ("farm", ""), "what was typed or emptied stays"
    sent = {"insurance_type": pet.pk, "contact_name": "Lee", "source_type": "OTHER", "client_type": "Individual"}
    sent |= {"line_data.pet.use": "family", "line_data.pet.likes": ["balls", "mud"], "line_data.pet.chipped": "false"}
    assert page.post("/leads/lead/add/", {**sent, "line_data.pet.weight": ""}).status_code == 302
    answers = Lead.objects.get(contact_name="Lee").line_data["pet"]
    assert answers == {"use": "family", "likes": ["balls", "mud"], "chipped": False, "schema_version": 1}


def test_line_with_a_column_of_its_own_and_policies_begin_with_defaults(ada, pet):
    auto = InsuranceType.objects.get(code="auto")
    auto.form_schema = {"type": "object", "properties": {"use": {"type": "string", "default": "commute"}}}
    auto.save()
    page = browser(ada)
    assert shown_values(page.get(f"/leads/lead/add/?insurance_type={auto.pk}"), "auto_data") == {"use": "commute"}
    assert shown_values(page.get(f"/leads/policy/add/?insurance_type={pet.pk}"), "data") == SHOWN
    chosen = {"insurance_type": pet.pk, "client": make_client().pk, "_show_line": "1"}
    assert shown_values(page.post("/leads/policy/add/", chosen), "data") == SHOWN
    assert not Policy.objects.exists()


def test_stored_answers_never_get_a_default(ada, pet):
    page = browser(ada)
    asked = make_lead(line="pet", line_data={"pet": {"weight": 30}})
    unasked = make_lead(line="pet")
    empty = {"use": "", "likes": "", "chipped": "", "kind": ""}
    edit = f"/leads/lead/{asked.pk}/change/?edit"
    assert shown_values(page.get(edit), "line_data") == {**empty, "weight": "30"}
    assert shown_values(page.get(f"/leads/lead/{unasked.pk}/change/?edit"), "line_data") == {**empty, "weight": ""}
    chosen = page.post(edit, {"insurance_type": pet.pk, "_show_line": "1"})
    assert shown_values(chosen, "line_data")["use"] == ""
    other = make_lead(line="auto")
    chosen = page.post(f"/leads/lead/{other.pk}/change/?edit", {"insurance_type": pet.pk, "_show_line": "1"})
    assert shown_values(chosen, "line_data") == SHOWN, "the line is new to this lead"
    upgrade_answers("pet")
    asked.refresh_from_db()
    assert asked.line_data == {"pet": {"weight": 30, "schema_version": 1}}


def test_another_default_leaves_the_version_and_the_answers(june, pet):
    lead = make_lead(line="pet", line_data={"pet": {"use": "farm", "schema_version": 1}})
    changed = {**FORM, "properties": {**FORM["properties"], "use": {"type": "string", "title": "Use", "default": "X"}}}
    assert change_form(pet, changed, digest=form_digest(FORM), by=june) == 0
    pet.refresh_from_db()
    lead.refresh_from_db()
    assert (pet.schema_version, pet.form_schema["properties"]["use"]["default"]) == (1, "X")
    assert lead.line_data["pet"]["use"] == "farm"


@pytest.fixture
def june(db):
    return make_user("june", "administrator")


@pytest.mark.parametrize(
    ("data", "default"),
    [
        ({"kind": "text"}, "family"),
        ({"kind": "number"}, 4.5),
        ({"kind": "date"}, "2027-03-31"),
        ({"kind": "yes_no"}, True),
        ({"kind": "choice", "choices.0.label": "Big dog", "choices.0.value": "big"}, "big"),
        ({"kind": "choices", "choices.0.label": "A", "choices.1.label": "B", "choices.2.label": "C"}, ["A", "C"]),
    ],
)
def test_editor_reads_and_shows_the_default_by_its_kind(data, default):
    editor = Editor("specialty")
    typed = {"family": "family", 4.5: "4.5", "2027-03-31": "2027-03-31", True: "Yes", "big": "big dog"}
    text = "A, c" if isinstance(default, list) else typed[default]
    editor.send({"label": "New one", "default_text": text, **data})
    assert editor.form["properties"]["new_one"]["default"] == default
    page = editor.browser.get(f"{editor.base}question/?key=new_one").context["form"]
    shown = {"A, c": "A, C", "Yes": "yes", "big dog": "Big dog"}.get(text, text)
    assert page.initial["default_text"] == shown
    kept = {**data, "choices.0.value": "big"} if default == "big" else data
    editor.send({"label": "New one", "default_text": "", **kept}, key="new_one")
    assert "default" not in editor.form["properties"]["new_one"]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"kind": "number", "default_text": "many"}, "“many” is not a number"),
        ({"kind": "date", "default_text": "soon"}, "date"),
        ({"kind": "choice", "default_text": "z", "choices.0.label": "a"}, "choose one of a"),
        ({"kind": "choice", "default_text": "a", "choices.0.label": "a", "choices.0.retired": "true"}, "is retired"),
        ({"kind": "group", "default_text": "x"}, "A repeated group has no default."),
    ],
)
def test_editor_refuses_a_default_that_is_no_answer(data, sentence):
    editor = Editor("specialty")
    text = editor.send({"label": "New one", **data})
    assert sentence in text and "new_one" not in editor.form.get("properties", {})


def test_default_in_json_must_answer_the_question():
    form = {"type": "object", "properties": {"n": {"type": "number", "default": "many"}}}
    assert form_problem(form) == "n: the default does not answer the question."


def test_preview_shows_the_defaults(pet):
    editor = Editor("pet")
    assert 'value="family"' in page_text(editor.browser.get(f"{editor.base}questions/"))
