"""Editing a record in its form."""

import importlib
import json
import re
from datetime import timedelta

import pytest
from django import forms
from django.contrib.auth.models import Permission
from django.contrib.messages import get_messages
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from crm.exceptions import IllegalTransition
from crm.forms import COMMUNICATIONS_SCHEMA
from crm.models import ActivityLog, Contact
from crm.records import transitions
from crm.records.transitions import add_note
from crm.screens import record_forms
from crm.screens.json_forms.fields import VERSION_KEY, NamedValuesField, SchemaField
from crm.screens.json_forms.inputs import build_input
from crm.screens.json_forms.schema import simplify_schema
from leads.forms import ADDITIONAL_INSUREDS_SCHEMA
from leads.models import ContactLead, InsuranceType, Lead, Task
from tests.cast import browser, make_client, make_contact, make_lead, page_text
from tests.examples import examples
from tests.form_parser import read_form

pytestmark = pytest.mark.django_db
LINES = importlib.import_module("leads.migrations.0004_seeded_rows").LINES
SCHEMAS = {code: schema for code, *_, schema in LINES}
EDIT_CONFLICT = "Another user changed this record after you opened it."


def url(row) -> str:
    return f"/{row._meta.label_lower.replace('.', '/')}/{row.pk}/change/?edit=1"


def form_values(page, row) -> dict[str, str]:
    """The form of `row` as a browser holds it."""
    answer = page.get(url(row))
    assert answer.status_code == 200
    return read_form(answer.content.decode(), f"{row._meta.model_name}_form")


def save(page, row, data: dict) -> list[str]:
    """Send the form; the sentences that come back, none if it was saved."""
    page.cookies.pop("messages", None)
    answer = page.post(url(row), data)
    if answer.status_code == 302:
        said = [str(message) for message in get_messages(answer.wsgi_request)]
        return [] if "changed successfully" in said[0] else said
    assert answer.status_code == 200
    forms = [answer.context["adminform"].form, *(f for s in answer.context["inline_admin_formsets"] for f in s.formset)]
    lists = [form.errors for form in forms]
    return [text for errors in lists for texts in errors.values() for text in texts]


def edit(page, row, **changes: str) -> list[str]:
    return save(page, row, {**form_values(page, row), **{k.replace("__", "."): v for k, v in changes.items()}})


def reload(row):
    return type(row).everything.get(pk=row.pk)


def activity_summaries(row) -> list[str]:
    return [line.summary for line in ActivityLog.objects.on_timeline_of(row) if line.verb != "created"]


# Only what changed


def test_unchanged_form_saves_and_logs_nothing(as_max):
    for row in (full_lead(), make_client(address={"city": "Bonn", "x": 1}, tags=["a"]), make_contact(tags=["a"])):
        before = reload(row)
        assert edit(as_max, row) == []
        now = reload(row)
        assert {f.name: getattr(now, f.attname) for f in row._meta.concrete_fields} == {
            f.name: getattr(before, f.attname) for f in row._meta.concrete_fields
        }
        assert activity_summaries(row) == []


def test_only_changed_columns_are_written(as_max):
    lead = full_lead()
    with CaptureQueriesContext(connection) as ran:
        assert edit(as_max, lead, contact_name="New name", tags="a, b") == []
    sql = next(query["sql"] for query in ran if 'UPDATE "leads" SET "' in query["sql"])
    written = re.findall(r'"(\w+)" = ', sql.split('UPDATE "leads" SET ')[1].split(" WHERE ")[0])
    assert sorted(written) == ["contact_name", "tags", "updated_at"]
    assert activity_summaries(lead) == ["Changed name, tags"]


def test_automatic_changes_are_no_conflict_and_survive(as_max, max):
    lead = make_lead()
    form = form_values(as_max, lead)
    heard = timezone.now()
    Lead.objects.filter(pk=lead.pk).update(
        overall_score="0.81", priority_tier="hot", last_contact_at=heard, awaiting_reply=True
    )
    add_note(lead, "Called.", by=max)
    assert save(as_max, lead, {**form, "contact_name": "New name"}) == []
    lead = reload(lead)
    assert (lead.contact_name, str(lead.overall_score), lead.priority_tier) == ("New name", "0.81", "hot")
    assert (lead.last_contact_at, lead.awaiting_reply) == (heard, True)
    assert lead.last_activity_at - heard < timedelta(minutes=1)


# Somebody else's change


def test_concurrent_edit_is_detected(as_max, as_ann, ann):
    lead = make_lead(assigned_to=ann, notes="old")
    hers, his = form_values(as_ann, lead), form_values(as_max, lead)
    assert save(as_ann, lead, {**hers, "notes": "hers"}) == []
    (sentence,) = save(as_max, lead, {**his, "contact_phone": "555"})
    assert sentence.startswith(EDIT_CONFLICT)
    assert (reload(lead).notes, reload(lead).contact_phone) == ("hers", "")
    assert edit(as_max, lead, contact_phone="555") == []
    assert reload(lead).notes == "hers"


