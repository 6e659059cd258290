"""Importing a file: what becomes of its rows, what is said of them, and what is left unchanged."""

import csv
import io
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from procrastinate.contrib.django.models import ProcrastinateJob

from crm.exceptions import BadInput, IllegalMove, NotAllowed, Refused
from crm.models import ActivityLog
from crm.records.activity import SYSTEM
from crm.records.transitions import soft_delete
from leads.importing import staging
from leads.importing.staging import Staging
from leads.importing.transitions import import_leads
from leads.models import Lead, LeadStageHistory, LeadStatus
from leads.tasks import score_all
from tests.cast import make_lead, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def put(tmp_path):
    """Writes a file of leads."""

    def write(content: str | bytes, name: str = "people.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def rows_of(path: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO(path.read_text("utf-8-sig"), newline="")))


def counts(outcome) -> tuple[int, int, int, int]:
    assert outcome.read == outcome.imported + outcome.duplicates + outcome.refused
    return outcome.read, outcome.imported, outcome.duplicates, outcome.refused


def test_a_row_becomes_a_lead_with_all_it_says(put, max):
    path = put(
        "First Name,Last Name,Email,Phone,Company,Website,Stage,Line,Amount,Close Date,Tags,Owner,Shoe size\n"
        'Ann,Lee,Ann@Acme.example,555 0100,Acme,acme.example,Active,Auto,"1,250.00",31/12/2027,vip;fleet,max,42\n'
    )
    assert counts(import_leads(path, by=SYSTEM)) == (1, 1, 0, 0)
    lead = Lead.objects.get()
    assert (lead.contact_name, lead.contact_email, lead.contact_phone) == ("Ann Lee", "Ann@Acme.example", "555 0100")
    assert (lead.company_name, lead.company_website) == ("Acme", "https://acme.example")
    assert (lead.status_id, lead.insurance_type.code, lead.estimated_value) == ("ACTIVE", "auto", Decimal("1250.00"))
    assert (lead.expected_close_date, lead.tags, lead.assigned_to) == (date(2027, 12, 31), ["vip", "fleet"], max)
    assert (lead.source_type, lead.source_detail) == ("IMPORT", "people.csv")
    assert lead.custom_fields == {"Shoe size": 42}
    assert lead.is_open


def test_a_lead_of_an_import_is_one_like_any_other(put):
    make_lead(contact_name="Ann", contact_email="by@hand.example")
    import_leads(put("name,email\nAnn,by@file.example\n"), by=SYSTEM)
    assert ProcrastinateJob.objects.filter(task_name="leads.score_all").count() == 1
    score_all(timestamp=0)
    by_hand, by_file = Lead.objects.order_by("id")
    import_only = {"id", "contact_email", "source_type", "source_detail", "search_text"}
    times = {"created_at", "updated_at", "last_activity_at", "rank", "last_scored_at", "next_look_at"}
    for field in Lead._meta.fields:
        if field.name not in import_only | times:
            assert getattr(by_hand, field.name) == getattr(by_file, field.name), field.name
    assert all(getattr(by_file, name) for name in times)
    by_file.full_clean()


def test_every_lead_has_the_first_line_of_its_history(put, max):
    import_leads(put("name,stage\nAnn,Active\n"), by=max)
    lead = Lead.objects.get()
    first = LeadStageHistory.objects.get(lead=lead)
    assert (first.from_status_id, first.to_status_id, first.by) == (None, "ACTIVE", max)
    line = ActivityLog.objects.on_timeline_of(lead).get()
    assert (line.verb, line.summary, line.actor) == ("created", "Imported from people.csv, line 2", max)
    assert line.metadata["line"] == 2
    assert line.occurred_at == lead.created_at == lead.last_activity_at


def test_a_closed_stage_closes_the_lead_on_its_day(put):
    import_leads(put("name,stage,closed_at\nAnn,Won,2020-02-03\nBob,Lost,\nCid,Active,\n"), by=SYSTEM)
    closed = {lead.contact_name: lead.closed_at for lead in Lead.objects.all()}
    assert closed["Ann"].date() == date(2020, 2, 3)
    assert closed["Bob"] is not None
    assert closed["Cid"] is None


def test_the_order_of_the_file_is_the_order_of_the_board_above_older_leads(put):
    make_lead(contact_name="Older")
    import_leads(put("name\n" + "".join(f"Name {number:03}\n" for number in range(200))), by=SYSTEM)
    assert list(Lead.objects.order_by("rank", "id").values_list("contact_name", flat=True)) == [
        *(f"Name {number:03}" for number in range(200)),
        "Older",
    ]


def test_of_two_rows_with_an_address_the_first_wins_whatever_its_case(put):
    outcome = import_leads(put("name,email\nAnn,a@x.example\nBob,A@X.example\nCid,c@x.example\n"), by=SYSTEM)
    assert counts(outcome) == (3, 2, 1, 0)
    assert outcome.first == ["line 3: Duplicate: line 2 has the address A@X.example already."]
    assert not Lead.objects.filter(contact_name="Bob").exists()


def test_an_open_lead_with_the_address_makes_a_row_a_duplicate(put):
    known = make_lead(contact_email="a@x.example")
    outcome = import_leads(put("name,email\nAnn,A@x.example\nBob,a@X.example\n"), by=SYSTEM)
    assert counts(outcome) == (2, 0, 2, 0)
    assert f"the open lead {known.pk} has the address A@x.example already" in outcome.first[0]


def test_a_closed_or_deleted_lead_makes_no_duplicate(put):
    make_lead(contact_email="a@x.example", status_id="CLOSED_WON")
    soft_delete(make_lead(contact_email="b@x.example"), by=SYSTEM)
    assert counts(import_leads(put("name,email\nAnn,a@x.example\nBob,b@x.example\n"), by=SYSTEM)) == (2, 2, 0, 0)


def test_deals_that_are_over_may_share_an_address(put):
    path = put("name,email,stage\nAnn,a@x.example,Won\nAnn,a@x.example,Lost\nAnn,a@x.example,Active\n")
    assert counts(import_leads(path, by=SYSTEM)) == (3, 3, 0, 0)


def test_leads_without_an_address_are_never_duplicates(put):
    assert counts(import_leads(put("name,email\nAnn,\nAnn,\n"), by=SYSTEM)) == (2, 2, 0, 0)


def test_leads_are_made_in_chunks_and_none_is_lost_between_them(put, monkeypatch):
    monkeypatch.setattr(staging, "CHUNK", 3)
    said = []
    rows = "".join(f"Name {number},{number % 7}@x.example\n" for number in range(10))
    outcome = import_leads(put("name,email\n" + rows), by=SYSTEM, tell=said.append)
    assert counts(outcome) == (10, 7, 3, 0)
    assert [sentence for sentence in said if "made" in sentence] == [f"{n} leads made" for n in (3, 6, 7, 7)]
    assert Lead.objects.count() == LeadStageHistory.objects.count() == ActivityLog.objects.count() == 7


def test_a_second_import_of_a_file_adds_nothing(put):
    path = put("name,email\nAnn,a@x.example\nBob,b@x.example\n")
    import_leads(path, by=SYSTEM)
    assert counts(import_leads(path, by=SYSTEM)) == (2, 0, 2, 0)
    assert Lead.objects.count() == 2


def test_what_is_left_out_is_in_the_error_file_with_line_reason_and_cells(put, tmp_path):
    errors = tmp_path / "errors.csv"
    path = put(
        'name,email,note,score\nAnn,a@x.example,"two\nlines",1.01\n,b@x.example,,\nCid,c@x.example,,0.5\n'
        "Dora,C@x.example,=1+1,\nEve\n"
    )
    assert counts(import_leads(path, by=SYSTEM, errors=errors, maps={"score": "overall_score"})) == (5, 1, 1, 3)
    assert rows_of(errors) == [
        ["line", "reason", "name", "email", "note", "score"],
        ["2", "score “1.01” must lie between 0 and 1.", "Ann", "a@x.example", "two\nlines", "1.01"],
        ["4", "The row has no name.", "", "b@x.example", "", ""],
        ["7", "The row has not as many cells as there are columns (1, not 4); it may be cut off.", "Eve"],
        ["6", "Duplicate: line 5 has the address C@x.example already.", "Dora", "C@x.example", "=1+1", ""],
    ]


def test_a_corrected_error_file_is_imported_as_it_is(put, tmp_path):
    errors, again = tmp_path / "errors.csv", tmp_path / "again.csv"
    import_leads(put("name,email,hobby\nAnn,wrong,chess\n"), by=SYSTEM, errors=errors)
    errors.write_text(errors.read_text("utf-8-sig").replace(",wrong,", ",a@x.example,"))
    assert counts(import_leads(errors, by=SYSTEM, errors=again)) == (1, 1, 0, 0)
    assert Lead.objects.get().custom_fields == {"hobby": "chess"}
    assert rows_of(again) == [["line", "reason", "name", "email", "hobby"]]


def test_the_error_file_may_not_be_the_file_itself(put):
    path = put("name\nAnn\n")
    with pytest.raises(BadInput, match="must not be the file that is imported"):
        import_leads(path, by=SYSTEM, errors=path)
    assert path.read_text() == "name\nAnn\n"


def test_an_error_file_that_cannot_be_written_stops_the_import(put, tmp_path):
    with pytest.raises(BadInput, match="cannot be written: No such file"):
        import_leads(put("name\nAnn\n"), by=SYSTEM, errors=tmp_path / "nowhere" / "errors.csv")
    assert not Lead.objects.exists()


def test_reasons_are_counted_by_kind(put):
    rows = "".join(f"Name {number},wrong {number}\n" for number in range(12))
    outcome = import_leads(put("name,email\n" + rows), by=SYSTEM)
    assert outcome.kinds == {"email is not an e-mail address.": 12}
    assert len(outcome.first) == 10


def test_a_dry_run_counts_the_same_and_changes_nothing(put):
    path = put("name,email\nAnn,a@x.example\nBob,a@x.example\nCid,wrong\nDora,\n")
    assert counts(import_leads(path, by=SYSTEM, dry_run=True)) == (4, 2, 1, 1)
    assert not Lead.objects.exists()
    assert not ActivityLog.objects.exists()
    assert counts(import_leads(path, by=SYSTEM)) == (4, 2, 1, 1)


def test_an_unknown_stage_or_line_is_refused_with_those_there_are(put):
    outcome = import_leads(put("name,stage,insurance_type\nAnn,Limbo,\nBob,,Dragon\n"), by=SYSTEM)
    assert "stage “Limbo” is not a stage; the stages are: New opportunities, Active" in outcome.first[0]
    assert "insurance_type “Dragon” is not a line of insurance; the lines are: Auto" in outcome.first[1]


def test_a_stage_that_staff_added_is_known(put):
    LeadStatus.objects.create(code="QUOTED", label="Quote sent", category="open", position=99)
    assert counts(import_leads(put("name,stage\nAnn,quote SENT\nBob,QUOTED\n"), by=SYSTEM)) == (2, 2, 0, 0)


def test_whoever_may_not_add_leads_imports_nothing(put, vera):
    with pytest.raises(NotAllowed, match="may not import leads"):
        import_leads(put("name\nAnn\n"), by=vera)
    assert not Lead.objects.exists()


def test_giving_leads_to_owners_needs_the_right_to(put, ann, bob, max):
    path = put("name,owner\nCid,bob\n")
    with pytest.raises(NotAllowed, match="may not give leads to their owners"):
        import_leads(path, by=ann)
    import_leads(path, by=max)
    assert Lead.objects.get().assigned_to == bob


def test_an_owner_is_known_by_login_address_or_full_name_if_only_one_has_it(put, max):
    for login in ("jo1", "jo2"):
        make_user(login, first_name="Jo", last_name="Doe")
    rows = "Ann,max\nBob,Max@agency.example\nCid,jo1\nDora,Jo Doe\n"
    outcome = import_leads(put("name,assigned_to\n" + rows), by=SYSTEM)
    assert outcome.first == ["line 5: assigned_to “Jo Doe” is nobody who works here."]
    assert list(Lead.objects.order_by("id").values_list("assigned_to__username", flat=True)) == ["max", "max", "jo1"]


def test_if_the_database_refuses_in_the_end_nothing_is_imported(put, monkeypatch):
    path = put("name,email\nAnn,a@x.example\nBob,b@x.example\n")
    insert = Staging.insert

    def with_a_rival(self, *args, **kwargs):
        make_lead(contact_email="B@x.example")
        yield from insert(self, *args, **kwargs)

    monkeypatch.setattr(Staging, "insert", with_a_rival)
    with pytest.raises(IllegalMove, match="Another open lead already has this address. Something has changed"):
        import_leads(path, by=SYSTEM)
    assert not Lead.objects.exists()


def test_a_stage_that_goes_meanwhile_is_a_sentence_too(put, monkeypatch):
    LeadStatus.objects.create(code="GOING", label="Going", category="open", position=99)
    insert = Staging.insert

    def without_the_stage(self, *args, **kwargs):
        LeadStatus.objects.filter(code="GOING").delete()
        yield from insert(self, *args, **kwargs)

    monkeypatch.setattr(Staging, "insert", without_the_stage)
    with pytest.raises(IllegalMove, match="Something has changed while people.csv was read"):
        import_leads(put("name,stage\nAnn,Going\n"), by=SYSTEM)
    assert not Lead.objects.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"name,email\n",
        b"\x00\x01\x02\x03\x04\x05\x06",
        b"Ann Lee,ann@example.com\nBob,bob@example.com\n",
        b'"name,email\nAnn,a@x.example\n',
        b"hobby,shoe size\nchess,42\n",
        b"\xff\xfen\x00",
    ],
    ids=["empty", "only names", "binary", "no names", "open quote", "no name column", "half a word"],
)
def test_a_file_that_cannot_be_used_is_refused_in_a_sentence_and_changes_nothing(put, content):
    with pytest.raises(Refused, match=r"[A-Za-z].*[.?]$"):
        import_leads(put(content), by=SYSTEM)
    assert not Lead.objects.exists()


