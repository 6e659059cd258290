"""Tests of exporting leads and importing the file again."""

import csv
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import openpyxl
import pytest
from django.core.management import CommandError, call_command
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from crm.records.activity import SYSTEM_ACTOR
from crm.screens.export import csv_file
from leads.exporting import line_answers
from leads.importing.transitions import import_file
from leads.models import InsuranceType, Lead, Tier
from leads.transitions import create_lead
from tests.cast import allow_export, make_lead, make_policy, make_user
from tests.examples import examples

COMPARED_COLUMNS = (
    *("contact_name", "contact_email", "contact_phone", "company_name", "client_type", "source_type", "source_detail"),
    *("assigned_to_id", "status_id", "insurance_type_id", "tier_override", "estimated_value", "expected_close_date"),
    *("tags", "notes", "custom_fields"),
)
# These columns say how a lead stands; an import keeps them as custom fields.
COMPUTED_COLUMNS = ("Current tier", "Current score", "Win probability", "Last contact")
WORDS = st.text(alphabet="ab 'é=+-@;,\"\n\t1", max_size=12)
LINES = WORDS.map(lambda text: " ".join(text.split()))


@pytest.mark.django_db
def test_command_writes_visible_leads(tmp_path, ann, bob, capsys):
    allow_export(ann)
    make_lead(contact_name="Mine", assigned_to=ann)
    make_lead(contact_name="Hidden", assigned_to=bob)
    file = tmp_path / "leads.csv"
    call_command("export_leads", str(file), "--user", "ann")
    assert capsys.readouterr().out == f"Leads exported to {file}: 1.\n"
    assert "Mine" in file.read_text("utf-8-sig") and "Hidden" not in file.read_text("utf-8-sig")
    with pytest.raises(CommandError, match="exists"):
        call_command("export_leads", str(file), "--user", "ann")


@pytest.mark.django_db
def test_command_writes_an_excel_file(tmp_path, max, capsys):
    make_lead(contact_name="Mine")
    file = tmp_path / "leads.xlsx"
    call_command("export_leads", str(file), "--user", "max")
    assert openpyxl.load_workbook(file).active["A2"].value == "Mine"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.django_db
def test_command_that_fails_leaves_no_file(tmp_path, max, monkeypatch):
    make_lead(contact_name="Mine")
    monkeypatch.setattr(csv_file, "csv_cell", lambda value: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        call_command("export_leads", str(tmp_path / "leads.csv"), "--user", "max")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("options", "refusal"),
    [
        (["--user", "nobody"], "There is no active user “nobody”."),
        (["--user", "max", "--list", "colour=red"], "The filter “colour” is unknown or invalid."),
        (["--user", "ann"], "Ann may not export lists."),
    ],
)
def test_command_refuses_bad_input(tmp_path, ann, max, options, refusal):
    with pytest.raises(CommandError, match=refusal):
        call_command("export_leads", str(tmp_path / "leads.csv"), *options)
    assert list(tmp_path.iterdir()) == []


def exported_rows(page, list_url: str) -> list[dict[str, str]]:
    text = b"".join(page.post(f"{list_url}export/").streaming_content).decode("utf-8-sig")
    return list(csv.DictReader(StringIO(text, newline="")))


@pytest.mark.django_db
def test_answers_to_the_questions_of_lines_are_columns(as_max):
    make_lead(
        contact_name="Amy",
        auto_data={"vin": "1HGCM82633A004352", "renewal_date": "2026-03-01", "schema_version": 1, "old_key": 5},
        line_data={"umbrella": {"limit": 1_000_000, "current_carrier": "Harbor"}, "gone_line": {"deck": True}},
        custom_fields={"Auto: VIN": "mine"},
    )
    make_lead(contact_name="Bea", home_data={"pool": False, "claims": [{"cause": "hail", "paid": 12.5}]})
    make_lead(contact_name="Cid", line_data={"umbrella": "unreadable"}, auto_data={"current_carrier": "Other"})
    rows = {row["Name"]: row for row in exported_rows(as_max, "/leads/lead/")}
    amy, bea, cid = rows["Amy"], rows["Bea"], rows["Cid"]
    assert [heading for heading in amy if ":" in heading] == [
        *("Auto: VIN", "Auto: Current carrier", "Auto: Renewal date", "Auto: Old key", "Gone line: Deck"),
        *("Home: Pool", "Home: Claims", "Umbrella: Limit", "Umbrella: Current carrier", "Custom field: Auto: VIN"),
    ]
    assert (amy["Auto: VIN"], amy["Auto: Renewal date"], amy["Auto: Old key"]) == (
        "1HGCM82633A004352",
        "2026-03-01",
        "5",
    )
    assert (amy["Umbrella: Limit"], amy["Umbrella: Current carrier"]) == ("1000000", "Harbor")
    assert (amy["Gone line: Deck"], amy["Custom field: Auto: VIN"]) == ("yes", "mine")
    assert (bea["Home: Pool"], bea["Home: Claims"]) == ("no", '[{"paid": 12.5, "cause": "hail"}]')
    assert (cid["Umbrella: Limit"], cid["Auto: Current carrier"]) == ("", "Other")


