"""Numbers, amounts, telephone numbers and names in a text."""

from decimal import Decimal

import pytest

from crm.text.names import MAX_NAMES, extract_names, extract_single_names, first_name
from crm.text.numbers import extract_amounts, extract_numbers, parse_number
from crm.text.phones import extract_phones, phone_digits


@pytest.mark.parametrize(
    ("digits", "times", "value"),
    [
        ("1200", None, 1200),
        ("1,200.50", None, Decimal("1200.5")),
        ("1.200,50", None, Decimal("1200.5")),
        ("1 200", None, 1200),
        ("1'200'000", None, 1_200_000),
        ("1.2", "M", 1_200_000),
        ("2", "thousand", 2000),
        ("1.250", None, 1250),
        ("1,25", None, Decimal("1.25")),
        ("", None, None),
    ],
)
def test_number_is_read_as_people_write_it(digits, times, value):
    assert parse_number(digits, times) == value


def test_amounts_need_a_currency_and_numbers_do_not():
    text = "It is $5,000.00 or 1.250 EUR, 2k dollars, CHF 3 m, and 7 vans for \u00a342."
    assert extract_amounts(text) == {
        5000: "$5,000.00",
        1250: "1.250 EUR",
        2000: "2k dollars",
        3_000_000: "CHF 3 m",
        42: "\u00a342",
    }
    assert extract_numbers(text) == {5000, 1250, 2000, 3_000_000, 7, 42}


@pytest.mark.parametrize(
    ("text", "phones"),
    [
        ("Call (555) 010-2030 or +1 555 010 2031.", ["5550102030", "15550102031"]),
        ("0900-1234567, 0900 123 4567", ["09001234567"]),
        ("on 2026-11-30, 30.12.2026 or 07/13/2001, v1.10.2", []),
        ("$12,345,678 and 123456", []),
        # Digits of other scripts were compared as they are written, and matched no number on record.
        ("\u0660\u0669\u0660\u0660 \u0661\u0662\u0663 \u0664\u0665\u0666\u0667", ["09001234567"]),
    ],
)
def test_telephone_numbers_are_found(text, phones):
    assert extract_phones(text) == phones


def test_digits_of_a_telephone_number():
    assert phone_digits("+1 (555) 010-2030 x\u00b2") == "15550102030"
    assert phone_digits("") == ""


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Dear Jane Doe, thank you.", ["jane doe"]),
        ("as Carl O'Neill's boat and J. Smith know", ["carl o'neill", "j smith"]),
        ("Jane\nDoe", ["jane doe"]),
        ("Jane. Doe", []),
        ("Smith & Sons", ["smith & sons"]),
        ("Bank of America", ["bank of america"]),
        ("Thanks Jane", []),
        ("jane doe", []),
    ],
)
def test_names_are_found_by_their_capital_letters(text, names):
    assert extract_names(text) == names


def test_single_names_and_the_limit():
    assert extract_single_names("We like Acme, and Bob at Harbour Works.") == ["Acme", "Harbour", "Works"]
    many = ". ".join(f"Name{chr(97 + n // 26)}{chr(97 + n % 26)} Family{chr(97 + n % 26)}" for n in range(60))
    assert len(extract_names(many)) == MAX_NAMES + 1


@pytest.mark.parametrize(
    ("first", "names"),
    [
        ("Jane", ["Jane Doe", "Doe, Jane", "Doe, Dr. Jane", "Jane Doe, PhD", "Doe, Jane, MD", "JANE DOE", "jane doe"]),
        ("Jane", ["Dr. Jane Doe", "Prof. Dr. med. Jane Doe", "Dipl.-Ing. Jane Doe", "Mrs Jane Doe", "Jane A. Doe Jr."]),
        ("Jane", ["Frau Jane Doe", "Mme Jane Doe", "Sra. Jane Doe", "Dott.ssa Jane Doe", "Mevrouw Jane Doe"]),
        ("Jan", ["Jan van der Berg", "van der Berg, Jan", "Mr. Jan De La Cruz", "Jan (Johnny) Roe", "JAN DE LA CRUZ"]),
        ("Jean-Paul", ["Jean-Paul Roe", "JEAN-PAUL ROE", "roe, jean-paul"]),
        ("", ["", "Dr.", "Jane", "DOE", "Prof Dr Doe", "Dr. med. Doe", "Mr. Doe", "Herr Doe Jr.", "Dr. Doe, MD"]),
        ("", ["Mr. & Mrs. Doe", "Jane & John Doe", "Jane and John Doe", "Anna und Otto Doe", "Ana y Luis Doe"]),
        ("", ["jane.doe@example.com", "Jane Doe <jane@example.com>", "jane_doe", "info", "Customer 12", "Unit 4B"]),
        (
            "",
            ["Doe & Sons", "Doe Holdings LLC", "Acme, Inc.", "The Doe Family", "Doe GmbH", "Estate of Jane Doe"],
        ),
        ("", ["J. Doe", "J.D. Doe", "J Doe", "JD Doe", "JD DOE", "Doe, J.", "DOE Jane", "Don Doe", "Smith, Mr."]),
        ("", ["Accounts Payable", "Accounts Receivable", "Studio Rossi", "Familie Doe", "Eheleute Doe", "Praxis Doe"]),
        ("", ["Hon. Judge Doe", "Judge Doe", "Pastor Doe", "Herrn Doe"]),
        ("Klaus", ["Herrn Klaus Klein", "Pastor Klaus Klein"]),
        ("", ["van der Berg", "de la Cruz", "Mr. van der Berg", "Sra. de la Cruz"]),
    ],
)
def test_first_name_is_certain_or_empty(first, names):
    assert {name: first_name(name) for name in names} == dict.fromkeys(names, first)
