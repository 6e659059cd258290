"""One cell, and one row, into what a lead holds; or the reason why not."""

import json
from datetime import date
from decimal import Decimal

import pytest
from django.utils import timezone

from leads.importing.cells import Amount, BadCell, Choice, Day, day_comes_first, decimal_mark
from leads.importing.columns import Plan
from leads.importing.reading import Row
from leads.importing.rows import COLUMNS, Known, LeadReader, Refusal, is_exact_number, parser
from leads.models import ScoringPolicy
from leads.scoring.explanation import moment

KNOWN = Known(
    stage=Choice({"new": "NEW_OPPORTUNITIES", "won": "CLOSED_WON", "lost": "CLOSED_LOST"}, "is not a stage"),
    line=Choice({"auto": "auto-key"}, "is not a line of insurance"),
    owner=Choice({"ann": "ann-key"}, "is nobody who works here"),
    open_stages=frozenset({"NEW_OPPORTUNITIES"}),
    lost_stages=frozenset({"CLOSED_LOST"}),
    policy=ScoringPolicy(version=1, weights={}),
)


def read(sets: dict[str, str] | None = None, **row: str) -> dict:
    """The lead that a row makes whose columns are called as the fields, or else are no field."""
    header = list(row)
    columns = {name: place for place, name in enumerate(header) if name in COLUMNS}
    if "contact_name" not in {*columns, *(sets or {})}:
        sets = {**(sets or {}), "contact_name": "Ann Lee"}
    plan = Plan(header, columns, sets or {})
    reader = LeadReader(plan, KNOWN, [[*row.values()]], source_detail="leads.csv")
    return dict(zip(COLUMNS, reader.read(7, Row(2, [*row.values()])), strict=True))


def refused(**row: str) -> str:
    with pytest.raises(Refusal) as refusal:
        read(**row)
    return str(refusal.value)


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("contact_name", "  Ann \n  Lee ", "Ann Lee"),
        ("contact_email", "Ann@Example.com", "Ann@Example.com"),
        ("contact_email", "mailto:ann@example.com", "ann@example.com"),
        ("contact_email", "NULL", ""),
        ("contact_phone", "+1 (555) 010-9999 x12", "+1 (555) 010-9999 x12"),
        ("company_website", "acme.example", "https://acme.example"),
        ("company_website", "http://acme.example/a?b=c", "http://acme.example/a?b=c"),
        ("client_type", "business", "Business"),
        ("client_type", "Commercial", "Business"),
        ("source_type", "referral", "REFERRAL"),
        ("source_type", "", "IMPORT"),
        ("source_detail", "", "leads.csv"),
        ("source_detail", "Spring fair", "Spring fair"),
        ("notes", "one\r\ntwo", "one\ntwo"),
        ("status", "Won", "CLOSED_WON"),
        ("status", "", "NEW_OPPORTUNITIES"),
        ("insurance_type", "AUTO", "auto-key"),
        ("assigned_to", "ann", "ann-key"),
        ("overall_score", "0.85", Decimal("0.85")),
        ("overall_score", "85%", Decimal("0.85")),
        ("overall_score", "1", Decimal("1")),
        ("overall_score", "", None),
        ("estimated_value", "1,234.50", Decimal("1234.5")),
        ("estimated_value", "1.234,50", Decimal("1234.5")),
        ("estimated_value", "$ 1,000", Decimal("1000")),
        ("estimated_value", "1 250,75 €", Decimal("1250.75")),
        ("estimated_value", "EUR 12'000", Decimal("12000")),
        ("estimated_value", ".5", Decimal("0.5")),
        ("estimated_value", "n/a", None),
        ("expected_close_date", "2026-03-04", date(2026, 3, 4)),
        ("expected_close_date", "2026-03-04T10:20:30Z", date(2026, 3, 4)),
        ("expected_close_date", "20-10-16", date(2016, 10, 20)),
        ("expected_close_date", "31.12.2026", date(2026, 12, 31)),
        ("expected_close_date", "12/31/2026 11:59 PM", date(2026, 12, 31)),
        ("expected_close_date", "4 Mar 2026", date(2026, 3, 4)),
        ("expected_close_date", "March 4, 2026", date(2026, 3, 4)),
        ("tags", "vip; fleet,vip|renewal", ["vip", "fleet", "renewal"]),
        ("tags", " , ;", []),
    ],
)
def test_a_cell_is_understood(field, text, value):
    assert read(**{field: text})[field] == value


