"""Tests of parsing cells and rows into the fields of a lead."""

import json
from datetime import date
from decimal import Decimal

import pytest
from django.utils import timezone

from leads.importing.cells import ChoiceParser
from leads.importing.columns import LEAD_FIELDS, ImportPlan
from leads.importing.drafts import STAGED_LEAD_COLUMNS
from leads.importing.exceptions import AmbiguousCell, InvalidCell, RowRejected
from leads.importing.files.tables import TableRow
from leads.importing.rows import RowReader, is_exact_number
from leads.importing.tables.leads.table import LEADS
from leads.importing.values.amounts import AmountParser, decimal_mark_of_column
from leads.importing.values.dates import DateParser, date_order_of_column
from leads.importing.values.parsers import UNDECIDED, ImportContext, Notation, parser_for_field
from leads.importing.values.stages import StageParser
from leads.models import ScoringPolicy
from leads.scoring.explanation import parse_signal_timestamp

CONTEXT = ImportContext(
    stage=StageParser(
        {"new": "NEW_OPPORTUNITIES", "won": "CLOSED_WON", "lost": "CLOSED_LOST"},
        {"open": "NEW_OPPORTUNITIES", "won": "CLOSED_WON", "lost": "CLOSED_LOST", "unqualified": "CLOSED_UNQUALIFIED"},
        "is not a stage",
    ),
    line=ChoiceParser({"auto": "auto-key"}, "is not a line of insurance"),
    owner=ChoiceParser({"ann": "ann-key"}, "is not the name of an active user"),
    open_stages=frozenset({"NEW_OPPORTUNITIES"}),
    lost_stages=frozenset({"CLOSED_LOST"}),
    policy=ScoringPolicy(version=1, weights={}),
)


def make_reader(sets: dict[str, str] | None = None, notation: Notation = UNDECIDED, **row: str) -> RowReader:
    """Return a reader of rows like `row`; columns named like a field map to it, others to custom fields."""
    header = list(row)
    columns = {name: place for place, name in enumerate(header) if name in LEAD_FIELDS.targets}
    if "contact_name" not in {*columns, *(sets or {})}:
        sets = {**(sets or {}), "contact_name": "Ann Lee"}
    plan = ImportPlan(header, columns, sets or {})
    return RowReader(plan, CONTEXT, [[*row.values()]], table=LEADS, source_detail="leads.csv", notation=notation)


def read_row(sets: dict[str, str] | None = None, notation: Notation = UNDECIDED, **row: str) -> dict:
    """Return the values of a lead for a row."""
    reader = make_reader(sets, notation, **row)
    return dict(zip(STAGED_LEAD_COLUMNS, reader.read_row(7, TableRow(2, [*row.values()])), strict=True))


def refusal_message(**row: str) -> str:
    with pytest.raises(RowRejected) as refusal:
        read_row(**row)
    return str(refusal.value)