def test_edit_between_check_and_save_is_detected(as_max, monkeypatch):
    lead = make_lead(notes="old")
    check = record_forms.RecordForm.clean

    def slow(form):
        cleaned = check(form)
        Lead.objects.filter(pk=lead.pk).update(notes="theirs")
        return cleaned

    monkeypatch.setattr(record_forms.RecordForm, "clean", slow)
    (sentence,) = edit(as_max, lead, notes="mine")
    assert sentence.startswith(EDIT_CONFLICT)
    assert reload(lead).notes != "mine"


def refuse(*args, **kwargs):
    raise IllegalTransition("Not now.")


def test_refused_save_keeps_typed_values(as_max, monkeypatch):
    lead, contact = make_lead(line="auto", custom_fields={"region": "north"}), make_contact()
    typed = {
        "notes": "typed\r\nin lines",
        "tags": "a, b",
        "auto_data.make": "Saab",
        "custom_fields~other.0.value": "south",
        "contact_links-0-role": "technical",
    }
    form = link_data(form_values(as_max, lead), {"contact": contact.pk, "role": "other"}) | typed
    before = reload(lead)
    monkeypatch.setattr(transitions, "record_edit", refuse)
    answer = as_max.post(url(lead), form)
    assert answer.status_code == 200
    text = answer.content.decode()
    assert text.count("Not now.") == 1
    again = read_form(text, "lead_form")
    assert {name: again[name] for name in typed} == typed
    assert reload(lead).updated_at == before.updated_at
    assert not ContactLead.objects.exists()
    monkeypatch.undo()
    assert save(as_max, lead, again) == []
    assert (reload(lead).notes, reload(lead).auto_data["make"]) == ("typed\nin lines", "Saab")


def test_refused_add_keeps_typed_values(as_max, monkeypatch):
    monkeypatch.setattr(transitions, "create", refuse)
    page = as_max.get("/crm/contact/add/").content.decode()
    answer = as_max.post(
        "/crm/contact/add/", {**read_form(page, "contact_form"), "name": "New", "email": "n@example.com"}
    )
    assert "Not now." in answer.content.decode()
    assert read_form(answer.content.decode(), "contact_form")["name"] == "New"
    assert not Contact.objects.exists()


def test_forged_version_token_is_a_conflict(as_max):
    lead = make_lead()
    for loaded_digest in ("x", "é" * 3_000):
        assert edit(as_max, lead, loaded_digest=loaded_digest, notes="n")[0].startswith(EDIT_CONFLICT)
    assert edit(as_max, lead, loaded_digest="", notes="n") == []


def test_deleted_record_has_no_form(as_max, max):
    lead = make_lead()
    form = form_values(as_max, lead)
    Lead.objects.filter(pk=lead.pk).update(deleted_at=timezone.now())
    assert as_max.post(url(lead), {**form, "notes": "n"}).status_code == 403
    assert "contact_name" not in read_form(as_max.get(url(lead)).content.decode(), "lead_form")


def test_colleagues_lead_cannot_be_edited(as_ann, as_max, bob):
    lead = make_lead(assigned_to=bob)
    form = form_values(as_max, lead)
    assert as_ann.post(url(lead), {**form, "notes": "n"}).status_code == 302
    assert reload(lead).notes == ""


# Every kind of input


def sample_value(schema: dict, number: int = 0):
    """A value that fits `schema`; odd numbers give other ones than even numbers."""
    kind = schema["type"]
    if kind == "object":
        return {key: sample_value(inner, place) for place, (key, inner) in enumerate(schema["properties"].items())}
    if kind == "array":
        return [sample_value(schema["items"]), sample_value(schema["items"])]
    if "enum" in schema:
        return schema["enum"][number % len(schema["enum"])]
    if "pattern" in schema:
        return "1HGCM82633A004352"
    if kind == "string":
        return "2024-02-29" if schema.get("format") == "date" else f"Ünï <b>&amp;\" ' {number}"
    if kind == "boolean":
        return number % 2 == 0
    return {"integer": 2000 + number, "number": [0, 1.5, 3, 0.1][number % 4]}[kind]