@pytest.mark.parametrize(
    ("field", "text", "reason"),
    [
        ("contact_name", "x" * 201, "is longer than 200 characters"),
        ("contact_email", "not an address", "is not an e-mail address"),
        ("contact_email", "a@b.example; c@d.example", "is not an e-mail address"),
        ("contact_email", "a" * 250 + "@example.com", "is longer than 254 characters"),
        ("contact_phone", "call me", "is not a phone number"),
        ("contact_phone", "5.55E+11", "was a phone number before a spreadsheet rounded it"),
        ("contact_phone", "5" * 41, "is longer than 40 characters"),
        ("company_name", "x" * 201, "is longer than 200 characters"),
        ("company_website", "javascript:alert(1)", "is not a web address"),
        ("company_website", "ftp://acme.example", "is not a web address"),
        ("client_type", "Alien", "is none of: Individual, Business"),
        ("source_type", "Pigeon", "is none of: Referral, Website"),
        ("status", "Limbo", "is not a stage"),
        ("insurance_type", "dragon", "is not a line of insurance"),
        ("assigned_to", "nobody", "is nobody who works here"),
        ("overall_score", "1.01", "must lie between 0 and 1"),
        ("overall_score", "-0.1", "must lie between 0 and 1"),
        ("overall_score", "0.123", "has more than 2 decimals"),
        ("overall_score", "high", "is not a number"),
        ("tier_override", "boiling", "is none of: Hot, Warm"),
        ("estimated_value", "-5", "must not be negative"),
        ("estimated_value", "($5.00)", "must not be negative"),
        ("estimated_value", "12.345.6", "is not a number"),
        ("estimated_value", "10000000000", "has more than 10 digits"),
        ("estimated_value", "9" * 400, "has more than 10 digits"),
        ("estimated_value", "1.005", "has more than 2 decimals"),
        ("estimated_value", "5k", "is not a number"),
        ("expected_close_date", "soon", "is not a date"),
        ("expected_close_date", "31.02.2026", "is a day that no calendar has"),
        ("closed_at", "2999-01-01", "lies in the future"),
        ("tags", "a,,b", "holds an empty tag"),
        ("tags", "a" * 61, "holds a tag of more than 60 characters"),
    ],
)
def test_a_cell_that_cannot_be_taken_is_refused_with_its_column(field, text, reason):
    said = refused(**{field: text})
    assert said.startswith(f"{field} “{text[:60]}")
    assert reason in said


@pytest.mark.parametrize("bad", ["\x00", "\x01", "\x1b", "\x7f", "\udcff"])
def test_a_control_character_or_broken_byte_refuses_the_row(bad):
    assert "hobby “a\ufffdb” holds a control character" in refused(hobby=f"a{bad}b")


def test_a_row_without_a_name_is_refused():
    assert refused(contact_name="  ", contact_email="ann@example.com") == "The row has no name."


def test_a_row_with_a_cell_too_few_or_too_many_is_refused():
    reader = LeadReader(Plan(["contact_name", "x"], {"contact_name": 0}, {}), KNOWN, [], source_detail="")
    for cells in (["Ann"], ["Ann", "b", "c"]):
        with pytest.raises(Refusal, match=rf"as there are columns \({len(cells)}, not 2\)"):
            reader.read(1, Row(2, cells))
    assert reader.read(1, Row(2, ["Ann", "b", "", ""]))