def test_a_file_that_is_cut_off_loses_only_its_end(put):
    whole = "name,email,notes\nAnn,a@x.example,fine\nBob,b@x.example,"
    for end, reason in (('"and then', "never closed"), ("", None)):
        outcome = import_leads(put(whole + end), by=SYSTEM, dry_run=True)
        assert counts(outcome) == ((2, 1, 0, 1) if reason else (2, 2, 0, 0))
        assert all(reason in said for said in outcome.first)
    cut = import_leads(put(whole[:-12]), by=SYSTEM)
    assert counts(cut) == (2, 1, 0, 1)
    assert "(2, not 3); it may be cut off" in cut.first[0]


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-8-sig"])
def test_a_foreign_encoding_is_imported_right(put, encoding):
    path = put("name;city\nZoë Groß;Málaga\n".encode(encoding))
    assert counts(import_leads(path, by=SYSTEM)) == (1, 1, 0, 0)
    lead = Lead.objects.get()
    assert (lead.contact_name, lead.custom_fields) == ("Zoë Groß", {"city": "Málaga"})


def test_a_large_file_takes_no_more_queries_than_a_small_one(put):
    def queries(rows: int, name: str) -> int:
        path = put("name\n" + "".join(f"Name {number}\n" for number in range(rows)), name)
        with CaptureQueriesContext(
            connection,
        ) as captured:
            import_leads(path, by=SYSTEM)
        ProcrastinateJob.objects.all()._raw_delete(connection.alias)
        return len(captured)

    assert queries(2, "small.csv") == queries(500, "large.csv")


