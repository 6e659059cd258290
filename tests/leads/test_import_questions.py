"""Tests of what an import asks instead of guessing, and of what it shows before it runs."""

import io
import re
from datetime import date
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from crm.records.activity import SYSTEM_ACTOR
from leads.importing.exceptions import QuestionsUnanswered
from leads.importing.files.charsets import rank_encodings
from leads.importing.files.tables import SAMPLE_ROWS
from leads.importing.transitions import import_file
from leads.importing.values.parsers import Notation
from leads.models import Lead

pytestmark = pytest.mark.django_db


@pytest.fixture
def write_file(tmp_path):
    def write(content: str | bytes) -> Path:
        path = tmp_path / "people.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.mark.parametrize(
    ("content", "question", "options"),
    [
        ("Name,Value\nAnn,1.500\n", "Value: “1.500” is 1.5 (--decimal .), or 1,500 (--decimal ,)?", {"decimal": ","}),
        (
            "Name,Close Date\nAnn,03/04/2027\n",
            "Close Date: “03/04/2027” is 3 April 2027 (--dates dmy), or 4 March 2027 (--dates mdy)?",
            {"dates": "dmy"},
        ),
    ],
)
def test_cell_with_two_readings_is_asked(write_file, content, question, options):
    path = write_file(content)
    with pytest.raises(QuestionsUnanswered) as stop:
        import_file(path, by=SYSTEM_ACTOR)
    assert [one.command_text for one in stop.value.questions] == [question]
    assert not Lead.objects.exists()
    outcome = import_file(path, by=SYSTEM_ACTOR, dry_run=True)
    assert [one.command_text for one in outcome.questions] == [question]
    assert import_file(path, by=SYSTEM_ACTOR, notation=Notation(**options)).imported == 1


def test_question_far_down_in_the_file_stops_the_import(write_file):
    path = write_file("Name,Value\n" + "Ann,5\n" * SAMPLE_ROWS + "Bob,1.500\n")
    with pytest.raises(QuestionsUnanswered, match=r"“1.500” is 1.5"):
        import_file(path, by=SYSTEM_ACTOR)
    assert not Lead.objects.exists()


def test_other_cells_of_the_column_answer_the_question(write_file):
    path = write_file("Name;Value;Close Date\nAnn;1.234,50 €;25/08/2027\nBob;1.500;03/04/2027\n")
    assert import_file(path, by=SYSTEM_ACTOR).imported == 2
    bob = Lead.objects.get(contact_name="Bob")
    assert (bob.estimated_value, bob.expected_close_date) == (1500, date(2027, 4, 3))


def test_stage_of_ended_leads_without_an_end_is_asked_and_mapped(write_file):
    path = write_file("Name,Stage\nAnn,Closed - Duplicate\nBob,Proposal\n")
    with pytest.raises(QuestionsUnanswered, match="Stage: “Closed - Duplicate” is won, or lost"):
        import_file(path, by=SYSTEM_ACTOR)
    values = {("Stage", "closed - duplicate"): "unqualified", ("stage", "Proposal"): "PROPOSAL_SENT"}
    assert import_file(path, by=SYSTEM_ACTOR, values=values).doubt_counts == {}
    assert list(Lead.objects.order_by("id").values_list("status_id", flat=True)) == [
        "CLOSED_UNQUALIFIED",
        "PROPOSAL_SENT",
    ]
    assert Lead.objects.get(contact_name="Bob").custom_fields == {"Stage": "Proposal"}


def test_closed_leads_of_other_systems_arrive_closed(write_file):
    rows = "Ann,Closed - Not Converted,2023-02-01\nBob,closedwon,2024-02-01\nCid,Working,2027-02-01\nDora,Perdu,\n"
    outcome = import_file(write_file("Name,Lead Status,Close Date\n" + rows), by=SYSTEM_ACTOR)
    assert outcome.doubt_counts.total() == 1
    leads = {lead.contact_name: lead for lead in Lead.objects.all()}
    assert {name: lead.status_id for name, lead in leads.items()} == {
        "Ann": "CLOSED_UNQUALIFIED",
        "Bob": "CLOSED_WON",
        "Cid": "NEW_OPPORTUNITIES",
        "Dora": "CLOSED_LOST",
    }
    assert leads["Ann"].closed_at.date() == date(2023, 2, 1)
    assert (leads["Cid"].closed_at, leads["Cid"].expected_close_date) == (None, date(2027, 2, 1))
    assert leads["Cid"].custom_fields == {"Lead Status": "Working"}


def test_column_of_which_few_cells_fit_keeps_its_meaning(write_file, max):
    rows = "Ann,Referral,max\nBob,Trade Show,Former Colleague\nCid,Google Ads,\n"
    outcome = import_file(write_file("Name,Lead Source,Owner\n" + rows), by=SYSTEM_ACTOR)
    assert (outcome.imported, outcome.doubt_counts.total()) == (3, 1)
    leads = Lead.objects.order_by("id").values_list("source_type", "source_detail", "assigned_to__username")
    assert list(leads) == [
        ("REFERRAL", "people.csv", "max"),
        ("EVENT", "Trade Show", None),
        ("IMPORT", "Google Ads", None),
    ]


