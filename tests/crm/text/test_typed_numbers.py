"""A number is a number however it is typed, and what has two readings is none."""

from decimal import Decimal

import pytest
from django import forms

from crm.screens.json_forms.inputs import build_input
from crm.screens.record_forms import TypedDecimalField
from crm.text.numbers import parse_typed_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("$1,200", "1200"),
        ("1,200.50", "1200.50"),
        ("$ 1,200,000.00", "1200000.00"),
        ("1.200,50 €", "1200.50"),
        ("1.200.000,5", "1200000.5"),
        ("1 200", "1200"),
        ("1\u202f200,", None),
        ("CHF 1'200", "1200"),
        ("1’200.5", "1200.5"),
        ("USD 15k", "15000"),
        ("1.2M", "1200000"),
        ("1.2 million dollars", "1200000"),
        ("-$5", "-5"),
        ("$-5", "-5"),
        ("−5", "-5"),
        (".5", "0.5"),
        ("1.500", "1.500"),
        ("+3", "3"),
        ("--3", None),
        ("1,20", None),
        ("1,2000", None),
        ("12,00,000", None),
        ("1.200.000", None),
        ("12 00", None),
        ("$", None),
        ("", None),
        ("5 %", None),
        ("1200 to 1500", None),
        ("NaN", None),
        ("٣", None),
        ("1" * 61, None),
    ],
)
def test_typed_number(text, number):
    assert parse_typed_number(text) == (None if number is None else Decimal(number))


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        ({"type": "number"}, "$1,200.50", 1200.5),
        ({"type": "number"}, "plenty", "plenty"),
        ({"type": "integer"}, "1,200", 1200),
        ({"type": "integer"}, "1,200.5", "1200.5"),
        ({"type": "number", "format": "decimal"}, "$1,200.50", "1200.50"),
        ({"type": "number", "format": "decimal"}, "1200.50", "1200.50"),
        ({"type": "number", "format": "decimal"}, "many", "many"),
    ],
)
def test_inputs_read_typed_numbers(schema, text, value):
    assert build_input(schema).parse(text) == value


def test_amount_fields_read_typed_numbers():
    field = TypedDecimalField(max_digits=12, decimal_places=2)
    assert field.clean("$1,200.50") == Decimal("1200.50")
    for text in ("1,20", "plenty", "$1.234"):
        with pytest.raises(forms.ValidationError):
            field.clean(text)
