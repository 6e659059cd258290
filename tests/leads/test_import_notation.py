"""Tests of how the files of the world write amounts, moments, consent, tags and phone numbers."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from leads.importing.cells import Partial, PhoneParser, TagsParser
from leads.importing.exceptions import InvalidCell, RowRejected
from leads.importing.values.amounts import AmountParser
from leads.importing.values.consent import ConsentParser
from leads.importing.values.dates import MomentParser
from tests.leads.test_import_rows import doubt_about, read_row


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12,34,567", 1_234_567),
        ("Rs. 1,50,000.50", Decimal("150000.5")),
        ("₹ 2.5 lakh", 250_000),
        ("1.2 Cr", 12_000_000),
        ("CHF 12'500.--", 12_500),
        ("5.000,-", 5_000),
        ("2 tys. zł", 2_000),
    ],
)
def test_amount_is_read_as_its_country_writes_it(text, value):
    assert AmountParser(12, 2, "")(text) == value


@pytest.mark.parametrize("text", ["1.2 mil", "1,2,3", "12,34,56", "5000-7000", "1.5E+06"])
def test_amount_with_an_unsure_reading_is_no_number(text):
    with pytest.raises(InvalidCell, match="is not a number"):
        AmountParser(12, 2, "")(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2026-03-04", date(2026, 3, 4)),
        ("2026-03-04T00:00:00Z", date(2026, 3, 4)),
        ("2026-03-04 16:05", datetime(2026, 3, 4, 16, 5, tzinfo=UTC)),
        ("4/3/2026 4:05 PM", datetime(2026, 3, 4, 16, 5, tzinfo=UTC)),
        ("2026-03-04T23:30:00.000-05:00", datetime(2026, 3, 5, 4, 30, tzinfo=UTC)),
        ("2026-03-04 10:00:00 UTC", datetime(2026, 3, 4, 10, tzinfo=UTC)),
        ("Wed Mar 04 2026 10:00:00 GMT+0100 (CET)", datetime(2026, 3, 4, 9, tzinfo=UTC)),
        ("20260304T101500Z", date(2026, 3, 4)),
        ("March 4th, 2026", date(2026, 3, 4)),
        ("1er mars 2026", date(2026, 3, 1)),
        ("04. Mrz 2026", date(2026, 3, 4)),
    ],
)
def test_date_keeps_its_time_of_day_and_zone(text, value):
    assert MomentParser("dmy")(text) == value


@pytest.mark.parametrize("text", ["2026-03-04 10:15 America/New_York", "2026-03-04 25:15", "2026-03-04 10:15+99:00"])
def test_time_that_cannot_be_read_leaves_the_date_and_its_text(text):
    assert MomentParser("dmy")(text) == Partial(date(2026, 3, 4))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("45981", "is the day number of a spreadsheet; format the column as a date"),
        ("0001-01-01", "is not a real date (day and month may be swapped)"),
        ("Q1 2026", "is not a date (day before month)"),
    ],
)
def test_cell_that_is_no_date_says_why(text, why):
    with pytest.raises(InvalidCell) as problem:
        MomentParser("dmy")(text)
    assert str(problem.value) == why


@pytest.mark.parametrize("text", ["T", "✓", "1.0", "sì", "tak", "Do Not Allow", "unsubscribe", "Jan 2, 2025"])
def test_refusal_is_recognised_in_many_words(text):
    assert ConsentParser(is_refusal=True)(text) is True


@pytest.mark.parametrize("text", ["F", "✗", "0.0", "nee", "não", "Allow", "Double opt-in"])
def test_no_refusal_is_recognised_in_many_words(text):
    assert ConsentParser(is_refusal=True)(text) is False


@pytest.mark.parametrize("text", ["maybe", "not opted out", "2"])
def test_unclear_refusal_is_not_guessed(text):
    with pytest.raises(InvalidCell):
        ConsentParser(is_refusal=True)(text)


@pytest.mark.parametrize("text", ['["vip", "hot"]', "['vip', 'hot']", "{vip,hot}", '"vip","hot"', "vip;hot", "vip|hot"])
def test_tags_are_read_from_any_list(text):
    assert TagsParser(60)(text) == ["vip", "hot"]


def test_empty_list_has_no_tags_and_numbers_stay():
    assert TagsParser(60)("[]") == []
    assert TagsParser(60)('["vip", 2026]') == ["vip", "2026"]


def test_phone_number_stored_with_decimals_is_read():
    assert PhoneParser(50)("14155552671.0") == "14155552671"
    assert PhoneParser(50)("415.555.0") == "415.555.0"


def test_formula_that_holds_text_is_read_as_its_text():
    assert read_row(contact_name='="Ann Lee"', contact_phone='="+15550108827"')["contact_phone"] == "+15550108827"


@pytest.mark.parametrize(
    "row",
    [
        {"contact_name": "Total", "contact_email": "", "estimated_value": "300"},
        {"contact_name": "Grand Total: 2", "contact_email": "", "estimated_value": "$1,300.00"},
        {"contact_name": "", "Owner": "Summe", "estimated_value": "300"},
        {"contact_name": "contact_name", "contact_email": "contact_email", "estimated_value": "estimated_value"},
    ],
)
def test_total_and_repeated_column_names_are_no_leads(row):
    with pytest.raises(RowRejected, match="is a total of others|repeats the column names"):
        read_row(**row)


def test_company_called_total_is_a_lead():
    assert read_row(contact_name="Total", City="Paris", estimated_value="300")["contact_name"] == "Total"


def test_creation_in_the_other_system_is_the_creation_of_the_lead():
    assert read_row(created_at="2024-01-05 09:30")["created_at"] == datetime(2024, 1, 5, 9, 30, tzinfo=UTC)
    assert read_row()["created_at"] is None


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"created_at": "2999-01-05"}, "is in the future"),
        ({"created_at": "2024-01-05", "status": "won", "closed_at": "2023-01-05"}, "is after the day of closing"),
        ({"created_at": "02/10/2024"}, "can be read in two ways; choose the order of day and month"),
    ],
)
def test_doubtful_creation_is_kept_as_text_and_asks_nothing(row, why):
    doubt, custom_fields = doubt_about(**row)
    assert doubt == f"created_at “{row['created_at']}” {why}."
    assert custom_fields == {"created_at": row["created_at"]}