def full_lead() -> Lead:
    """A lead with data of every line, each with something in it that no form names."""
    data = {
        code: {**sample_value(schema), VERSION_KEY: 1, "unknown": {"deep": [1, None]}}
        for code, schema in SCHEMAS.items()
    }
    for rows in ("drivers", "other_vehicles"):
        data["auto"][rows][1]["unknown"] = [1]
    return make_lead(
        line="umbrella",
        estimated_value="1234.50",
        expected_close_date="2030-01-31",
        company_website="https://example.com/?a=1&b=2",
        notes="two\nlines",
        auto_data=data.pop("auto"),
        home_data=data.pop("home"),
        line_data={**data, "a line of old": {"x": 1}},
        additional_insureds=[{"name": "Zoë", "born": "2001-01-01", "extra": True}, {"relation": "son"}],
        communications={"preferred": "sms", "email": {"consent": False, "by": "letter"}, "fax": "1"},
        tags=["red", "two words", 'q"<'],
        custom_fields=CUSTOM,
    )


CUSTOM = {
    "text": 'a "b" <c>',
    "number": 7,
    "decimal": 2.50,
    "big": 10**20,
    "truth": False,
    "text like a number": "007",
    "text like a truth": "true",
    "text that is a number": "12",
    "nothing": None,
    "empty": "",
    "list": [1, "a"],
    "object": {"a": {"b": None}},
    "lines": "one\ntwo",
    "K" * 70: "a name that is too long, but stands there",
    "long": "x" * 6_000,
}


def values_for_schema(schema: dict) -> st.SearchStrategy:
    """Anything that `schema` allows."""
    kind = schema["type"]
    if kind == "object":
        return st.fixed_dictionaries(
            {}, optional={k: values_for_schema(v) for k, v in schema["properties"].items()}
        ).map(lambda found: {key: value for key, value in found.items() if value not in ({}, [], "")})
    if kind == "array":
        return st.lists(values_for_schema(schema["items"]).filter(bool), max_size=3)
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "pattern" in schema:
        return st.from_regex(schema["pattern"], fullmatch=True).filter(lambda text: not text.endswith("\n"))
    if kind == "string":
        dates = st.dates().map(str)
        return dates if schema.get("format") == "date" else st.text(max_size=20).map(normalise_text)
    if kind == "boolean":
        return st.booleans()
    low, high = schema.get("minimum", -(10**6)), schema.get("maximum", 10**9)
    whole = st.integers(low, high)
    return whole if kind == "integer" else whole | st.floats(low, high, allow_nan=False)


def normalise_text(text: str) -> str:
    return text.replace("\x00", "").replace("\r", "").encode(errors="ignore").decode().strip()


def input_values(field: SchemaField, value) -> dict[str, str]:
    """What the inputs of `field` hold for `value`, by name."""
    found = {}

    def collect(inputs) -> None:
        for shown in inputs:
            collect(shown.get("inputs", ()))
            for row in shown.get("rows", ()):
                collect(row)
            if shown["kind"] not in {"object", "rows"}:
                found[shown["name"]] = shown["value"]

    collect(field.widget.get_context("data", value, {})["inputs"])
    return found


