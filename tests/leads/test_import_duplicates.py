"""Tests of finding rows that are leads already, or stand twice in a file."""

from pathlib import Path

import pytest

from crm.records.activity import SYSTEM_ACTOR
from crm.text.phones import phone_key
from leads.importing.transitions import import_file
from leads.models import ImportBatch, Lead
from tests.cast import make_lead

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(tmp_path):
    """Return a function that imports a file and returns the names of the new leads and the rules of the duplicates."""

    def run_import(content: str, name: str = "people.csv", **options) -> tuple[list[str], list[str]]:
        path: Path = tmp_path / name
        path.write_text(content)
        before = set(Lead.objects.values_list("pk", flat=True))
        outcome = import_file(path, by=SYSTEM_ACTOR, **options)
        new = Lead.objects.exclude(pk__in=before).order_by("id").values_list("contact_name", flat=True)
        return list(new), sorted({kind.rpartition(" the same ")[2].rstrip(".") for kind in outcome.reason_counts})

    return run_import


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("(555) 010-7777", "15550107777"),
        ("555-010-7777", "15550107777"),
        ("+1 555 010 7777", "15550107777"),
        ("011 49 171 555010", "49171555010"),
        ("+49 (0)171 555010", "49171555010"),
        ("+1 (555) 010-2300 ext. 12", "15550102300"),
        ("call me", ""),
        ("12345", ""),
        ("", ""),
    ],
)
def test_phone_key_is_equal_for_every_notation(text, key):
    assert phone_key(text, "US") == key


def test_country_of_phone_without_code_is_a_setting():
    assert phone_key("0171 555010", "DE") == phone_key("+49 171 555010", "US")


def test_one_phone_in_three_notations_is_one_lead(run):
    content = "Name,Phone\nPhil,(555) 010-7777\nPhil,555-010-7777\nPhil,+1 555 010 7777\nAnn,212 555 0177\n"
    assert run(content) == (["Phil", "Ann"], ["phone number"])
    assert run(content.replace("Phil,(", "Phil ,("), "other.csv") == ([], ["phone number"])


def test_phone_of_open_lead_is_found_in_any_notation(run):
    make_lead(contact_name="Phil", contact_phone="+1 555.010.7777 x12", contact_email="")
    make_lead(contact_name="Old", contact_phone="+1 555 010 8888", contact_email="", status_id="CLOSED_WON")
    make_lead(contact_name="Far", contact_phone="+44 20 3010 9999", contact_email="")
    rows = "Phil,5550107777\nOld,555-010-8888\nFar,(202) 301-09999\nNear,(920) 301-9999\n"
    assert run("Name,Phone\n" + rows) == (["Old", "Far", "Near"], ["phone number"])


def test_two_people_with_one_phone_and_two_addresses_are_two_leads(run):
    rows = "Ann,a@x.example,555 010 7777\nBob,b@x.example,555 010 7777\nAnn,ann@y.example,5550107777\nCid,,5550107777\n"
    assert run("Name,Email,Phone\n" + rows) == (["Ann", "Bob"], ["phone number"])


def test_name_and_company_make_a_duplicate(run):
    make_lead(contact_name="ANN LEE", company_name="acme", contact_email="")
    rows = "Ann Lee,Acme,\nAnn Lee,Other,\nann lee,OTHER,\nBob,Acme,\nBob,Acme,b@x.example\n"
    assert run("Name,Company,Email\n" + rows) == (["Ann Lee", "Bob"], ["name and company"])
    assert run("Name,Company,Email\nBob,Acme,\nBob,,\n", "more.csv") == (["Bob"], ["name and company"])


def test_same_name_and_company_with_other_addresses_are_two_leads(run):
    assert run("Name,Company,Email\nAnn,Acme,a@x.example\nAnn,Acme,b@x.example\n") == (["Ann", "Ann"], [])


def test_closed_deal_is_found_by_person_stage_day_and_value(run):
    header = "Name,Email,Stage,Amount,Close Date\n"
    row = "Ann,a@x.example,Won,1000,2023-02-01\n"
    assert run(header + row)[0] == ["Ann"]
    assert run(header + row + "Bob,b@x.example,Won,5,2023-02-01\n", "later.csv") == (["Bob"], ["address"])
    other_deals = "Ann,a@x.example,Won,1000,2024-02-01\nAnn,a@x.example,Lost,1000,2023-02-01\n"
    assert len(run(header + other_deals, "others.csv")[0]) == 2


def test_identifier_of_the_other_system_decides(run):
    header = "Record ID,Name,Company,Stage\n"
    assert len(run(header + "1,Ann,Acme,Active\n2,Ann,Acme,Active\n")[0]) == 2
    assert run(header + "1,Ann,Acme Ltd,Won\n3,Ann,Acme,Active\n", "later.csv") == (["Ann"], ["identifier"])


def test_identifier_of_a_stranger_is_no_duplicate_unless_chosen(run):
    assert run("ID,Name\n1,Ann\n")[0] == ["Ann"]
    assert run("ID,Name\n1,Bob\n", "other.csv") == (["Bob"], [])
    assert run("ID,Name\n1,Cid\n", "third.csv", key="id") == ([], ["identifier"])


def test_same_file_again_adds_nothing_and_is_named(run, tmp_path):
    content = "Name,Email,Stage\nWon Once,w@x.example,Won\nNo Mail,,New opportunities\n"
    assert len(run(content)[0]) == 2
    (batch,) = ImportBatch.objects.all()
    assert (batch.file_name, batch.record_count) == ("people.csv", 2)
    messages = []
    outcome = import_file(tmp_path / "people.csv", by=SYSTEM_ACTOR, tell=messages.append)
    assert (outcome.imported, outcome.duplicates) == (0, 2)
    assert outcome.former_imports == (str(batch),)
    assert any(message.startswith("This file is known: people.csv, imported on ") for message in messages)
    assert run(content, "renamed.csv")[0] == []


def test_dry_run_of_a_known_file_names_it(run, tmp_path):
    run("Name\nAnn\n")
    assert import_file(tmp_path / "people.csv", by=SYSTEM_ACTOR, dry_run=True).former_imports
    Lead.objects.all().delete()
    assert run("Name\nAnn\n")[0] == ["Ann"]
