"""Tests of importing a file of notes and activities."""

from datetime import UTC, datetime

import pytest

from crm.exceptions import NotPermitted
from crm.models import ActivityLog, ActorType
from crm.records.activity import record
from crm.records.timeline import load_timeline
from leads.importing.tables.guess import guess_table
from leads.importing.tables.registry import TABLES
from leads.models import ImportBatch, ImportedRecord, Lead
from tests.cast import make_client, make_contact, make_lead
from tests.leads.import_files import counts, import_text, import_with_errors, undo

pytestmark = pytest.mark.django_db


def notes_on(row) -> list[ActivityLog]:
    return list(ActivityLog.objects.on_timeline_of(row).filter(verb="noted").order_by("occurred_at"))


def test_notes_go_onto_the_timelines_of_their_records_as_what_they_are(ann, max):
    client, lead = make_client(name="Ava", email="ava@x.example"), make_lead(contact_email="lee@x.example")
    contact = make_contact(email="con@x.example")
    before = Lead.objects.get(pk=lead.pk)
    outcome = import_text(
        "notes",
        "Date,Author,Type,Subject,Notes,Email,Client,Outcome\n"
        "2024-03-04 10:30,ann,Call,Quote,Wants a quote,lee@x.example,,Good\n"
        "2023-01-02,Jane Former,Note,,Met at the fair,,ava,\n"
        ",,,,Prefers email,CON@x.example,,\n",
        by=max,
    )
    assert counts(outcome) == (3, 3, 0, 0)
    (call,) = notes_on(lead)
    assert (call.actor, call.summary) == (ann, "Call: Quote\nWants a quote\nOutcome: Good")
    assert call.occurred_at.date().isoformat() == "2024-03-04"
    (note,) = notes_on(client)
    assert (note.actor, note.actor_type, note.actor_name) == (None, ActorType.USER, "Jane Former")
    (plain,) = notes_on(contact)
    assert (plain.actor, plain.summary) == (max, "Prefers email")
    lead.refresh_from_db()
    assert (lead.last_contact_at, lead.awaiting_reply) == (before.last_contact_at, before.awaiting_reply)
    assert lead.last_activity_at == before.last_activity_at, "an old note is no new activity"
    assert any("Wants a quote" in line.summary for line in load_timeline(max, lead).lines)
    assert outcome.notices == ("1 note has no date, or one in the future, so the moment of the import counts.",)


def test_note_is_for_an_open_lead_before_a_closed_one_and_for_a_client_before_a_lead():
    closed = make_lead(contact_email="lee@x.example", status_id="CLOSED_LOST", loss_reason="BUDGET")
    opened = make_lead(contact_email="lee@x.example")
    client = make_client(email="both@x.example")
    make_lead(contact_email="both@x.example")
    import_text("notes", "Note,Email\nFor the open one,lee@x.example\nFor the client,both@x.example\n")
    assert [len(notes_on(row)) for row in (closed, opened, client)] == [0, 1, 1]


def test_identifiers_of_earlier_imports_find_the_record():
    import_text("leads", "Lead ID,Name\nL-7,Lee Lead\n")
    import_text("clients", "Client ID,Name\n7,Ava\n8,Ben\n")
    outcome = import_text("notes", "Note,Lead ID,Client ID\nOne,L-7,\nTwo,,7\nThree,,9\n")
    assert counts(outcome) == (3, 2, 0, 1)
    assert [note.summary for note in notes_on(Lead.objects.get())] == ["One"]


def test_unclear_notes_are_refused_with_a_reason(ann, bob):
    make_client(name="Hidden", assigned_to=bob)
    make_client(name="Twin", email="a@x.example")
    make_client(name="Twin", email="b@x.example")
    make_client(name="Ava")
    outcome, errors = import_with_errors(
        "notes", f"Note,Client\nx,Hidden\nx,Twin\nx,\n,Ava\n{'x' * 10_001},Ava\n", by=ann
    )
    assert counts(outcome) == (5, 0, 0, 5)
    assert sorted(row[1] for row in errors[1:]) == [
        "The note has 10,001 characters; at most 10,000 fit a timeline.",
        "The note has no text.",
        "The row names no client, lead or contact.",
        "There are 2 clients “Twin”. Add an identifier or another address.",
        "There is no client, lead or contact “Hidden” that you may see.",
    ]