@settings(max_examples=examples(10), deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("name", ["auto", "home", "specialty", "communications", "insureds"])
def test_any_schema_value_round_trips_through_its_inputs(name, data):
    schema = {**SCHEMAS, "communications": COMMUNICATIONS_SCHEMA, "insureds": ADDITIONAL_INSUREDS_SCHEMA}[name]
    value = data.draw(values_for_schema(schema))
    field = SchemaField(schema)
    field.saved_value = value
    raw = field.widget.value_from_datadict(input_values(field, value), {}, "data")
    assert field.clean(raw) == value
    assert not field.has_changed(value, raw)


def test_changing_one_input_keeps_others_and_unknown_keys(as_max):
    lead = full_lead()
    before = reload(lead)
    changes = {
        "auto_data.make": "Saab",
        "auto_data.drivers.1.name": "Bo",
        "line_data.life.smoker": "true",
        "home_data.pool": "",
        "additional_insureds.0.name": "Zoe",
        "communications.email.consent": "true",
    }
    assert save(as_max, lead, {**form_values(as_max, lead), **changes}) == []
    now = reload(lead)
    auto, life, home = before.auto_data, before.line_data["life"], before.home_data
    drivers = [auto["drivers"][0], {**auto["drivers"][1], "name": "Bo"}]
    assert now.auto_data == {**auto, "make": "Saab", "drivers": drivers}
    assert now.line_data == {**before.line_data, "life": {**life, "smoker": True}}
    assert now.home_data == {key: value for key, value in home.items() if key != "pool"}
    assert now.additional_insureds[0] == {"name": "Zoe", "born": "2001-01-01", "extra": True}
    assert now.communications == {"preferred": "sms", "email": {"consent": True, "by": "letter"}, "fax": "1"}
    assert activity_summaries(lead) == ["Changed auto data, home data, line data, additional insureds, communications"]


def test_new_schema_version_is_stored_only_on_change(as_max):
    lead = make_lead(line="auto", auto_data={"make": "Saab", VERSION_KEY: 1})
    line = InsuranceType.objects.get(code="auto")
    line.form_schema["properties"]["colour"] = {"type": "string"}
    line.save()
    assert edit(as_max, lead, notes="n") == []
    assert reload(lead).auto_data == {"make": "Saab", VERSION_KEY: 1}
    assert edit(as_max, lead, auto_data__colour="red") == []
    assert reload(lead).auto_data == {"make": "Saab", "colour": "red", VERSION_KEY: 2}


def test_rows_can_be_added_and_removed_in_order(as_max):
    lead = make_lead(additional_insureds=[{"name": name, "mark": name} for name in "ABC"])
    changes = {
        "additional_insureds.1.name": " ",
        "additional_insureds.3.name": "D",
        "additional_insureds.7.relation": "aunt",
        "additional_insureds.250.name": "too far",
    }
    assert save(as_max, lead, {**form_values(as_max, lead), **changes}) == []
    assert reload(lead).additional_insureds == [
        {"name": "A", "mark": "A"},
        {"name": "C", "mark": "C"},
        {"name": "D"},
        {"relation": "aunt"},
    ]


def test_clearing_all_inputs_empties_the_data(as_max):
    lead = make_lead(line="auto", auto_data={**sample_value(SCHEMAS["auto"]), VERSION_KEY: 1})
    form = {key: "" if key.startswith("auto_data.") else value for key, value in form_values(as_max, lead).items()}
    assert save(as_max, lead, form) == []
    assert reload(lead).auto_data == {}


WRONG = {
    "auto_data.year": [
        ("1899", "Year: at least 1900."),
        ("2101", "Year: at most 2100."),
        ("2001.5", "Year: “2001.5” is not a whole number."),
        ("MMI", "Year: “MMI” is not a whole number."),
        ("1_999", "Year: “1_999” is not a whole number."),
        ("9" * 5_000, "is not a whole number."),
    ],
    "auto_data.current_premium": [
        ("-1", "Current premium: at least 0."),
        ("1e999", "Current premium: “1e999” is not a number."),
        ("NaN", "Current premium: “NaN” is not a number."),
        ("Infinity", "is not a number."),
        ("12,50", "Current premium: “12,50” is not a number."),
        ("1e", "is not a number."),
        (".", "is not a number."),
    ],
    "auto_data.renewal_date": [
        ("2023-02-29", "Renewal date: “2023-02-29” is not a date."),
        ("tomorrow", "Renewal date: “tomorrow” is not a date."),
        ("20240229", "is not a date."),
    ],
    "auto_data.vin": [
        ("1HGCM82633A00435I", "VIN: “1HGCM82633A00435I” does not have the right form."),
        ("short", "does not have the right form."),
    ],
    "auto_data.use": [("joyride", "Use: choose one of commute, pleasure, business.")],
    "auto_data.make": [("x" * 201, "Make: at most 200 characters.")],
    "auto_data.drivers.0.born": [("1990-13-01", "Drivers 1 Date of birth: “1990-13-01” is not a date.")],
    "auto_data.other_vehicles.1.year": [("1066", "Other vehicles 2 Year: at least 1900.")],
    "line_data.life.smoker": [("perhaps", "Smoker: “perhaps” is neither yes nor no.")],
    "line_data.life.coverage": [("a lot", "Coverage: “a lot” is not a number.")],
    "communications.preferred": [("pigeon", "Preferred: choose one of email, phone, sms, mail.")],
    "communications.best_time": [("x" * 201, "Best time: at most 200 characters.")],
    "additional_insureds.0.born": [("never", "1 Date of birth: “never” is not a date.")],
}


def test_invalid_value_has_an_error_message():
    lines = {code: schema for code, schema in SCHEMAS.items() if code not in {"auto", "home"}}
    columns = {
        "auto_data": SCHEMAS["auto"],
        "line_data": {"type": "object", "properties": lines},
        "communications": COMMUNICATIONS_SCHEMA,
        "additional_insureds": ADDITIONAL_INSUREDS_SCHEMA,
    }
    for name, tries in WRONG.items():
        column = name.split(".")[0]
        field = SchemaField(columns[column])
        # A row before the wrong one, for rows are counted from those with something in them.
        first = {name.replace(".1.", ".0."): "2000"} if ".1." in name else {}
        for text, sentence in tries:
            raw = field.widget.value_from_datadict({**first, name: text}, {}, column)
            with pytest.raises(ValidationError) as refusal:
                field.clean(raw)
            assert sentence in " ".join(refusal.value.messages), (name, text)
            assert field.has_changed({}, raw)


def test_refused_form_shows_typed_values_and_changes_nothing(as_max):
    lead = make_lead(line="auto", auto_data={"drivers": [{"name": "A"}]}, line_data={"life": {"kind": "term"}})
    form, before = form_values(as_max, lead), reload(lead)
    typed = {
        "auto_data.year": "MMI",
        "auto_data.use": "joyride",
        "auto_data.drivers.0.name": "B",
        "auto_data.drivers.2.born": "never",
        "line_data.life.smoker": "perhaps",
        "additional_insureds.0.born": "never",
        "custom_fields~other.0.value": "lonely",
        "tags": "red,,blue",
        "notes": "typed\r\nin lines",
    }
    answer = as_max.post(url(lead), {**form, **typed})
    assert answer.status_code == 200
    again = read_form(answer.content.decode(), "lead_form")
    assert {name: again[name] for name in typed} == typed
    assert reload(lead).updated_at == before.updated_at
    errors = answer.context["adminform"].form.errors
    assert set(errors) == {"auto_data", "line_data", "additional_insureds", "custom_fields", "tags"}


# Values under names


def test_typed_value_is_converted_to_number_or_boolean():
    reads = {"12": 12, "-0.5": -0.5, "true": True, "false": False, "0": 0, "9" * 15: 999_999_999_999_999}
    texts = ["012", "1e5", "True", "none", "[1]", "+1", "1.", ".5", "1" * 16, "1,000", "-", "٣"]
    typed = {f"key {number}": text for number, text in enumerate([*reads, *texts])}
    found = NamedValuesField().clean([*typed.items(), ("empty", "")])
    assert found == {key: reads.get(text, text) for key, text in typed.items()}
    assert [type(value) for value in found.values()][:4] == [int, float, bool, bool]


def test_unchanged_custom_value_keeps_its_type(as_max):
    lead = make_lead(custom_fields=CUSTOM)
    form = form_values(as_max, lead)
    names = {value: key for key, value in form.items() if re.fullmatch(r"custom_fields~other\.[0-9]+\.key", key)}

    def value(name: str) -> str:
        return names[name].replace(".key", ".value")

    form[value("text like a number")] = "008"
    form[value("text that is a number")] = "13"
    form[value("text")] = ""
    assert save(as_max, lead, form) == []
    changed = {"text like a number": "008", "text that is a number": 13}
    assert reload(lead).custom_fields == {key: v for key, v in {**CUSTOM, **changed}.items() if key != "text"}


@pytest.mark.parametrize(
    ("pairs", "sentence"),
    [
        ([("a", "1"), (" a ", "2")], "The name “a” is used twice."),
        ([("", "lonely")], "A field's name has 1 to 60 characters: “lonely”."),
        ([("\x00", "lonely")], "A field's name has 1 to 60 characters: “lonely”."),
        ([("x" * 61, "1")], "A field's name has 1 to 60 characters"),
        ([("a", "x" * 5_001)], "“a” is longer than 5,000 characters."),
    ],
)
def test_invalid_custom_field_is_refused(as_max, pairs, sentence):
    lead = make_lead()
    data = {}
    for number, (key, text) in enumerate(pairs):
        data |= {f"custom_fields~other.{number}.key": key, f"custom_fields~other.{number}.value": text}
    said = save(as_max, lead, {**form_values(as_max, lead), **data})
    assert sentence in " ".join(said)
    assert reload(lead).custom_fields == {}


def test_custom_fields_are_added_without_null_bytes(as_max):
    lead = make_lead(custom_fields={"old": 1})
    data = {
        "custom_fields~other.1.key": "n\x00ew",
        "custom_fields~other.1.value": "a\x00b",
        "custom_fields~other.9.key": "far",
    }
    data |= {"custom_fields~other.9.value": "x" * 5_000}
    assert save(as_max, lead, {**form_values(as_max, lead), **data}) == []
    assert reload(lead).custom_fields == {"old": 1, "new": "ab", "far": "x" * 5_000}


# Tags, address of the web, unique address


@pytest.mark.parametrize(
    ("typed", "tags"),
    [
        ("red, Blue ,two words", ["red", "Blue", "two words"]),
        ("red,red , red", ["red"]),
        ("", []),
        ("  ", []),
        ("r\x00ed", ["red"]),
        ("x" * 60, ["x" * 60]),
    ],
)
def test_tags_are_parsed_from_one_line(as_max, typed, tags):
    lead = make_lead(tags=["old"])
    assert edit(as_max, lead, tags=typed) == []
    assert reload(lead).tags == tags


@pytest.mark.parametrize("typed", ["red,,blue", ",", "red,", ", ,red", "\x00,red", "x" * 61])
def test_empty_or_long_tags_are_refused(as_max, typed):
    lead = make_lead(tags=["old"])
    (sentence,) = edit(as_max, lead, tags=typed)
    assert sentence.startswith("A tag ")
    assert reload(lead).tags == ["old"]


def test_website_gets_a_scheme_and_must_be_valid(as_max):
    lead = make_lead()
    assert edit(as_max, lead, company_website="example.com/path") == []
    assert reload(lead).company_website == "https://example.com/path"
    for typed in ("javascript:alert(1)", "no site", "https://" + "x" * 200 + ".com", "ftp"):
        assert edit(as_max, lead, company_website=typed), typed
    assert reload(lead).company_website == "https://example.com/path"


def test_duplicate_address_shows_error_and_keeps_typed_values(as_max):
    make_lead(contact_email="taken@example.com")
    lead = make_lead()
    answer = as_max.post(
        url(lead), {**form_values(as_max, lead), "contact_email": "TAKEN@example.com", "notes": "typed"}
    )
    page = answer.content.decode()
    assert "Another open lead already has this address." in page
    assert read_form(page, "lead_form")["notes"] == "typed"
    contact = make_contact(email="taken@example.com")
    assert edit(as_max, make_contact(), email="Taken@Example.com") == ["Another contact already has this address."]
    assert Contact.objects.get(email="taken@example.com") == contact


def test_new_lead_with_duplicate_address_keeps_typed_values(as_max):
    make_lead(contact_email="taken@example.com")
    page = as_max.get("/leads/lead/add/").content.decode()
    data = {
        **read_form(page, "lead_form"),
        "contact_name": "New",
        "contact_email": "taken@example.com",
        "notes": "typed",
    }
    answer = as_max.post("/leads/lead/add/", data)
    assert "Another open lead already has this address." in answer.content.decode()
    assert read_form(answer.content.decode(), "lead_form")["notes"] == "typed"
    assert as_max.post("/leads/lead/add/", {**data, "contact_email": "free@example.com"}).status_code == 302
    assert Lead.objects.get(contact_name="New").notes == "typed"


# Links to contacts


def link_data(form: dict[str, str], *rows: dict[str, str]) -> dict[str, str]:
    """`form` with `rows` as its stakeholders, those with an id being there already."""
    data = {key: value for key, value in form.items() if not re.match(r"contact_links-[0-9]", key)}
    data["contact_links-TOTAL_FORMS"] = str(len(rows))
    for number, row in enumerate(rows):
        data |= {f"contact_links-{number}-{key}": str(value) for key, value in row.items()}
    return data


def test_stakeholders_can_be_added_changed_and_removed(as_max):
    lead, first, second = make_lead(), make_contact(name="First"), make_contact(name="Second")
    form = form_values(as_max, lead)
    assert save(as_max, lead, link_data(form, {"contact": first.pk, "role": "technical", "is_primary": "on"})) == []
    link = ContactLead.objects.get(lead=lead)
    form = form_values(as_max, lead)
    there = {"id": link.pk, "lead": lead.pk, "contact": first.pk, "role": "financial"}
    assert save(as_max, lead, link_data(form, there, {"contact": second.pk, "role": "other"})) == []
    link.refresh_from_db()
    assert (link.role, link.is_primary) == ("financial", False)
    form = form_values(as_max, lead)
    other = ContactLead.objects.get(contact=second)
    rest = {"id": other.pk, "lead": lead.pk, "contact": second.pk, "role": "other"}
    assert save(as_max, lead, link_data(form, {**there, "DELETE": "on"}, rest)) == []
    assert list(ContactLead.objects.filter(lead=lead)) == [other]
    assert ContactLead.everything.filter(pk=link.pk, deleted_at__isnull=False).exists()
    assert activity_summaries(lead) == [
        "Deleted stakeholder “First (Financial)”",
        "Changed role, is primary",
    ]
    created = ActivityLog.objects.on_timeline_of(lead).filter(verb="created", target_type="leads.contactlead")
    assert created.count() == 2


def test_primary_contact_can_be_switched_but_not_duplicated(as_max):
    lead, a, b = make_lead(), make_contact(), make_contact()
    links = [
        ContactLead.objects.create(lead=lead, contact=a, is_primary=True),
        ContactLead.objects.create(lead=lead, contact=b),
    ]
    rows = [{"id": link.pk, "lead": lead.pk, "contact": link.contact_id, "role": "other"} for link in links]
    form = form_values(as_max, lead)
    assert save(as_max, lead, link_data(form, rows[0], {**rows[1], "is_primary": "on"})) == []
    assert ContactLead.objects.get(lead=lead, is_primary=True).contact == b
    both = [{**row, "is_primary": "on"} for row in rows]
    assert save(as_max, lead, link_data(form_values(as_max, lead), *both)) == [
        "This lead already has a primary contact."
    ]
    assert ContactLead.objects.get(lead=lead, is_primary=True).contact == b


def test_contact_is_linked_once(as_max):
    lead, contact = make_lead(), make_contact()
    twice = [{"contact": contact.pk, "role": "other"}] * 2
    sentence = "This contact is already a stakeholder of this lead."
    assert sentence in save(as_max, lead, link_data(form_values(as_max, lead), *twice))
    assert not ContactLead.objects.exists()
    ContactLead.objects.create(lead=lead, contact=contact)
    form = form_values(as_max, lead)
    assert sentence in save(as_max, lead, link_data({**form, "contact_links-INITIAL_FORMS": "0"}, twice[0]))


def test_agent_cannot_link_invisible_records(as_ann, ann, bob):
    lead, contact = make_lead(assigned_to=ann), make_contact()
    theirs = make_lead(assigned_to=bob)
    ContactLead.objects.create(lead=theirs, contact=contact)
    said = save(as_ann, lead, link_data(form_values(as_ann, lead), {"contact": contact.pk, "role": "other"}))
    assert "Select a valid choice" in said[0]
    answer = as_ann.post("/leads/task/add/", {"title": "Pry", "lead": theirs.pk})
    assert "Select a valid choice" in answer.content.decode()


def test_link_to_invisible_record_can_stay(as_ann, ann, bob):
    task = make_lead(assigned_to=bob).tasks.create(title="Help Bob", assignee=ann)
    assert edit(as_ann, task, title="Help Bob soon") == []
    assert reload(task).lead is not None


# Forms that no browser would send

GARBAGE = ["", "\x00", "x" * 1_000, "-1", '[{"', "é\u202e\U0001f600", "1e999"]


NAMES = [
    "contact_name",
    "insurance_type",
    "estimated_value",
    "loaded_digest",
    "tags",
    "auto_data.year",
    "auto_data.drivers.0.name",
    "communications.preferred",
    "additional_insureds.0.born",
    "custom_fields~other.0.key",
    "contact_links-TOTAL_FORMS",
    "contact_links-INITIAL_FORMS",
]


def test_garbage_input_never_breaks_the_form(as_max):
    lead = make_lead(line="auto", auto_data={"drivers": [{"name": "A"}]}, custom_fields={"a": 1})
    form = form_values(as_max, lead)
    for text in GARBAGE:
        everything = {key: value if "_FORMS" in key else text for key, value in form.items()}
        assert as_max.post(url(lead), everything).status_code == 200, text
    for name in NAMES:
        assert name in form
        for data in ({key: value for key, value in form.items() if key != name}, {**form, name: "\x00\ud7ff[1"}):
            assert as_max.post(url(lead), data).status_code in {200, 302}, name


def test_invalid_picker_key_shows_error(as_max):
    lead, no_keys = make_lead(), ("garbage", "\x00")
    for key in no_keys:
        assert as_max.get("/leads/task/add/", {"lead": key, "assignee": key, "due_on": key}).status_code == 200
        answer = as_max.post("/leads/task/add/", {"title": "x", "lead": key, "client": key, "assignee": key})
        assert set(answer.context["adminform"].form.errors) == {"lead", "client", "assignee"}
        assert save(as_max, lead, link_data(form_values(as_max, lead), {"contact": key, "role": "other"}))
        link = {"contact": make_contact().pk, "role": "other", "id": key, "lead": key}
        assert save(as_max, lead, link_data(form_values(as_max, lead), link))
        assert not ContactLead.objects.exists()
    assert as_max.get("/leads/task/add/", {"lead": lead.pk}).context["adminform"].form["lead"].value() == str(lead.pk)


def test_empty_form_and_hidden_columns_change_nothing(as_max, max):
    lead = full_lead()
    before = reload(lead)
    assert as_max.post(url(lead), {}).status_code == 200
    extra = {
        "overall_score": "1.00",
        "priority_tier": "hot",
        "status": "CLOSED_WON",
        "assigned_to": str(max.pk),
        "converted_at": "2024-01-01",
        "deleted_at": "2024-01-01",
        "signals": "[]",
        "search_text": "x",
        "id": "x",
        "auto_data": json.dumps({"make": "x"}),
        "auto_data.nothing": "x",
        "auto_data.drivers.x.name": "x",
        "custom_fields.x.key": "x",
        "custom_fields~other.5000.key": "x",
    }
    assert save(as_max, lead, {**form_values(as_max, lead), **extra}) == []
    now = reload(lead)
    assert [getattr(now, f.attname) for f in Lead._meta.concrete_fields] == [
        getattr(before, f.attname) for f in Lead._meta.concrete_fields
    ]


# Inputs by a schema


class EditedInput(forms.Form):
    """A form with the one input that a schema gives."""

    def __init__(self, schema: dict, data: dict | None = None, **kwargs) -> None:
        super().__init__(data)
        self.fields["x"] = build_input(schema, **kwargs)


@pytest.mark.parametrize(
    ("schema", "value", "typed", "read"),
    [
        ({"type": "string", "format": "date-time"}, "2026-12-01T09:30:00+00:00", "2026-12-01T09:30", None),
        ({"type": "string", "format": "date"}, "2026-12-01", "2026-12-01", None),
        ({"type": "array", "items": {"type": "string", "format": "date"}}, ["2026-12-01"], "2026-12-01", None),
        ({"type": "array", "items": {"type": "string"}}, ["a", "b"], "a, b", None),
        ({"type": "array", "items": {"type": "string"}, "widget": "lines"}, ["a, b", "c"], "a, b\nc", None),
        ({"type": "number", "format": "decimal"}, "10.50", "10.50", None),
        ({"type": "number"}, 10.5, "10.5", None),
        ({"type": "integer"}, 10, "10", None),
        ({"type": "integer"}, None, "ten", "ten"),
        ({"type": "boolean"}, True, "true", None),
        ({"type": "boolean"}, None, "", None),
        ({"type": "object", "widget": "json"}, {"room": [1]}, '{"room": [1]}', None),
    ],
)
def test_input_reads_what_it_shows(settings, schema, value, typed, read):
    settings.TIME_ZONE = "UTC"
    form = EditedInput(schema, {"x": typed})
    assert form.is_valid()
    assert form.cleaned_data["x"] == (value if read is None else read)
    shown = form.fields["x"].to_input(value)
    assert read or build_input(schema).to_python(shown) == value


def test_date_time_list_has_an_input_for_each_and_spare_ones():
    schema = {"type": "array", "maxItems": 4, "items": {"type": "string", "format": "date-time"}}
    field = build_input(schema)
    drawn = field.widget.render("x", field.to_input(["2026-12-01T09:30:00Z"] * 3), {"id": "id_x"})
    assert drawn.count('type="datetime-local"') == 4 and drawn.count('value=""') == 1


def test_choices_are_labelled_and_a_removed_one_stays():
    field = build_input({"type": "string", "blank": "No one"}, "ann", choices={"bob": "Bob"})
    assert field.widget.choices == [("", "No one"), ("ann", "ann (no longer offered)"), ("bob", "Bob")]
    assert build_input({"enum": ["a"]}, is_required=True).widget.choices == [("a", "A")]


def test_boolean_with_a_default_is_a_checkbox():
    schema = {"type": "object", "properties": {"urgent": {"type": "boolean", "default": False}}}
    field = SchemaField(schema)
    assert field.clean(field.widget.value_from_datadict({"d.urgent": "on"}, {}, "d")) == {"urgent": True}
    assert field.clean(field.widget.value_from_datadict({}, {}, "d")) == {"urgent": False}


def test_references_and_alternatives_are_resolved():
    schema = {
        "$defs": {"Mood": {"title": "Mood", "enum": ["calm"], "type": "string"}},
        "type": "object",
        "properties": {
            "mood": {"$ref": "#/$defs/Mood", "default": "calm"},
            "until": {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}], "title": "Until"},
            "amount": {"anyOf": [{"type": "number"}, {"type": "string"}]},
            "either": {"anyOf": [{"type": "integer"}, {"type": "boolean"}]},
            "free": {"type": "object", "additionalProperties": True},
            "any": {},
        },
    }
    assert simplify_schema(schema)["properties"] == {
        "mood": {"enum": ["calm"], "type": "string", "default": "calm"},
        "until": {"type": "string", "format": "date", "title": "Until", "nullable": True},
        "amount": {"type": "number", "format": "decimal"},
        "either": {"widget": "json"},
        "free": {"type": "object", "additionalProperties": True, "widget": "json"},
        "any": {"widget": "json"},
    }