@pytest.mark.django_db
def test_answers_of_policies_are_columns_of_their_line(as_max):
    make_policy(line="auto", data={"current_carrier": "One"})
    make_policy(line="home", data={"current_carrier": "Two"})
    rows = exported_rows(as_max, "/leads/policy/")
    columns = ("Auto: Current carrier", "Home: Current carrier")
    assert sorted(tuple(row[name] for name in columns) for row in rows) == [("", "Two"), ("One", "")]


@pytest.mark.django_db
def test_lines_and_questions_with_the_same_name_are_told_apart(as_max):
    InsuranceType.objects.filter(code="home").update(name="Auto")
    questions = {"properties": {"a": {"title": "Age"}, "b": {"title": "Age"}}}
    InsuranceType.objects.filter(code="auto").update(form_schema=questions)
    make_lead(auto_data={"a": 1, "b": 2}, home_data={"pool": True})
    (row,) = exported_rows(as_max, "/leads/lead/")
    assert (row["Auto (auto): Age (a)"], row["Auto (auto): Age (b)"], row["Auto (home): Pool"]) == ("1", "2", "yes")


@pytest.mark.django_db
def test_too_many_questions_share_a_column(as_max, monkeypatch):
    monkeypatch.setattr(line_answers, "MAX_QUESTION_COLUMNS", 1)
    make_lead(auto_data={"a": 1, "b": 2})
    assert exported_rows(as_max, "/leads/lead/")[0]["Auto: Answers"] == '{"a": 1, "b": 2}'


@pytest.mark.django_db
def test_imported_export_brings_the_answers_to_the_questions_of_lines_back(tmp_path, max):
    answers = {"vin": "1HGCM82633A004352", "use": "commute", "annual_mileage": 12_000, "renewal_date": "2027-03-31"}
    make_lead(
        contact_name="Amy",
        contact_email="amy@example.com",
        auto_data={**answers, "schema_version": 1},
        home_data={"pool": False, "claims": [{"cause": "hail"}]},
        line_data={"umbrella": {"limit": 1_000_000}},
    )
    file = tmp_path / "leads.csv"
    call_command("export_leads", str(file), "--user", "max", stdout=StringIO())
    Lead.everything.all().delete()
    import_file(file, by=SYSTEM_ACTOR)
    lead = Lead.objects.get()
    versions = {line.code: {"schema_version": line.schema_version} for line in InsuranceType.objects.all()}
    assert lead.auto_data == answers | versions["auto"]
    assert lead.home_data == {"pool": False} | versions["home"]
    assert lead.line_data == {"umbrella": {"limit": 1_000_000} | versions["umbrella"]}
    assert [key for key in lead.custom_fields if ":" in key] == ["Home: Claims"], "lists are kept as text"


@pytest.mark.django_db
def test_questions_with_the_same_name_come_back_by_their_keys(tmp_path, max):
    questions = {"properties": {"a": {"title": "Age", "type": "number"}, "b": {"title": "Age", "type": "number"}}}
    InsuranceType.objects.filter(code="auto").update(form_schema=questions)
    make_lead(auto_data={"a": 1, "b": 2})
    file = tmp_path / "leads.csv"
    call_command("export_leads", str(file), "--user", "max", stdout=StringIO())
    Lead.everything.all().delete()
    import_file(file, by=SYSTEM_ACTOR)
    data = Lead.objects.get().auto_data
    assert (data["a"], data["b"]) == (1, 2)
    file.write_text("Name,Auto: Age\nBea,3\n")
    import_file(file, by=SYSTEM_ACTOR)
    bea = Lead.objects.get(contact_name="Bea")
    assert (bea.auto_data, bea.custom_fields) == ({}, {"Auto: Age": 3}), "either question could be meant"


class TestRoundTrip(TestCase):
    @settings(deadline=None, max_examples=examples(45))
    @given(
        names=st.lists(LINES.filter(lambda text: any(char.isalpha() for char in text)), min_size=1, max_size=3),
        notes=WORDS,
        company=LINES,
        value=st.none() | st.decimals("0", "99999.99", places=2),
        tags=st.lists(st.sampled_from(["vip", "=sum", "-x", "'quoted"]), unique=True),
        custom=st.dictionaries(st.sampled_from(["Pet", "Plan", "Shoe size"]), LINES.filter(bool)),
        tier=st.none() | st.sampled_from(Tier.values),
    )
    def test_imported_export_is_the_same(self, names, notes, company, value, tags, custom, tier):
        max = make_user("max", "manager")
        for number, name in enumerate(names):
            lead = Lead(
                contact_name=name,
                contact_email=f"lead{number}@example.com",
                contact_phone=f"+49 731 12345{number}",
                company_name=company,
                source_detail="Fair",
                notes=notes.strip(),
                estimated_value=value,
                tags=tags,
                custom_fields=custom,
                tier_override=tier,
                assigned_to=max,
            )
            create_lead(lead, by=SYSTEM_ACTOR)
        before = compared_rows()
        with TemporaryDirectory() as folder:
            file = Path(folder) / "leads.csv"
            call_command("export_leads", str(file), "--user", "max", stdout=StringIO())
            Lead.everything.all().delete()
            import_file(file, by=SYSTEM_ACTOR)
        assert compared_rows() == before


def compared_rows() -> list[dict]:
    rows = list(Lead.objects.order_by("contact_email").values(*COMPARED_COLUMNS))
    for row in rows:
        row["custom_fields"] = {k: str(v) for k, v in row["custom_fields"].items() if k not in COMPUTED_COLUMNS}
    return rows
