"""Tests of the targets of columns beside the fields of a lead: questions of lines, named custom fields, nothing."""

from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.urls import reverse

from crm.exceptions import InvalidInput
from crm.records.activity import SYSTEM_ACTOR
from leads.importing.batches.transitions import upload_file
from leads.importing.transitions import import_file
from leads.models import ImportBatch, InsuranceType, Lead
from tests.cast import browser, make_lead, page_text
from tests.leads.import_files import undo

pytestmark = pytest.mark.django_db
VIN = "1HGCM82633A004352"


@pytest.fixture
def run(tmp_path):
    def run_import(content: str, *, name: str = "people.csv", **options):
        path: Path = tmp_path / name
        path.write_text(content)
        return import_file(path, by=SYSTEM_ACTOR, **options)

    return run_import


def test_columns_answer_the_questions_of_lines(run):
    questions = {"VIN": "vin", "Year": "year", "Use": "use", "Miles": "annual_mileage", "End": "renewal_date"}
    fields = {column: f"auto.{key}" for column, key in questions.items()}
    rows = f"Name,VIN,Year,Use,Miles,End\nAnn,{VIN.lower()},2003,Commute,12000,2027-03-31\n"
    rows += "Bob,short,3,fly,,31/31/2027\n"
    outcome = run(rows, column_fields=fields)
    ann, bob = Lead.objects.order_by("id")
    assert ann.auto_data == {
        "vin": VIN,
        "year": 2003,
        "use": "commute",
        "annual_mileage": 12000,
        "renewal_date": "2027-03-31",
        "schema_version": InsuranceType.objects.get(code="auto").schema_version,
    }
    assert ann.custom_fields == {}
    assert (bob.auto_data, bob.custom_fields) == (
        {},
        {"VIN": "short", "Year": 3, "Use": "fly", "End": "31/31/2027"},
    )
    assert outcome.doubt_counts.total() == 4


def test_updates_unite_answers_of_every_line_and_their_undo_restores_them(run, max):
    line = InsuranceType.objects.get(code="umbrella")
    key = next(name for name, one in line.form_schema["properties"].items() if one.get("type") == "number")
    lead = make_lead(
        contact_name="Ann", contact_email="ann@x.example", line_data={"umbrella": {"x": 1}}, auto_data={"vin": VIN}
    )
    rows = "Name,Email,Limit,Make\nAnn,ann@x.example,500,Ford\n"
    fields = {"Limit": f"umbrella.{key}", "Make": "auto.make"}
    assert run(rows, column_fields=fields, duplicates="fill").updated == 1
    lead.refresh_from_db()
    assert lead.line_data == {"umbrella": {"x": 1, key: 500, "schema_version": line.schema_version}}
    assert (lead.auto_data["vin"], lead.auto_data["make"]) == (VIN, "Ford")
    assert run(rows, column_fields=fields, duplicates="update", name="again.csv").unchanged == 1
    undo(ImportBatch.objects.get(updated_count=1), by=max)
    lead.refresh_from_db()
    assert (lead.auto_data, lead.line_data) == ({"vin": VIN}, {"umbrella": {"x": 1}})


def test_lead_with_answers_fits_its_line(run):
    rows = f"Name,Email,Line,VIN,Make,Model,Year\nAnn,a@x.example,Auto,{VIN},Ford,T,2003\n"
    fields = {name: f"auto.{name.lower()}" for name in ("VIN", "Make", "Model", "Year")}
    run(rows, column_fields=fields)
    assert Lead.objects.get().auto_data["vin"] == VIN


def test_column_becomes_a_custom_field_with_another_name_or_is_left_out(run):
    fields = {"Pet": "custom:Animal", "Secret": "-"}
    run("Name,Pet,Secret,Size\nAnn,cat,x,2\n", column_fields=fields)
    assert Lead.objects.get().custom_fields == {"Animal": "cat", "Size": 2}


def test_renamed_identifier_still_finds_its_lead(run):
    fields = {"ID": "custom:HubSpot ID"}
    run("ID,Name\n7,Ann\n", column_fields=fields, key="ID")
    outcome = run("ID,Name,Company\n7,Ann,Acme\n", column_fields=fields, key="ID", duplicates="update", name="b.csv")
    assert outcome.updated == 1


def test_two_columns_of_tags_are_united(run):
    run("Name,A,B\nAnn,vip,VIP;fleet\nBob,,x\n", column_fields={"A": "tags", "B": "tags"})
    assert list(Lead.objects.order_by("id").values_list("tags", flat=True)) == [["vip", "fleet"], ["x"]]


@pytest.mark.parametrize(
    ("fields", "options", "sentence"),
    [
        ({"A": "custom:B"}, {}, "The columns “A” and “B” would become one custom field, “B”"),
        ({"A": "custom: "}, {}, "has 1 to 100 characters, not 0"),
        ({"A": "auto.wings"}, {}, "A lead has no field “auto.wings”"),
        ({"A": "-"}, {"key": "A"}, "identifies a row, so it cannot be left out"),
        ({"A": "auto.vin", "B": "auto.vin"}, {}, "The field auto.vin has two sources"),
    ],
)
def test_impossible_target_is_refused(run, fields, options, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        run("Name,A,B\nAnn,x,y\n", column_fields=fields, **options)
    assert not Lead.objects.exists()


def test_targets_are_chosen_on_the_page(own_storage, ann):
    make_lead(custom_fields={"Known pet": "cat"})
    batch = upload_file("people.csv", ContentFile(f"Name,VIN,Pet,Junk\nAnn,{VIN},cat,x\n".encode()), by=ann)
    url = reverse("admin:leads_importbatch_columns", args=[batch.pk])
    text = page_text(browser(ann).get(url))
    assert 'label="Auto"' in text and "Leave out" in text and '<option value="Known pet">' in text
    posted = {"field_0": "contact_name", "field_1": "auto.vin", "field_2": "", "name_2": "Animal", "field_3": "-"}
    browser(ann).post(url, posted)
    assert ImportBatch.objects.get().options["column_fields"] == {
        "VIN": "auto.vin",
        "Pet": "custom:Animal",
        "Junk": "-",
    }
    assert 'value="Animal"' in page_text(browser(ann).get(url))