def test_why_a_lead_was_lost_belongs_to_a_lost_stage():
    assert read(status="lost", loss_reason="Stopped answering")["loss_reason"] == "GHOSTED"
    assert "its stage is no lost one" in refused(status="won", loss_reason="Budget")


def test_when_a_lead_was_closed_belongs_to_a_closed_stage():
    assert read(status="won", closed_at="2020-05-06")["closed_at"].date() == date(2020, 5, 6)
    assert "its stage is an open one" in refused(status="new", closed_at="2020-05-06")


def test_a_score_decides_the_tier_and_a_person_overrides_it():
    assert read(overall_score="0.70")["priority_tier"] == "hot"
    assert read(overall_score="0.70", tier_override="Cold")["priority_tier"] == "cold"
    assert read(hobby="chess")["priority_tier"] is None


def test_a_score_from_elsewhere_is_a_signal():
    (signal,) = json.loads(read(overall_score="0.70")["signals"])
    assert (signal["type"], signal["weight"]) == ("imported_score", 0.7)
    assert moment(signal["timestamp"]) <= timezone.now()
    assert json.loads(read(hobby="chess")["signals"]) == []


def test_a_template_has_the_cells_and_the_number_of_the_row():
    row = read({"contact_name": "{Given} {row}", "notes": "from { city }"}, Given=" Ann ", City="Köln")
    assert (row["contact_name"], row["notes"]) == ("Ann 7", "from Köln")


def test_nothing_is_executed_or_expanded_in_a_template():
    row = read({"contact_name": "{a}"}, a="{row} {0.__class__} %s =1+1")
    assert row["contact_name"] == "{row} {0.__class__} %s =1+1"


def test_custom_fields_keep_text_as_text_and_exact_numbers_as_numbers():
    row = read(plain="7", zero="007", plus="+7", money="1,000", half="2.50", share="2.5", big="1234567890123456", no="")
    assert json.loads(row["custom_fields"]) == {
        "plain": 7,
        "zero": "007",
        "plus": "+7",
        "money": "1,000",
        "half": "2.50",
        "share": 2.5,
        "big": "1234567890123456",
    }


@pytest.mark.parametrize("text", ["0", "-1", "12.5", "999999999999999", "0.1", "-0.25"])
def test_a_number_that_comes_back_as_written_is_exact(text):
    assert is_exact_number(text)
    assert str(json.loads(text)) == text


@pytest.mark.parametrize("text", ["", "-0", "00", "1.0", "1e5", "0.00001", "1_000", "٣", "0x10", "NaN", "1" * 16])
def test_a_number_that_would_come_back_otherwise_is_not(text):
    assert not is_exact_number(text)


def test_a_column_of_numbers_is_read_with_one_decimal_mark():
    assert decimal_mark(["1.234", "12,5"]) == ","
    assert decimal_mark(["1,234", "12.5"]) == "."
    assert decimal_mark(["1.234.567"]) == ","
    assert decimal_mark(["1.234"]) == "."
    assert Amount(12, 2, ",")("1.234") == 1234
    with pytest.raises(BadCell, match="more than 2 decimals"):
        Amount(12, 2, ".")("1.234")


def test_a_column_of_dates_is_read_in_one_order():
    assert day_comes_first(["01/02/2026", "25/02/2026"])
    assert not day_comes_first(["01/02/2026", "02/25/2026"])
    assert not day_comes_first(["01/02/2026"])
    assert day_comes_first(["01-02-26"])
    assert Day(day_first=True)("01/02/2026") == date(2026, 2, 1)
    with pytest.raises(BadCell, match="no calendar has"):
        Day(day_first=True)("02/25/2026")


def test_every_field_has_a_parser():
    for field in COLUMNS[1:-2]:
        assert callable(parser(field, KNOWN, []))