def test_opt_outs_arrive_on_the_lead(write_file):
    content = "Full Name,Email,Email Opt Out,Do Not Call,HasOptedOutOfEmail\nAnn,a@x.example,false,Yes,true\n"
    import_file(write_file(content), by=SYSTEM_ACTOR)
    lead = Lead.objects.get()
    assert lead.communications == {"email": {"do_not_contact": True}, "phone": {"do_not_contact": True}}
    assert lead.custom_fields == {}


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "Hélène Muñoz\nÅsa Öberg, naïve"),
        ("cp1252", "João Conceição, Guimarães"),
        ("cp1252", "Niccolò, Però, Città"),
        ("cp1252", "Søren Kjær, Bjørn Læssøe"),
        ("iso8859_15", "Hélène Muñoz\nbudget 500 €"),
        ("cp1250", "Michał Gołąb, Łódź"),
        ("cp1250", "Jiří Dvořák, Plzeň"),
        ("iso8859_2", "Michał Gołąb, Świątek"),
        ("cp1254", "Şükrü Öztürk, Işık Çağlar"),
        ("cp1257", "Jānis Bērziņš, Rīga"),
    ],
)
def test_latin_alphabets_are_told_apart_by_their_words(encoding, text):
    likeliest, *_ = rank_encodings(text.encode(encoding))
    assert text.encode(encoding).decode(likeliest) == text


@pytest.mark.parametrize("text", ["Muñoz SL; José", "Niccolò, Però, Città", "Michèle Lefèvre", "Søren Møller"])
def test_accents_that_stand_where_one_language_puts_them_are_not_asked(text):
    assert rank_encodings(text.encode("cp1252")) == ["cp1252"]


@pytest.mark.parametrize("text", ["Анна Лебедева", "Γιώργος Παπαδόπουλος"])
def test_other_alphabets_are_no_latin_text(text):
    assert rank_encodings(text.encode("cp1251" if "А" in text else "cp1253")) == []


def test_letters_that_two_encodings_explain_are_asked(write_file):
    path = write_file("name;city\nJan Němec;Plzni\nEva;Brno\n".encode("cp1250"))
    with pytest.raises(QuestionsUnanswered) as stop:
        import_file(path, by=SYSTEM_ACTOR)
    asked = r"Jan Nìmec.*--encoding cp1252.*Jan Němec.*--encoding cp1250"
    assert re.search(asked, stop.value.command_text)
    assert "--" not in str(stop.value), "the screen has no options"
    preview = import_file(path, by=SYSTEM_ACTOR, dry_run=True).preview
    assert preview.encoding_samples[0]["cp1250"] == "Jan Němec;Plzni"
    import_file(path, by=SYSTEM_ACTOR, encoding="cp1250")
    assert Lead.objects.filter(contact_name="Jan Němec").exists()


def test_preview_holds_mapping_reasons_and_sample_rows(write_file, max):
    path = write_file("Name,Owner,Shoe size,Value\nAnn,max,42,1.5\nBob,max,43,50\nCid,,,\nDora,,,\n")
    preview = import_file(path, by=SYSTEM_ACTOR, dry_run=True, column_fields={"Shoe size": "notes"}).preview
    assert {one.field: (one.source, one.reason) for one in preview.mappings} == {
        "contact_name": ("Name", "by its name"),
        "assigned_to": ("Owner", "by its name and cells"),
        "notes": ("Shoe size", "chosen"),
        "estimated_value": ("Value", "by its name"),
    }
    assert [sample["contact_name"] for sample in preview.samples] == ["Ann", "Bob", "Cid"]
    assert [sample.get("estimated_value") for sample in preview.samples] == ["1.5", "50", None]


@pytest.mark.parametrize(("cells", "target"), [("02/28/2026", "closed_at"), ("yes", "history.is_closed")])
def test_column_called_closed_is_a_day_or_an_answer_by_its_cells(write_file, cells, target):
    path = write_file(f"Name,Email,Closed\nAnn,ann@example.com,{cells}\nBob,bob@example.com,\n")
    mappings = import_file(path, by=SYSTEM_ACTOR, dry_run=True).preview.mappings
    assert [one.field for one in mappings if one.source == "Closed"] == [target]


def test_command_asks_and_takes_the_answers(write_file):
    path = str(write_file("Name,Value,Stage,Close Date\nAnn,1.500,Bound!,03/04/2027\n"))
    with pytest.raises(CommandError, match=r"“1.500” is 1.5 \(--decimal .\)"):
        call_command("import_records", "leads", path, stderr=io.StringIO())
    out, err = io.StringIO(), io.StringIO()
    call_command("import_records", "leads", path, "--dry-run", stdout=out, stderr=err)
    assert "Question: Close Date: “03/04/2027” is 3 April 2027" in out.getvalue()
    assert "row 1: contact_name = Ann" in err.getvalue()
    answers = ["--decimal", ",", "--dates", "mdy", "--value", "Stage:Bound!=ACTIVE"]
    call_command("import_records", "leads", path, *answers, stdout=out, stderr=err)
    lead = Lead.objects.get()
    assert (lead.estimated_value, lead.status_id, lead.expected_close_date) == (1500, "ACTIVE", date(2027, 3, 4))