def doubt_about(**row: str) -> tuple[str, dict]:
    """Return what the report says of the only cell of `row` that does not fit, and the custom fields of the lead."""
    reader = make_reader(**row)
    lead = dict(zip(STAGED_LEAD_COLUMNS, reader.read_row(7, TableRow(2, [*row.values()])), strict=True))
    (doubt,) = reader.doubts.first
    return doubt.removeprefix("line 2: "), json.loads(lead["custom_fields"])


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
        ("expected_close_date", "Freitag, 4. März 2026", date(2026, 3, 4)),
        ("expected_close_date", "4 de marzo de 2026", date(2026, 3, 4)),
        ("expected_close_date", "le 4 mars 2026".removeprefix("le "), date(2026, 3, 4)),
        ("expected_close_date", "20260304", date(2026, 3, 4)),
        ("estimated_value", "1.2M", Decimal("1200000")),
        ("estimated_value", "15K", Decimal("15000")),
        ("estimated_value", "2.5 MM", Decimal("2500000")),
        ("estimated_value", "3B", Decimal("3000000000")),
        ("estimated_value", "$12.5k", Decimal("12500")),
        ("estimated_value", "USD 40K", Decimal("40000")),
        ("estimated_value", "3,5 Mio. €", Decimal("3500000")),
        ("estimated_value", "12 Tsd. EUR", Decimal("12000")),
        ("estimated_value", "US$ 1200", Decimal("1200")),
        ("estimated_value", "₹ 1200", Decimal("1200")),
        ("estimated_value", "1 200,50 zł", Decimal("1200.5")),
        ("estimated_value", "1.234.567", Decimal("1234567")),
        ("estimated_value", "1.500 €", Decimal("1500")),
        ("estimated_value", "1234.500", Decimal("1234.5")),
        ("estimated_value", "-None-", None),
        ("contact_phone", "p:+15550104001", "+15550104001"),
        ("contact_phone", "tel: 0171/555010", "0171/555010"),
        ("contact_phone", "+49 89 5550100, 0171 5550100", "+49 89 5550100"),
        ("contact_phone", "555-0100, ext 12", "555-0100, ext 12"),
        ("contact_email", "Ada Ash <ada@example.com>", "ada@example.com"),
        ("contact_email", "a@b.example; c@d.example", "a@b.example"),
        ("contact_email", "wrong, c@d.example", "c@d.example"),
        ("source_type", "Trade Show", "EVENT"),
        ("source_type", "Empfehlung", "REFERRAL"),
        ("source_detail", "-None-", "leads.csv"),
        ("status", "Closed Won", "CLOSED_WON"),
        ("status", "closedlost", "CLOSED_LOST"),
        ("status", "6 - Perdu", "CLOSED_LOST"),
        ("status", "Closed - Not Converted", "CLOSED_UNQUALIFIED"),
        ("status", "Open - Not Contacted", "NEW_OPPORTUNITIES"),
        ("tags", "vip; fleet,vip|renewal", ["vip", "fleet", "renewal"]),
        ("tags", "vip|VIP|Vip", ["vip"]),
        ("tags", "vip;renewal;", ["vip", "renewal"]),
        ("tags", '["vip", "renewal"]', ["vip", "renewal"]),
        ("tags", "a,,b", ["a", "b"]),
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
        ("contact_email", "a" * 250 + "@example.com", "is longer than 254 characters"),
        ("contact_phone", "call me", "is not a phone number"),
        ("contact_phone", "5.55E+11", "is a phone number that a spreadsheet has rounded"),
        ("contact_phone", "5" * 41, "is longer than 40 characters"),
        ("company_name", "x" * 201, "is longer than 200 characters"),
        ("company_website", "javascript:alert(1)", "is not a web address"),
        ("company_website", "ftp://acme.example", "is not a web address"),
        ("client_type", "Alien", "is not one of: Individual, Business"),
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
        ("estimated_value", "1.0055", "has more than 2 decimals"),
        ("estimated_value", "£1,200.999", "has more than 2 decimals"),
        ("estimated_value", "5 apples", "is not a number"),
        ("estimated_value", "1.500", "can be read in two ways"),
        ("expected_close_date", "03/04/2027", "can be read in two ways"),
        ("status", "Closed - Duplicate", "is a stage of ended leads, but does not say how they ended"),
        ("status", "Proposal", "is not a stage"),
        ("do_not_email", "perhaps", "is neither yes nor no"),
        ("loss_reason", "Budget", "is about a loss, but the stage is not a lost one"),
        ("expected_close_date", "soon", "is not a date"),
        ("expected_close_date", "31.02.2026", "is not a real date"),
        ("tags", "a" * 61, "has a tag with more than 60 characters"),
    ],
)
def test_cell_that_does_not_fit_is_kept_as_text_and_reported(field, text, reason):
    doubt, custom_fields = doubt_about(**{field: text})
    assert doubt.startswith(f"{field} “{text[:60]}")
    assert reason in doubt
    assert {name: str(value) for name, value in custom_fields.items()} == {field: text}


@pytest.mark.parametrize("bad", ["\x00", "\x01", "\x1b", "\x7f", "\udcff"])
def test_control_character_refuses_row(bad):
    assert "hobby “a\ufffdb” contains a control character" in refusal_message(hobby=f"a{bad}b")


def test_row_without_name_is_called_by_company_address_or_phone():
    assert read_row(contact_name=" ", contact_email="a@b.example", company_name="Acme")["contact_name"] == "Acme"
    assert read_row(contact_name=" ", contact_email="a@b.example")["contact_name"] == "a@b.example"
    assert read_row(contact_name=" ", contact_phone="555 0100")["contact_name"] == "555 0100"


def test_row_about_no_person_is_refused():
    assert refusal_message(contact_name="  ", hobby="chess") == "The row has no name, company, address or phone."


def test_name_with_address_is_split():
    row = read_row(contact_name="Zed One (zed@b.example);Zoe Two (zoe@b.example)")
    assert (row["contact_name"], row["contact_email"]) == ("Zed One", "zed@b.example")
    assert "Zoe Two" in row["custom_fields"]
    assert json.loads(read_row(contact_name="Ava Stone <ava@b.example>")["custom_fields"]) == {}


def test_several_addresses_and_phones_are_kept():
    row = read_row(contact_email="a@b.example, c@d.example", contact_phone="+49 89 5550100; 0171 5550100")
    assert json.loads(row["custom_fields"]) == {
        "contact_email": "a@b.example, c@d.example",
        "contact_phone": "+49 89 5550100; 0171 5550100",
    }