def test_schema_description_is_the_help_text(as_max):
    line = InsuranceType.objects.get(code="auto")
    line.form_schema["properties"]["garage"] = {"type": "string", "description": "Where it stands at night"}
    line.save()
    assert "Where it stands at night" in as_max.get(url(make_lead(line="auto"))).content.decode()


def test_form_does_not_name_the_present_record_of_another_owner(as_ann, ann, bob):
    lead, client = make_lead(assigned_to=bob), make_client(assigned_to=ann)
    task = Task.objects.create(title="Call", lead=lead, client=client, assignee=ann)
    page = as_ann.get(url(task)).content.decode()
    assert "Another owner’s lead" in page and str(client) in page
    assert str(lead) not in page
    assert f'value="{lead.pk}"' in page, "saving the form keeps it"


def test_page_that_deletes_a_line_counts_leads_and_does_not_name_them(ada, ann, bob):
    lead = make_lead(assigned_to=bob, line="auto")
    address = f"/leads/insurancetype/{lead.insurance_type_id}/delete/"
    page = browser(ada).get(address).content.decode()
    assert "Lead: 1" in page and str(lead) not in page
    ann.user_permissions.set(Permission.objects.exclude(codename="see_everyone"))
    page = page_text(browser(ann).get(address))
    assert "<li> Lead </li>" in page and "Lead: " not in page, "hidden leads are not counted"