def test_the_command_says_what_it_read_and_counts_it(put):
    path = put("Name,E-Mail,Hobby\nAnn,a@x.example,chess\nBob,wrong,go\nCid,A@x.example,\n")
    out, err = io.StringIO(), io.StringIO()
    call_command("import_leads", str(path), "--set", "tags=spring", "--map", "Hobby=notes", stdout=out, stderr=err)
    said = out.getvalue().splitlines()
    assert said[-1] == "Read 3 rows: 1 imported, 1 duplicates, 1 refused."
    assert said[0] == "line 3: E-Mail “wrong” is not an e-mail address."
    assert "1 × E-Mail is not an e-mail address." in said
    assert "contact_email ← E-Mail" in err.getvalue()
    assert "notes ← Hobby" in err.getvalue()
    assert Lead.objects.get().tags == ["spring"]


def test_the_command_says_that_a_dry_run_was_one(put):
    out = io.StringIO()
    call_command("import_leads", str(put("Name\nAnn\n")), "--dry-run", stdout=out, stderr=io.StringIO())
    assert "Dry run: nothing was changed. Read 1 rows: 1 imported" in out.getvalue()
    assert not Lead.objects.exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--map", "Hobby"], "'Hobby' is not column=field"),
        (["--set", "=x"], "'=x' is not field=text"),
        (["--set", "tags=a", "--set", "tags=b"], "something is named twice"),
        (["--map", "Nothing=notes"], "There is no column “Nothing”"),
        (["--encoding", "klingon"], "There is no encoding called “klingon”"),
    ],
)
def test_the_command_refuses_what_it_cannot_understand(put, options, sentence):
    with pytest.raises(CommandError, match=sentence):
        call_command("import_leads", str(put("Name,Hobby\nAnn,chess\n")), *options, stderr=io.StringIO())
    assert not Lead.objects.exists()
