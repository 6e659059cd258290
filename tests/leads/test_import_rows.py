"""Tests of parsing cells and rows into the fields of a lead."""

import json
from datetime import date
from decimal import Decimal

import pytest
from django.utils import timezone

from leads.importing.cells import (
    AmountParser,
    ChoiceParser,
    DateParser,
    InvalidCell,
    guess_day_first,
    guess_decimal_mark,
)
from leads.importing.columns import ImportPlan
from leads.importing.reading import CsvRow
from leads.importing.rows import LEAD_COLUMNS, ImportContext, LeadReader, RowRejected, is_exact_number, parser_for_field
from leads.models import ScoringPolicy
from leads.scoring.explanation import parse_signal_timestamp

CONTEXT = ImportContext(
    stage=ChoiceParser({"new": "NEW_OPPORTUNITIES", "won": "CLOSED_WON", "lost": "CLOSED_LOST"}, "is not a stage"),
    line=ChoiceParser({"auto": "auto-key"}, "is not a line of insurance"),
    owner=ChoiceParser({"ann": "ann-key"}, "is not the name of an active user"),
    open_stages=frozenset({"NEW_OPPORTUNITIES"}),
    lost_stages=frozenset({"CLOSED_LOST"}),
    policy=ScoringPolicy(version=1, weights={}),
)


def read_row(sets: dict[str, str] | None = None, **row: str) -> dict:
    """Return the values of a lead for a row; columns named like a field map to it, others to custom fields."""
    header = list(row)
    columns = {name: place for place, name in enumerate(header) if name in LEAD_COLUMNS}
    if "contact_name" not in {*columns, *(sets or {})}:
        sets = {**(sets or {}), "contact_name": "Ann Lee"}
    plan = ImportPlan(header, columns, sets or {})
    reader = LeadReader(plan, CONTEXT, [[*row.values()]], source_detail="leads.csv")
    return dict(zip(LEAD_COLUMNS, reader.read_row(7, CsvRow(2, [*row.values()])), strict=True))


def refusal_message(**row: str) -> str:
    with pytest.raises(RowRejected) as refusal:
        read_row(**row)
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
def test_cell_is_parsed(field, text, value):
    assert read_row(**{field: text})[field] == value


@pytest.mark.parametrize(
    ("field", "text", "reason"),
    [
        ("contact_name", "x" * 201, "is longer than 200 characters"),
        ("contact_email", "not an address", "is not an email address"),
        ("contact_email", "a@b.example; c@d.example", "is not an email address"),
        ("contact_email", "a" * 250 + "@example.com", "is longer than 254 characters"),
        ("contact_phone", "call me", "is not a phone number"),
        ("contact_phone", "5.55E+11", "is a phone number that a spreadsheet has rounded"),
        ("contact_phone", "5" * 41, "is longer than 40 characters"),
        ("company_name", "x" * 201, "is longer than 200 characters"),
        ("company_website", "javascript:alert(1)", "is not a web address"),
        ("company_website", "ftp://acme.example", "is not a web address"),
        ("client_type", "Alien", "is not one of: Individual, Business"),
        ("source_type", "Pigeon", "is not one of: Referral, Website"),
        ("status", "Limbo", "is not a stage"),
        ("insurance_type", "dragon", "is not a line of insurance"),
        ("assigned_to", "stranger", "is not the name of an active user"),
        ("overall_score", "1.01", "is not between 0 and 1"),
        ("overall_score", "-0.1", "is not between 0 and 1"),
        ("overall_score", "0.123", "has more than 2 decimals"),
        ("overall_score", "high", "is not a number"),
        ("tier_override", "boiling", "is not one of: Hot, Warm"),
        ("estimated_value", "-5", "is negative"),
        ("estimated_value", "($5.00)", "is negative"),
        ("estimated_value", "12.345.6", "is not a number"),
        ("estimated_value", "10000000000", "has more than 10 digits"),
        ("estimated_value", "9" * 400, "has more than 10 digits"),
        ("estimated_value", "1.005", "has more than 2 decimals"),
        ("estimated_value", "5k", "is not a number"),
        ("expected_close_date", "soon", "is not a date"),
        ("expected_close_date", "31.02.2026", "is not a real date"),
        ("closed_at", "2999-01-01", "is in the future"),
        ("tags", "a,,b", "has an empty tag"),
        ("tags", "a" * 61, "has a tag with more than 60 characters"),
    ],
)
def test_invalid_cell_is_refused_with_column_name(field, text, reason):
    message = refusal_message(**{field: text})
    assert message.startswith(f"{field} “{text[:60]}")
    assert reason in message


