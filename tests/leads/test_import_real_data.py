"""Tests of importing public files."""

import csv
import json
from pathlib import Path

import pytest
from django.conf import settings

from crm.records.activity import SYSTEM_ACTOR
from leads.importing.transitions import import_file
from leads.models import Lead

DATA = settings.BASE_DIR.parent / "shared" / "data"
LEADS = DATA / "leads"
NAUGHTY = DATA / "csv" / "blns" / "resources" / "blns.json"
SPECTRUM = sorted((DATA / "csv" / "csv-spectrum" / "csvs").glob("*.csv"))
APPLICANT = {"contact_name": "Applicant {row}"}
FILES = {
    # file: template of the name, rows, imported, duplicates, refused
    "x_education_3000.csv": (APPLICANT, 3000, 3000, 0, 0),
    "bank_marketing_45211.csv": (APPLICANT, 45_211, 45_211, 0, 0),
    "maven_sales_pipeline.csv": ({"contact_name": "{account}"}, 8800, 7375, 0, 1425),
    "insurance_claims_300.csv": (APPLICANT, 300, 300, 0, 0),
}

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not LEADS.exists(), reason="the public data sets are absent"),
]


@pytest.mark.parametrize("name", FILES)
def test_every_row_of_public_files_is_accounted_for(name):
    names, *expected = FILES[name]
    outcome = import_file(LEADS / name, by=SYSTEM_ACTOR, field_templates=names)
    assert [outcome.rows_read, outcome.imported, outcome.duplicates, outcome.rejected] == expected
    assert Lead.objects.count() == outcome.imported


def test_unknown_columns_are_kept_exactly():
    path = LEADS / "insurance_claims_300.csv"
    import_file(path, by=SYSTEM_ACTOR, field_templates=APPLICANT)
    with path.open(newline="") as file:
        source = list(csv.DictReader(file))
    for lead, row in zip(Lead.objects.order_by("id"), source, strict=True):
        stored = {**lead.custom_fields, "policy_annual_premium": f"{lead.estimated_value.normalize():f}"}
        assert {key: str(value) for key, value in stored.items()} == {key: text for key, text in row.items() if text}


def test_sales_pipeline_stages_and_dates_are_recognised():
    outcome = import_file(
        LEADS / "maven_sales_pipeline.csv", by=SYSTEM_ACTOR, field_templates={"contact_name": "{account}"}
    )
    assert list(outcome.reason_counts.values()) == [1425]
    assert Lead.objects.filter(status="CLOSED_WON").count() == 4238
    assert Lead.objects.filter(status="CLOSED_LOST").count() == 2473
    lead = Lead.objects.get(custom_fields__opportunity_id="1C1I7A6R")
    assert (str(lead.expected_close_date), lead.estimated_value) == ("2017-03-01", 1054)


def naughty() -> list[str]:
    return json.loads(NAUGHTY.read_text())


def test_naughty_strings_are_stored_or_refused(tmp_path):
    path = write(tmp_path / "naughty.csv", ["who", "what"], [[f"Name {n}", text] for n, text in enumerate(naughty())])
    outcome = import_file(path, by=SYSTEM_ACTOR, column_fields={"who": "contact_name", "what": "notes"})
    assert (outcome.rows_read, outcome.rows_read) == (len(naughty()), outcome.imported + outcome.rejected)
    assert all("contains a control character" in kind for kind in outcome.reason_counts)
    for lead in Lead.objects.order_by("id"):
        text = naughty()[int(lead.contact_name.split()[1])]
        assert lead.notes == text.strip().replace("\r\n", "\n").replace("\r", "\n")


@pytest.mark.parametrize(
    "field",
    ["contact_name", "contact_email", "contact_phone", "company_website", "status", "estimated_value"]
    + ["expected_close_date", "overall_score", "tags", "assigned_to", ""],
)
def test_naughty_strings_break_no_field(tmp_path, field):
    header = ["who", "what"] if field else ["who", "<b>'\"; DROP TABLE leads; --"]
    path = write(tmp_path / "naughty.csv", header, [["Ann", text] for text in naughty()])
    column_fields = {"what": field} if field == "contact_name" else {"who": "contact_name", header[1]: field}
    outcome = import_file(path, by=SYSTEM_ACTOR, column_fields=column_fields, errors=tmp_path / "errors.csv")
    assert outcome.rows_read == len(naughty()) == outcome.imported + outcome.rejected + outcome.duplicates
    assert Lead.objects.count() == outcome.imported


@pytest.mark.parametrize("path", SPECTRUM, ids=lambda path: path.stem)
def test_corner_cases_are_imported_row_by_row(path):
    rows = len(json.loads((path.parent.parent / "json" / f"{path.stem}.json").read_text()))
    outcome = import_file(path, by=SYSTEM_ACTOR, field_templates={"contact_name": "Person {row}"})
    assert (
        outcome.imported + outcome.rejected == outcome.rows_read == (1 if path.stem == "location_coordinates" else rows)
    )


def write(path: Path, header: list[str], rows: list[list[str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path