def test_note_that_is_on_the_timeline_already_is_a_duplicate(max):
    client = make_client(name="Ava")
    record(client, "noted", by=max, summary="Called", at=datetime(2024, 3, 4, 9, 30, tzinfo=UTC))
    text = "Note,Client,Date\nCalled,Ava,2024-03-04T09:30:00Z\nNew,Ava,2024-03-05\nNew,Ava,2024-03-05\n"
    assert counts(import_text("notes", text)) == (3, 1, 2, 0)
    assert counts(import_text("notes", text)) == (3, 0, 3, 0)


def test_undo_removes_the_notes_and_restores_the_last_activity(max):
    lead, client = make_lead(contact_email="lee@x.example"), make_client(name="Ava")
    Lead.objects.filter(pk=lead.pk).update(last_activity_at=datetime(2020, 1, 1, tzinfo=UTC))
    ActivityLog.objects.on_timeline_of(lead).count()
    before = ActivityLog.objects.count()
    import_text("notes", "Note,Email,Client\nOne,lee@x.example,\nTwo,,Ava\n", by=max)
    lead.refresh_from_db()
    assert lead.last_activity_at.year > 2020
    batch = undo(ImportBatch.objects.get(), by=max)
    assert (batch.record_count, ImportedRecord.objects.count()) == (0, 0)
    assert ActivityLog.objects.exclude(target_type="leads.importbatch").count() == before
    assert not notes_on(lead) and not notes_on(client)


def test_importing_notes_needs_to_change_their_records(vera):
    with pytest.raises(NotPermitted, match="may not import notes"):
        import_text("notes", "Note,Client\nx,Ava\n", by=vera)


@pytest.mark.parametrize(
    ("name", "header", "table"),
    [
        ("x.csv", ["Activity Date", "Subject", "Comments", "Email"], "notes"),
        ("x.csv", ["Policy Number", "Carrier", "Client", "Expiration Date"], "policies"),
        ("x.csv", ["Name", "Job Title", "Account ID", "Email"], "contacts"),
        ("notes.csv", ["Name", "Text"], "notes"),
    ],
)
def test_other_tables_are_guessed(name, header, table):
    assert guess_table(name, header, TABLES.values()).table.name == table


def test_a_small_agency_switches_and_back(max):
    """Four files, then their undoing in the other order; clients with policies stand in the way before."""
    files = {
        "clients": "Client ID,Name,Email\n1,Ava Stone,ava@x.example\n2,Oak Ltd,oak@x.example\n",
        "contacts": "Contact ID,Name,Email,Client ID\nc1,Ben Oak,ben@oak.example,2\n",
        "policies": "Policy Number,Previous Policy,Client ID,Line,Carrier,Premium,Effective Date,Expiration Date\n"
        "P-1,,1,Auto,Harbor,900,2024-01-01,2025-01-01\nP-2,P-1,1,Auto,Harbor,950,2025-01-01,2035-01-01\n",
        "notes": "Date,Note,Client ID,Contact ID\n2024-05-06,Asked for a quote,1,\n2024-05-07,Met,,c1\n",
    }
    tables = [table.model for table in TABLES.values()]
    before = [model._base_manager.count() for model in tables]
    for table, text in files.items():
        outcome = import_text(table, text, by=max)
        assert outcome.imported == outcome.rows_read, outcome.first_reasons
    batches = {batch.table: batch for batch in ImportBatch.objects.all()}
    assert undo(batches["clients"], by=max).record_count == 2, "policies, contacts and notes stand in the way"
    for table in ("notes", "policies", "contacts", "clients"):
        batches[table].refresh_from_db()
        assert undo(batches[table], by=max).record_count == 0
    after = [model._base_manager.count() for model in tables]
    own_lines = ActivityLog.objects.filter(verb__in=("created", "undone")).count()
    assert after[:-1] == before[:-1]
    assert after[-1] - own_lines == before[-1], "what stays tells of the imports alone"