@pytest.mark.parametrize(
    ("row", "communications"),
    [
        ({"do_not_email": "true"}, {"email": {"do_not_contact": True}}),
        ({"do_not_call": "no"}, {"phone": {"do_not_contact": False}}),
        ({"do_not_email": "2024-01-02 10:00"}, {"email": {"do_not_contact": True}}),
        ({"do_not_email": "subscribed"}, {"email": {"do_not_contact": False}}),
        ({"email_consent": "Opted out"}, {"email": {"consent": False}}),
        ({"do_not_contact": "x"}, dict.fromkeys(("email", "phone", "sms"), {"do_not_contact": True})),
        (
            {"do_not_contact": "0", "do_not_text": "1"},
            {"email": {"do_not_contact": False}, "phone": {"do_not_contact": False}, "sms": {"do_not_contact": True}},
        ),
        (
            {"do_not_contact": "1", "do_not_text": "no"},
            dict.fromkeys(("email", "phone", "sms"), {"do_not_contact": True}),
        ),
        ({"do_not_email": ""}, {}),
    ],
)
def test_refusal_and_consent_become_communications(row, communications):
    lead = read_row(**row)
    assert json.loads(lead["communications"]) == communications
    assert json.loads(lead["custom_fields"]) == {}


def test_foreign_name_of_a_value_is_kept():
    row = read_row(status="Closed - Converted", source_type="Trade Show")
    assert json.loads(row["custom_fields"]) == {"status": "Closed - Converted"}
    assert row["source_detail"] == "Trade Show"
    assert read_row(source_type="Pigeon")["source_type"] == "IMPORT"
    assert read_row(source_type="Pigeon")["source_detail"] == "Pigeon"
    lost = read_row(status="lost", loss_reason="Too expensive")
    assert (lost["loss_reason"], lost["loss_notes"]) == ("", "Too expensive")


def test_first_column_that_is_filled_and_fits_counts():
    header, columns = ["Work", "Home", "Other", "Name"], {"contact_email": 0, "contact_name": 3}
    plan = ImportPlan(header, columns, {}, {"contact_email": (1, 2)})
    reader = RowReader(plan, CONTEXT, [], table=LEADS, source_detail="")

    def read(*cells: str) -> tuple[str, dict]:
        lead = dict(zip(STAGED_LEAD_COLUMNS, reader.read_row(1, TableRow(2, [*cells, "Ann"])), strict=True))
        return lead["contact_email"], json.loads(lead["custom_fields"])

    assert read("", "h@x.example", "o@x.example") == ("h@x.example", {"Other": "o@x.example"})
    assert read("w@x.example", "h@x.example", "") == ("w@x.example", {"Home": "h@x.example"})
    assert read("wrong", "h@x.example", "") == ("h@x.example", {"Work": "wrong"})


def test_any_column_that_says_closed_closes_the_lead():
    plan = ImportPlan(["Stage", "Status", "Name"], {"status": 0, "contact_name": 2}, {}, {"status": (1,)})
    reader = RowReader(plan, CONTEXT, [], table=LEADS, source_detail="")

    def read(*cells: str) -> str:
        return dict(zip(STAGED_LEAD_COLUMNS, reader.read_row(1, TableRow(2, [*cells, "Ann"])), strict=True))["status"]

    assert read("new", "Won") == "CLOSED_WON"
    assert read("lost", "Open") == "CLOSED_LOST"
    assert read("Proposal", "Won") == "CLOSED_WON"


def test_replaced_value_is_read_and_its_text_kept():
    plan = ImportPlan(["Stage", "Name"], {"status": 0, "contact_name": 1}, {})
    reader = RowReader(plan, CONTEXT, [], table=LEADS, source_detail="", values={0: {"bound!": "won", "junk": ""}})
    lead = dict(zip(STAGED_LEAD_COLUMNS, reader.read_row(1, TableRow(2, ["Bound!", "Ann"])), strict=True))
    assert (lead["status"], json.loads(lead["custom_fields"])) == ("CLOSED_WON", {"Stage": "Bound!"})
    assert reader.read_row(2, TableRow(3, ["Junk", "Ann"]))[STAGED_LEAD_COLUMNS.index("status")] == "NEW_OPPORTUNITIES"
    assert reader.doubts.first == []


def test_row_with_wrong_cell_count_is_refused():
    reader = RowReader(
        ImportPlan(["contact_name", "x"], {"contact_name": 0}, {}), CONTEXT, [], table=LEADS, source_detail=""
    )
    for cells in (["Ann"], ["Ann", "b", "c"]):
        with pytest.raises(RowRejected, match=f"has {len(cells)} cells? instead of 2"):
            reader.read_row(1, TableRow(2, cells))
    assert reader.read_row(1, TableRow(2, ["Ann", "b", "", ""]))


