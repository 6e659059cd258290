"""JSON is shown with the labels, the order and the units of its form, never as it is stored."""

import pytest
from django.template.loader import get_template

from crm.screens.json_forms.display import describe_value, flatten_value, value_changes, value_text
from crm.screens.json_forms.inputs import build_input

DRIVER = {
    "type": "object",
    "propertyOrder": ["name", "born"],
    "properties": {
        "born": {"type": "string", "format": "date", "title": "Date of birth"},
        "name": {"type": "string", "title": "Name"},
    },
}
AUTO = {
    "type": "object",
    "propertyOrder": ["vin", "year", "value", "drivers"],
    "properties": {
        "drivers": {"type": "array", "items": DRIVER, "title": "Drivers"},
        "value": {"type": "number", "unit": "$", "title": "Value"},
        "year": {"type": "integer"},
        "vin": {"type": "string", "title": "VIN"},
    },
}
CAR = {
    "schema_version": 3,
    "pets_aboard": True,
    "value": 18400,
    "drivers": [{"born": "1990-11-03", "name": "Lee"}, {"name": "Kim", "licence": {"state": "TX"}}],
    "vin": "1HGCM82633A004352",
    "year": 2003,
}


@pytest.mark.parametrize(
    ("value", "schema", "text"),
    [
        (True, {}, "Yes"),
        (False, {}, "No"),
        (None, {}, ""),
        (2003, {}, "2003"),
        (12000, {"unit": "miles"}, "12,000 miles"),
        (900, {"unit": "$"}, "$900"),
        (1200.5, {"unit": "$"}, "$1,200.5"),
        (-1200, {"unit": "$"}, "-$1,200"),
        ("2026-11-03", {"format": "date"}, "3 Nov 2026"),
        ("2026-11-03", {}, "3 Nov 2026"),
        ("2026-11-03 to 4", {}, "2026-11-03 to 4"),
        ("2026-02-30", {}, "2026-02-30"),
        ("2026-13-03", {"format": "date"}, "2026-13-03"),
        ("soon", {"format": "date"}, "soon"),
        ("2026-11-03T10:00:00Z", {"format": "date-time"}, "3 Nov 2026, 10:00"),
        (["a", 2], {}, "a, 2"),
        ([], {}, ""),
    ],
)
def test_value_text(value, schema, text):
    assert value_text(value, schema) == text


def test_labels_and_order_come_from_the_schema():
    assert list(flatten_value(CAR, AUTO)) == [
        ("VIN", "1HGCM82633A004352"),
        ("Year", "2003"),
        ("Value", "$18,400"),
        ("Drivers 1 Name", "Lee"),
        ("Drivers 1 Date of birth", "3 Nov 1990"),
        ("Drivers 2 Name", "Kim"),
        ("Drivers 2 Licence State", "TX"),
        ("Pets aboard", "Yes"),
    ]


def test_list_of_objects_shows_each_with_its_labels():
    drivers = dict(describe_value(CAR, AUTO).parts)["Drivers"]
    assert [[label for label, _ in driver.parts] for driver in drivers.items] == [
        ["Name", "Date of birth"],
        ["Name", "Licence"],
    ]


@pytest.mark.parametrize("value", [CAR, {"a": [[1, {"b": None}]]}, [{"a": 1}], ["x"], "x", 0, {}, [], None])
def test_page_shows_no_json(value):
    for schema in (AUTO, {}):
        page = get_template("crm/json_value.html").render({"node": describe_value(value, schema)})
        assert not any(sign in page for sign in ("{", "[", "&#x27;", "None", "schema_version", "pets_aboard"))


def test_changes_name_what_differs():
    newer = {**CAR, "value": 20000, "drivers": CAR["drivers"][:1], "schema_version": 4}
    assert value_changes(CAR, newer, AUTO, "auto data") == [
        ("auto data · Value", "$18,400", "$20,000"),
        ("auto data · Drivers 2 Name", "Kim", ""),
        ("auto data · Drivers 2 Licence State", "TX", ""),
    ]
    assert value_changes([], ["x"], None, "tags") == [("tags", "", "x")]
    assert value_changes({}, CAR, AUTO, "auto data")[0] == ("auto data · VIN", "", "1HGCM82633A004352")


@pytest.mark.parametrize(
    ("choice", "label"),
    [
        ("in person", "In person"),
        ("sms", "SMS"),
        ("brick_veneer", "Brick veneer"),
        ("eBay", "eBay"),
        ("rv", "RV"),
        (5, "5"),
    ],
)
def test_choice_is_shown_as_a_label(choice, label):
    schema = {"enum": [choice]}
    assert build_input(schema).widget.choices[1:] == [(str(choice), label)]
    assert describe_value(choice, schema).text == label
