"""Tests of importing a file of leads."""

import csv
import io
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from procrastinate.contrib.django.models import ProcrastinateJob

from crm.exceptions import ActionRefused, IllegalTransition, InvalidInput, NotPermitted
from crm.models import ActivityLog
from crm.records.activity import SYSTEM_ACTOR
from crm.records.transitions import soft_delete
from leads.importing import staging
from leads.importing.staging import StagingTable
from leads.importing.transitions import import_file
from leads.models import ImportBatch, Lead, LeadStageHistory, LeadStatus
from leads.tasks import score_all_leads
from tests.cast import make_lead, make_user
from tests.leads.import_files import counts

pytestmark = pytest.mark.django_db
BROKEN = "a control character, or bytes that are invalid in this encoding"


@pytest.fixture
def write_file(tmp_path):
    """Return a function that writes a file of leads."""

    def write(content: str | bytes, name: str = "people.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def rows_of(path: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO(path.read_text("utf-8-sig"), newline="")))


def test_row_becomes_lead_with_all_its_fields(write_file, max):
    path = write_file(
        "First Name,Last Name,Email,Phone,Company,Website,Stage,Line,Amount,Close Date,Tags,Owner,Shoe size\n"
        'Ann,Lee,Ann@Acme.example,555 0100,Acme,acme.example,Active,Auto,"1,250.00",31/12/2027,vip;fleet,max,42\n'
    )
    assert counts(import_file(path, by=SYSTEM_ACTOR)) == (1, 1, 0, 0)
    lead = Lead.objects.get()
    assert (lead.contact_name, lead.contact_email, lead.contact_phone) == ("Ann Lee", "Ann@Acme.example", "555 0100")
    assert (lead.company_name, lead.company_website) == ("Acme", "https://acme.example")
    assert (lead.status_id, lead.insurance_type.code, lead.estimated_value) == ("ACTIVE", "auto", Decimal("1250.00"))
    assert (lead.expected_close_date, lead.tags, lead.assigned_to) == (date(2027, 12, 31), ["vip", "fleet"], max)
    assert (lead.source_type, lead.source_detail) == ("IMPORT", "people.csv")
    assert lead.custom_fields == {"Shoe size": 42}
    assert lead.is_open


def test_imported_lead_equals_manually_created_lead(write_file):
    make_lead(contact_name="Ann", contact_email="by@hand.example")
    import_file(write_file("name,email\nAnn,by@file.example\n"), by=SYSTEM_ACTOR)
    assert ProcrastinateJob.objects.filter(task_name="leads.score_all").count() == 1
    score_all_leads(timestamp=0)
    by_hand, by_file = Lead.objects.order_by("id")
    import_only = {"id", "contact_email", "source_type", "source_detail", "search_text", "import_batch"}
    times = {"created_at", "updated_at", "last_activity_at", "rank", "last_scored_at", "next_look_at"}
    for field in Lead._meta.fields:
        if field.name not in import_only | times:
            assert getattr(by_hand, field.name) == getattr(by_file, field.name), field.name
    assert all(getattr(by_file, name) for name in times)
    by_file.full_clean()


def test_imported_lead_has_stage_history_and_timeline(write_file, max):
    import_file(write_file("name,stage\nAnn,Active\n"), by=max)
    lead = Lead.objects.get()
    first = LeadStageHistory.objects.get(lead=lead)
    assert (first.from_status_id, first.to_status_id, first.by) == (None, "ACTIVE", max)
    line = ActivityLog.objects.on_timeline_of(lead).get()
    assert (line.verb, line.summary, line.actor) == ("created", "Imported from people.csv, line 2", max)
    assert line.metadata["line"] == 2
    assert line.occurred_at == lead.created_at == lead.last_activity_at


def test_closed_stage_sets_closed_date(write_file):
    import_file(write_file("name,stage,closed_at\nAnn,Won,2020-02-03\nBob,Lost,\nCid,Active,\n"), by=SYSTEM_ACTOR)
    closed = {lead.contact_name: lead.closed_at for lead in Lead.objects.all()}
    assert closed["Ann"].date() == date(2020, 2, 3)
    assert closed["Bob"] is not None
    assert closed["Cid"] is None


def test_board_order_follows_file_order_above_older_leads(write_file):
    make_lead(contact_name="Older")
    import_file(write_file("name\n" + "".join(f"Name {number:03}\n" for number in range(200))), by=SYSTEM_ACTOR)
    assert list(Lead.objects.order_by("rank", "id").values_list("contact_name", flat=True)) == [
        *(f"Name {number:03}" for number in range(200)),
        "Older",
    ]


def test_first_of_two_rows_with_same_address_wins(write_file):
    outcome = import_file(
        write_file("name,email\nAnn,a@x.example\nBob,A@X.example\nCid,c@x.example\n"), by=SYSTEM_ACTOR
    )
    assert counts(outcome) == (3, 2, 1, 0)
    assert outcome.first_reasons == ["line 3: Duplicate: line 2 already has the address A@X.example."]
    assert not Lead.objects.filter(contact_name="Bob").exists()


def test_address_of_open_lead_makes_row_a_duplicate(write_file):
    open_lead = make_lead(contact_email="a@x.example")
    outcome = import_file(write_file("name,email\nAnn,A@x.example\nBob,a@X.example\n"), by=SYSTEM_ACTOR)
    assert counts(outcome) == (2, 0, 2, 0)
    assert f"the lead {open_lead.pk} already has the address A@x.example" in outcome.first_reasons[0]


def test_address_of_closed_or_deleted_lead_is_no_duplicate(write_file):
    make_lead(contact_email="a@x.example", status_id="CLOSED_WON")
    soft_delete(make_lead(contact_email="b@x.example"), by=SYSTEM_ACTOR)
    assert counts(import_file(write_file("name,email\nAnn,a@x.example\nBob,b@x.example\n"), by=SYSTEM_ACTOR)) == (
        2,
        2,
        0,
        0,
    )


def test_closed_rows_may_share_an_address(write_file):
    path = write_file("name,email,stage\nAnn,a@x.example,Won\nAnn,a@x.example,Lost\nAnn,a@x.example,Active\n")
    assert counts(import_file(path, by=SYSTEM_ACTOR)) == (3, 3, 0, 0)


def test_rows_without_address_are_never_duplicates(write_file):
    assert counts(import_file(write_file("name,email\nAnn,\nAnn,\n"), by=SYSTEM_ACTOR)) == (2, 2, 0, 0)


def test_chunked_import_loses_no_row(write_file, monkeypatch):
    monkeypatch.setattr(staging, "STAGING_CHUNK_SIZE", 3)
    messages = []
    rows = "".join(f"Name {number},{number % 7}@x.example\n" for number in range(10))
    outcome = import_file(write_file("name,email\n" + rows), by=SYSTEM_ACTOR, tell=messages.append)
    assert counts(outcome) == (10, 7, 3, 0)
    assert [sentence for sentence in messages if "imported" in sentence] == [
        f"{n} leads imported" for n in (3, 6, 7, 7)
    ]
    assert Lead.objects.count() == LeadStageHistory.objects.count() == ActivityLog.objects.count() == 7


def test_second_import_of_same_file_adds_nothing(write_file):
    path = write_file("name,email\nAnn,a@x.example\nBob,b@x.example\n")
    import_file(path, by=SYSTEM_ACTOR)
    assert counts(import_file(path, by=SYSTEM_ACTOR)) == (2, 0, 2, 0)
    assert Lead.objects.count() == 2


def test_error_file_lists_line_reason_and_cells(write_file, tmp_path):
    errors = tmp_path / "errors.csv"
    path = write_file(
        'name,email,note,score\nA\x01,a@x.example,"two\nlines",0.1\n,,x,\nCid,c@x.example,,0.5\n'
        "Dora,C@x.example,=1+1,\nEve\n"
    )
    assert counts(import_file(path, by=SYSTEM_ACTOR, errors=errors, column_fields={"score": "overall_score"})) == (
        5,
        1,
        1,
        3,
    )
    assert rows_of(errors) == [
        ["line", "reason", "name", "email", "note", "score"],
        ["2", f"name “A\ufffd” contains {BROKEN}.", "A\x01", "a@x.example", "two\nlines", "0.1"],
        ["4", "The row has no name, company, address or phone.", "", "", "x", ""],
        ["7", "The row has 1 cell instead of 4; it may be cut off.", "Eve"],
        ["6", "Duplicate: line 5 already has the address C@x.example.", "Dora", "C@x.example", "'=1+1", ""],
    ]


def test_corrected_error_file_can_be_imported(write_file, tmp_path):
    errors, again = tmp_path / "errors.csv", tmp_path / "again.csv"
    import_file(write_file("name,email,hobby\n,,chess\n"), by=SYSTEM_ACTOR, errors=errors)
    errors.write_text(errors.read_text("utf-8-sig").replace(",,chess", "Ann,a@x.example,chess"))
    assert counts(import_file(errors, by=SYSTEM_ACTOR, errors=again)) == (1, 1, 0, 0)
    assert Lead.objects.get().custom_fields == {"hobby": "chess"}
    assert rows_of(again) == [["line", "reason", "name", "email", "hobby"]]


def test_error_file_must_differ_from_input_file(write_file):
    path = write_file("name\nAnn\n")
    with pytest.raises(InvalidInput, match="would overwrite the imported file"):
        import_file(path, by=SYSTEM_ACTOR, errors=path)
    assert path.read_text() == "name\nAnn\n"


def test_unwritable_error_file_stops_import(write_file, tmp_path):
    with pytest.raises(InvalidInput, match="cannot be written: No such file"):
        import_file(write_file("name\nAnn\n"), by=SYSTEM_ACTOR, errors=tmp_path / "nowhere" / "errors.csv")
    assert not Lead.objects.exists()


def test_reasons_are_counted_by_kind(write_file):
    rows = "".join(f"Name {number},wrong {number}\n" for number in range(12)) + "cut off\n" * 12
    outcome = import_file(write_file("name,email\n" + rows), by=SYSTEM_ACTOR)
    assert outcome.doubt_counts == {"email is not an email address.": 12}
    assert outcome.reason_counts == {"The number of cells differs from the number of columns.": 12}
    assert len(outcome.first_reasons) == len(outcome.first_doubts) == 10


def test_dry_run_counts_and_changes_nothing(write_file):
    path = write_file("name,email\nAnn,a@x.example\nBob,a@x.example\nCid,wrong\n\x01,\n")
    assert counts(import_file(path, by=SYSTEM_ACTOR, dry_run=True)) == (4, 2, 1, 1)
    assert not ImportBatch.objects.exists()
    assert not Lead.objects.exists()
    assert not ActivityLog.objects.exists()
    assert counts(import_file(path, by=SYSTEM_ACTOR)) == (4, 2, 1, 1)


def test_unknown_stage_or_line_is_reported_with_valid_names(write_file):
    outcome = import_file(write_file("name,stage,insurance_type\nAnn,Limbo,\nBob,,Dragon\n"), by=SYSTEM_ACTOR)
    assert "stage “Limbo” is not a stage. The stages are: New opportunities, Active" in outcome.first_doubts[0]
    assert "insurance_type “Dragon” is not a line of insurance. The lines are: Auto" in outcome.first_doubts[1]
    assert [lead.custom_fields for lead in Lead.objects.order_by("id")] == [
        {"stage": "Limbo"},
        {"insurance_type": "Dragon"},
    ]


def test_custom_stage_is_recognised(write_file):
    LeadStatus.objects.create(code="QUOTED", label="Quote sent", category="open", position=99)
    assert counts(import_file(write_file("name,stage\nAnn,quote SENT\nBob,QUOTED\n"), by=SYSTEM_ACTOR)) == (2, 2, 0, 0)


def test_import_needs_add_permission(write_file, vera):
    with pytest.raises(NotPermitted, match="may not import leads"):
        import_file(write_file("name\nAnn\n"), by=vera)
    assert not Lead.objects.exists()


def test_importing_owners_needs_reassign_permission(write_file, ann, bob, max):
    path = write_file("name,owner\nCid,bob\n")
    with pytest.raises(NotPermitted, match="may not assign leads to their owners"):
        import_file(path, by=ann)
    import_file(path, by=max)
    assert Lead.objects.get().assigned_to == bob


def test_owner_is_found_by_username_address_or_unique_name(write_file, max):
    for login in ("jo1", "jo2"):
        make_user(login, first_name="Jo", last_name="Doe")
    rows = "Ann,max\nBob,Max@agency.example\nCid,jo1\nDora,Jo Doe\n"
    outcome = import_file(write_file("name,assigned_to\n" + rows), by=SYSTEM_ACTOR)
    assert outcome.first_doubts == ["line 5: assigned_to “Jo Doe” is not the name of an active user."]
    owners = Lead.objects.order_by("id").values_list("assigned_to__username", flat=True)
    assert list(owners) == ["max", "max", "jo1", None]
    assert Lead.objects.get(contact_name="Dora").custom_fields == {"assigned_to": "Jo Doe"}


def test_database_refusal_rolls_back_import(write_file, monkeypatch):
    path = write_file("name,email\nAnn,a@x.example\nBob,b@x.example\n")
    insert = StagingTable.insert

    def with_a_rival(self, *args, **kwargs):
        make_lead(contact_email="B@x.example")
        yield from insert(self, *args, **kwargs)

    monkeypatch.setattr(StagingTable, "insert", with_a_rival)
    with pytest.raises(IllegalTransition, match="Another open lead already has this address. The database changed"):
        import_file(path, by=SYSTEM_ACTOR)
    assert not Lead.objects.exists()


def test_stage_deleted_during_import_is_reported(write_file, monkeypatch):
    LeadStatus.objects.create(code="GOING", label="Going", category="open", position=99)
    insert = StagingTable.insert

    def without_the_stage(self, *args, **kwargs):
        LeadStatus.objects.filter(code="GOING").delete()
        yield from insert(self, *args, **kwargs)

    monkeypatch.setattr(StagingTable, "insert", without_the_stage)
    with pytest.raises(IllegalTransition, match="The database changed while people.csv was read"):
        import_file(write_file("name,stage\nAnn,Going\n"), by=SYSTEM_ACTOR)
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
def test_unusable_file_is_refused_with_reason(write_file, content):
    with pytest.raises(ActionRefused, match=r"[A-Za-z].*[.?]$"):
        import_file(write_file(content), by=SYSTEM_ACTOR)
    assert not Lead.objects.exists()


def test_truncated_file_loses_only_its_last_row(write_file):
    complete_text = "name,email,notes\nAnn,a@x.example,fine\nBob,b@x.example,"
    for end, reason in (('"and then', "never closed"), ("", None)):
        outcome = import_file(write_file(complete_text + end), by=SYSTEM_ACTOR, dry_run=True)
        assert counts(outcome) == ((2, 1, 0, 1) if reason else (2, 2, 0, 0))
        assert all(reason in message for message in outcome.first_reasons)
    truncated = import_file(write_file(complete_text[:-12]), by=SYSTEM_ACTOR)
    assert counts(truncated) == (2, 1, 0, 1)
    assert "2 cells instead of 3; it may be cut off" in truncated.first_reasons[0]


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-8-sig"])
def test_foreign_encodings_are_imported(write_file, encoding):
    path = write_file("name;city\nZoë Groß;Málaga\n".encode(encoding))
    assert counts(import_file(path, by=SYSTEM_ACTOR)) == (1, 1, 0, 0)
    lead = Lead.objects.get()
    assert (lead.contact_name, lead.custom_fields) == ("Zoë Groß", {"city": "Málaga"})


def test_query_count_does_not_depend_on_file_size(write_file):
    def queries(rows: int, name: str) -> int:
        path = write_file("name\n" + "".join(f"Name {number}\n" for number in range(rows)), name)
        with CaptureQueriesContext(
            connection,
        ) as captured:
            import_file(path, by=SYSTEM_ACTOR)
        ProcrastinateJob.objects.all()._raw_delete(connection.alias)
        return len(captured)

    assert queries(2, "small.csv") == queries(500, "large.csv")


def test_command_prints_mapping_and_counts(write_file):
    path = write_file("Name,E-Mail,Hobby\nAnn,a@x.example,chess\nBob,wrong,go\nCid,A@x.example,\n")
    out, err = io.StringIO(), io.StringIO()
    call_command(
        "import_records", "leads", str(path), "--set", "tags=spring", "--map", "Hobby=notes", stdout=out, stderr=err
    )
    messages = out.getvalue().splitlines()
    assert messages[-1] == "Read 3 rows: 2 imported, 1 duplicate, 0 refused."
    assert messages[0] == "line 4: Duplicate: line 2 already has the address A@x.example."
    assert "line 3: E-Mail “wrong” is not an email address. Kept as a custom field." in messages
    assert "1 × E-Mail is not an email address. Kept as a custom field." in messages
    assert "contact_email ← E-Mail" in err.getvalue()
    assert "notes ← Hobby" in err.getvalue()
    assert Lead.objects.get(contact_name="Ann").tags == ["spring"]


def test_command_announces_dry_run(write_file):
    out = io.StringIO()
    call_command(
        "import_records", "leads", str(write_file("Name\nAnn\n")), "--dry-run", stdout=out, stderr=io.StringIO()
    )
    assert "Dry run: nothing was changed. Read 1 row: 1 imported" in out.getvalue()
    assert not Lead.objects.exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--map", "Hobby"], "'Hobby' is not of the form column=field"),
        (["--set", "=x"], "'=x' is not of the form field=text"),
        (["--set", "tags=a", "--set", "tags=b"], "--set names “tags” twice"),
        (["--map", "Nothing=notes"], "There is no column “Nothing”"),
        (["--encoding", "klingon"], "There is no encoding “klingon”"),
        (["--value", "Hobby=notes"], "--value “Hobby” names no column"),
        (["--value", "Hobby:chess=go"], "The column “Hobby” has no field"),
        (["--value", "Hobby:chess=Limbo", "--map", "Hobby=status"], "“Limbo” is not a stage"),
        (["--key", "Nothing"], "There is no column “Nothing”"),
        (["--decimal", ";"], "argument --decimal: invalid choice"),
    ],
)
def test_command_refuses_invalid_options(write_file, options, sentence):
    with pytest.raises(CommandError, match=sentence):
        call_command(
            "import_records", "leads", str(write_file("Name,Hobby\nAnn,chess\n")), *options, stderr=io.StringIO()
        )
    assert not Lead.objects.exists()