@pytest.mark.parametrize("bad", ["\x00", "\x01", "\x1b", "\x7f", "\udcff"])
def test_control_character_refuses_row(bad):
    assert "hobby “a\ufffdb” contains a control character" in refusal_message(hobby=f"a{bad}b")


def test_row_without_name_is_refused():
    assert refusal_message(contact_name="  ", contact_email="ann@example.com") == "The row has no name."


def test_row_with_wrong_cell_count_is_refused():
    reader = LeadReader(ImportPlan(["contact_name", "x"], {"contact_name": 0}, {}), CONTEXT, [], source_detail="")
    for cells in (["Ann"], ["Ann", "b", "c"]):
        with pytest.raises(RowRejected, match=f"has {len(cells)} cells? instead of 2"):
            reader.read_row(1, CsvRow(2, cells))
    assert reader.read_row(1, CsvRow(2, ["Ann", "b", "", ""]))


def test_loss_reason_needs_lost_stage():
    assert read_row(status="lost", loss_reason="Stopped answering")["loss_reason"] == "GHOSTED"
    assert "its stage is not a lost one" in refusal_message(status="won", loss_reason="Budget")


def test_closed_date_needs_closed_stage():
    assert read_row(status="won", closed_at="2020-05-06")["closed_at"].date() == date(2020, 5, 6)
    assert "its stage is an open one" in refusal_message(status="new", closed_at="2020-05-06")


def test_score_sets_tier_and_override_wins():
    assert read_row(overall_score="0.70")["priority_tier"] == "hot"
    assert read_row(overall_score="0.70", tier_override="Cold")["priority_tier"] == "cold"
    assert read_row(hobby="chess")["priority_tier"] is None


def test_imported_score_becomes_signal():
    (signal,) = json.loads(read_row(overall_score="0.70")["signals"])
    assert (signal["type"], signal["weight"]) == ("imported_score", 0.7)
    assert parse_signal_timestamp(signal["timestamp"]) <= timezone.now()
    assert json.loads(read_row(hobby="chess")["signals"]) == []


def test_template_is_filled_with_cells_and_row_number():
    row = read_row({"contact_name": "{Given} {row}", "notes": "from { city }"}, Given=" Ann ", City="Köln")
    assert (row["contact_name"], row["notes"]) == ("Ann 7", "from Köln")


def test_template_never_executes_or_expands_values():
    row = read_row({"contact_name": "{a}"}, a="{row} {0.__class__} %s =1+1")
    assert row["contact_name"] == "{row} {0.__class__} %s =1+1"


def test_custom_fields_keep_text_and_exact_numbers():
    row = read_row(
        plain="7", zero="007", plus="+7", money="1,000", half="2.50", share="2.5", big="1234567890123456", no=""
    )
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
def test_number_that_round_trips_is_exact(text):
    assert is_exact_number(text)
    assert str(json.loads(text)) == text


@pytest.mark.parametrize("text", ["", "-0", "00", "1.0", "1e5", "0.00001", "1_000", "٣", "0x10", "NaN", "1" * 16])
def test_number_that_changes_is_not_exact(text):
    assert not is_exact_number(text)


def test_number_column_uses_one_decimal_mark():
    assert guess_decimal_mark(["1.234", "12,5"]) == ","
    assert guess_decimal_mark(["1,234", "12.5"]) == "."
    assert guess_decimal_mark(["1.234.567"]) == ","
    assert guess_decimal_mark(["1.234"]) == "."
    assert AmountParser(12, 2, ",")("1.234") == 1234
    with pytest.raises(InvalidCell, match="more than 2 decimals"):
        AmountParser(12, 2, ".")("1.234")


def test_date_column_uses_one_day_month_order():
    assert guess_day_first(["01/02/2026", "25/02/2026"])
    assert not guess_day_first(["01/02/2026", "02/25/2026"])
    assert not guess_day_first(["01/02/2026"])
    assert guess_day_first(["01-02-26"])
    assert DateParser(day_first=True)("01/02/2026") == date(2026, 2, 1)
    with pytest.raises(InvalidCell, match="is not a real date"):
        DateParser(day_first=True)("02/25/2026")


def test_every_field_has_a_parser():
    for field in LEAD_COLUMNS[1:-2]:
        assert callable(parser_for_field(field, CONTEXT, []))