def test_loss_reason_needs_lost_stage():
    assert read_row(status="lost", loss_reason="Stopped answering")["loss_reason"] == "GHOSTED"
    assert read_row(status="won", loss_reason="Budget")["loss_reason"] == ""


def test_closing_date_follows_the_stage_of_each_row():
    assert read_row(status="won", closed_at="2020-05-06")["closed_at"].date() == date(2020, 5, 6)
    still_open = read_row(status="new", closed_at="2020-05-06")
    assert (still_open["closed_at"], still_open["expected_close_date"]) == (None, date(2020, 5, 6))
    assert "is in the future" in doubt_about(status="won", closed_at="2999-01-01")[0]
    contradiction = doubt_about(status="new", closed_at="2020-05-06", expected_close_date="2021-01-01")
    assert contradiction[1] == {"closed_at": "2020-05-06"}


@pytest.mark.parametrize(
    ("header", "is_actual"),
    [
        ("Close Date", True),
        ("Abschlussdatum", True),
        ("Date de clôture", True),
        ("Expected close date", False),
        ("Voraussichtliches Abschlussdatum", False),
        ("Fecha de cierre prevista", False),
    ],
)
def test_close_date_of_closed_row_is_when_it_was_closed(header, is_actual):
    plan = ImportPlan([header, "Stage", "Name"], {"expected_close_date": 0, "status": 1, "contact_name": 2}, {})
    reader = RowReader(plan, CONTEXT, [], table=LEADS, source_detail="")
    lead = dict(zip(STAGED_LEAD_COLUMNS, reader.read_row(1, TableRow(2, ["2023-02-01", "Won", "Ann"])), strict=True))
    assert bool(lead["closed_at"]) == is_actual


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


@pytest.mark.parametrize(
    ("texts", "mark"),
    [
        (["1.234", "12,5"], ","),
        (["1,234", "12.5"], "."),
        (["1.234.567"], ","),
        (["1'200.50", "1.500"], "."),
        (["1.234"], ""),
        (["500", "1.500", "12,000"], ""),
        (["1.5", "1,5"], ""),
        (["$1,500", "1.2M"], "."),
    ],
)
def test_decimal_mark_is_what_all_cells_of_the_column_show(texts, mark):
    assert decimal_mark_of_column(texts) == mark


def test_number_with_two_readings_needs_the_mark_of_its_column():
    assert AmountParser(12, 2, ",")("1.234") == 1234
    with pytest.raises(InvalidCell, match="more than 2 decimals"):
        AmountParser(12, 2, ".")("1.234")
    with pytest.raises(AmbiguousCell):
        AmountParser(12, 2, "")("1.234")
    assert AmountParser(12, 2, "")("1.234,5") == Decimal("1234.5")
    assert read_row(notation=Notation(decimal=","), estimated_value="1.500")["estimated_value"] == 1500


def test_date_column_uses_one_day_month_order():
    assert date_order_of_column(["01/02/2026", "25/02/2026"]) == "dmy"
    assert date_order_of_column(["01/02/2026", "02/25/2026"]) == "mdy"
    assert date_order_of_column(["01/02/2026"]) == ""
    assert date_order_of_column(["01-02-26"]) == ""
    assert date_order_of_column(["01.02.2026"]) == "dmy"
    assert date_order_of_column(["25/08/2027", "08/25/2027"]) == ""
    assert DateParser("dmy")("01/02/2026") == date(2026, 2, 1)
    assert DateParser("")("03/03/2026") == date(2026, 3, 3)
    assert DateParser("")("25/02/2026") == date(2026, 2, 25)
    with pytest.raises(InvalidCell, match="is not a real date"):
        DateParser("dmy")("02/25/2026")
    with pytest.raises(AmbiguousCell):
        DateParser("")("01/02/2026")
    assert read_row(notation=Notation(dates="dmy"), closed_at="03/04/2020", status="won")["closed_at"].month == 4


def test_question_shows_both_readings():
    reader = make_reader(estimated_value="1.500")
    reader.read_row(1, TableRow(2, ["1.500"]))
    (question,) = reader.questions
    assert str(question) == "estimated_value: “1.500” is 1.5, or 1,500?"
    assert question.command_text == "estimated_value: “1.500” is 1.5 (--decimal .), or 1,500 (--decimal ,)?"


def test_every_field_has_a_parser():
    for field in STAGED_LEAD_COLUMNS[1:-6]:
        assert callable(parser_for_field(field, CONTEXT, []))