def test_closed_leads_without_a_day_of_closing_are_named(write_file):
    path = write_file("name,stage,closed_at\nAnn,Won,2020-02-03\nBob,Lost,\nCid,Active,\n")
    (notice,) = import_file(path, by=SYSTEM_ACTOR, dry_run=True).notices
    assert notice.startswith("1 closed lead has no day of closing in the file, so today counts.")
    output = io.StringIO()
    call_command("import_records", "leads", path, stdout=output, stderr=io.StringIO())
    assert notice in output.getvalue()


def test_created_column_dates_the_lead_and_its_signals(write_file):
    import_file(write_file("name,source_type,created\nAnn,Referral,2024-01-05 09:30\nBob,,\n"), by=SYSTEM_ACTOR)
    ann, bob = Lead.objects.order_by("contact_name")
    assert ann.created_at == datetime(2024, 1, 5, 9, 30, tzinfo=UTC)
    assert bob.created_at == bob.updated_at == ann.updated_at
    assert ann.custom_fields == {}
    assert [signal["timestamp"][:10] for signal in ann.signals] == ["2024-01-05"]


def test_doubtful_cells_are_written_to_their_own_file(write_file, tmp_path):
    doubts, output = tmp_path / "doubts.csv", io.StringIO()
    path = write_file("name,amount\nAnn,much\nBob,5\n")
    call_command("import_records", "leads", path, doubts=doubts, stdout=output, stderr=io.StringIO())
    assert rows_of(doubts) == [["line", "column", "text", "reason"], ["2", "amount", "much", "is not a number"]]
    assert Lead.objects.count() == 2
    assert "1 × amount is not a number. Kept as a custom field." in output.getvalue()
    with pytest.raises(CommandError, match="would overwrite the imported file"):
        call_command("import_records", "leads", path, doubts=path)
