"""Tests of importing a file of clients."""

from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from crm.exceptions import NotPermitted
from crm.models import ActivityLog, Client, ClientType, Contact
from crm.records.consent import closed_channels
from crm.records.transitions import add_note
from leads.importing.batches.transitions import RUN_IMPORT_TASK
from leads.importing.tables.guess import guess_table
from leads.importing.tables.registry import TABLES
from leads.models import ImportBatch, ImportedRecord, ImportState
from tests.cast import allow_export, browser, make_client, make_policy, make_user, page_text
from tests.leads.import_files import counts, import_text, import_with_errors, undo
from tests.queued_jobs import run_jobs

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_storage")]
CLIENTS = (
    "Client ID,First Name,Last Name,Business Name,Email,Phone,Street,City,State,Zip,Owner,Tags,Client since,Hobby\n"
    "17,Ava,Stone,,ava@x.example,(415) 555-0101,1 Elm St,Austin,TX,01234,max,vip;fleet,25/08/2019,Chess\n"
    "18,Ben,Oak,Oak Bakery,ben@x.example,,,,,,,,,\n"
)


def test_rows_become_clients_with_all_their_fields(max):
    assert counts(import_text("clients", CLIENTS, by=max)) == (2, 2, 0, 0)
    ava, bakery = Client.objects.order_by("id")
    assert (ava.name, ava.email, ava.phone) == ("Ava Stone", "ava@x.example", "(415) 555-0101")
    assert ava.address == {"street": "1 Elm St", "city": "Austin", "state": "TX", "zip": "01234"}
    assert (ava.client_type, ava.assigned_to, ava.tags) == (ClientType.INDIVIDUAL, max, ["vip", "fleet"])
    assert (ava.created_at.year, ava.custom_fields) == (2019, {"Client ID": 17, "Hobby": "Chess"})
    assert (bakery.name, bakery.client_type) == ("Oak Bakery", ClientType.BUSINESS)
    assert "Ben Oak" in bakery.custom_fields.values(), "the person of a business is kept"
    line = ActivityLog.objects.on_timeline_of(ava).get()
    assert (line.actor, line.verb, line.summary) == (max, "created", "Imported from clients.csv, line 2")
    assert ImportedRecord.objects.count() == ImportBatch.objects.get().record_count == 2


def test_client_that_exists_is_a_duplicate():
    make_client(name="Ava Stone", email="AVA@x.example")
    make_client(name="Phil Phone", phone="+1 415 555 0199")
    make_client(name="Acme", client_type=ClientType.BUSINESS)
    make_client(name="Ann Common", email="one@x.example")
    outcome, errors = import_with_errors(
        "clients",
        "Name,Email,Phone,Type\nA Stone,ava@x.example,,\nPhil,,(415) 555-0199,\nACME,,,Business\n"
        "Ann Common,other@x.example,,\nNew,new@x.example,,\nNewer,NEW@x.example,,\n",
    )
    assert counts(outcome) == (6, 2, 4, 0)
    assert [row[0] for row in errors] == ["line", "2", "3", "4", "7"]
    assert "already has the phone number (415) 555-0199" in errors[2][1]
    assert errors[4][1] == "Duplicate: line 6 already has the address NEW@x.example."


def test_same_file_again_makes_no_client_twice():
    import_text("clients", "Name\nAva Stone\nBen Oak\n")
    outcome = import_text("clients", "Name\nAva Stone\nBen Oak\n")
    assert counts(outcome) == (2, 0, 2, 0)
    assert outcome.former_imports


def test_another_identifier_makes_another_client():
    import_text("clients", "Client ID,Name,Email\n1,Ava Stone,family@x.example\n2,Tom Stone,family@x.example\n")
    assert Client.objects.count() == 2
    assert counts(import_text("clients", "Client ID,Name\n1,Ava Stone\n3,Ava Stone\n")) == (2, 1, 1, 0)


def test_bad_rows_and_cells_are_reported():
    outcome, errors = import_with_errors(
        "clients", "Name,Email,Client since\n,,\nAva,nobody,25/08/2019\nBen,,01/09/2999\nTotal,2,\n"
    )
    assert counts(outcome)[:2] == (4, 2) or counts(outcome)[:2] == (3, 2)
    ava, ben = Client.objects.order_by("id")
    assert (ava.email, ava.custom_fields) == ("", {"Email": "nobody"})
    assert ben.custom_fields == {"Client since": "01/09/2999"}
    assert any("is not an email address" in kind for kind in outcome.doubt_counts)
    assert errors[-1][1] == "The row is a total of others, not a person or a company."


def test_importing_clients_needs_its_permissions(vera, max):
    with pytest.raises(NotPermitted, match="may not import clients"):
        import_text("clients", CLIENTS, by=vera)
    zoe = make_user("zoe")
    zoe.user_permissions.add(Permission.objects.get(codename="add_client"))
    with pytest.raises(NotPermitted, match="assign clients to their owners"):
        import_text("clients", CLIENTS, by=zoe)


def test_file_becomes_clients_on_the_screen(max):
    visitor = browser(max)
    file = SimpleUploadedFile("book.csv", CLIENTS.encode())
    visitor.post(reverse("admin:leads_importbatch_changelist"), {"file": file, "key": uuid4()})
    batch = ImportBatch.objects.get()
    assert batch.table == "clients", "guessed from the columns"
    pages = {
        name: reverse(f"admin:leads_importbatch_{name}", args=[batch.pk]) for name in ("file", "columns", "change")
    }
    assert "Clients, as it seems from columns “Client ID”" in page_text(visitor.get(pages["file"]))
    visitor.post(pages["file"], {"table": "clients", "encoding": "utf-8", "delimiter": ","})
    text = page_text(visitor.get(pages["columns"]))
    assert "Name of every client" in text and "Known at arrival?" not in text
    visitor.post(pages["change"], {"do": "check"})
    run_jobs(RUN_IMPORT_TASK)
    assert "Import 2 clients" in page_text(visitor.get(pages["change"]))
    visitor.post(pages["change"], {"do": "import"})
    run_jobs(RUN_IMPORT_TASK)
    text = page_text(visitor.get(pages["change"]))
    assert "Show the clients" in text
    listed = f"{reverse('admin:crm_client_changelist')}?import_batch={batch.pk}"
    make_client(name="Other Otto")
    assert listed in text
    text = page_text(visitor.get(listed))
    assert "Ava Stone" in text and "Other Otto" not in text and "book.csv, imported on" in text


def test_chosen_table_needs_new_decisions(max):
    visitor = browser(max)
    visitor.post(
        reverse("admin:leads_importbatch_changelist"),
        {"file": SimpleUploadedFile("x.csv", b"Name,Stage\nAnn,Active\n"), "key": uuid4()},
    )
    batch = ImportBatch.objects.get()
    assert batch.table == "leads"
    page = reverse("admin:leads_importbatch_file", args=[batch.pk])
    visitor.post(page, {"table": "clients", "encoding": "utf-8", "delimiter": ","})
    batch.refresh_from_db()
    assert (batch.table, batch.options) == ("clients", {})
    answer = visitor.post(page, {"table": "nonsense", "encoding": "utf-8", "delimiter": ","})
    assert "not one of the available choices" in page_text(answer)


def test_undo_leaves_as_many_clients_as_before(max):
    make_client()
    before = Client.everything.count()
    import_text("clients", CLIENTS, by=max)
    batch = undo(ImportBatch.objects.get(), by=max)
    assert (batch.state, batch.record_count) == (ImportState.UNDONE, 0)
    assert (Client.everything.count(), ImportedRecord.objects.count()) == (before, 0)


def test_clients_with_later_work_are_kept_and_the_reason_is_shown(max):
    import_text("clients", "Name\nAva\nBen\nCid\n", by=max)
    ava, ben, _ = Client.objects.order_by("id")
    make_policy(client=ava)
    add_note(ben, "Called", by=max)
    batch = undo(ImportBatch.objects.get(), by=max)
    assert [client.name for client in Client.objects.order_by("id")] == ["Ava", "Ben"]
    text = page_text(browser(max).get(reverse("admin:leads_importbatch_change", args=[batch.pk])))
    assert "2 clients of this import were kept" in text
    assert "policy" in text and "later work on it" in text


@pytest.mark.parametrize(
    ("name", "header", "table"),
    [
        ("x.csv", ["Name", "Email"], "leads"),
        ("x.csv", ["Name", "Stage", "City"], "leads"),
        ("x.csv", ["Name", "Street", "Zip"], "clients"),
        ("Kunden.csv", ["Kundennummer", "Name", "Straße", "PLZ"], "clients"),
        ("clients.csv", ["Name"], "clients"),
    ],
)
def test_table_is_guessed_from_columns_and_file_name(name, header, table):
    assert guess_table(name, header, TABLES.values()).table.name == table


def test_statements_of_an_import_do_not_grow_with_its_rows():
    def statements(rows: int) -> int:
        content = "Name,Email\n" + "".join(f"C{rows} {n},c{rows}x{n}@x.example\n" for n in range(rows))
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert import_text("clients", content).imported == rows
        return len(queries)

    assert statements(1) == statements(50)


@pytest.mark.parametrize(
    ("header", "cells", "communications"),
    [
        ("Do not email,Do not call,Do not text", "yes,no,", {"email": True, "phone": False}),
        ("Email Opt Out,DNC,SMS Opt Out", "1,x,TRUE", {"email": True, "phone": True, "sms": True}),
        ("Unsubscribed", "2024-01-02 10:00", {"email": True}),
        ("Subscription Status", "Unsubscribed", {"email": True}),
        ("Keine E-Mails,Kontaktsperre", "nein,ja", {"email": True, "phone": True, "sms": True}),
        ("Do not contact,Phone consent", ",", {}),
    ],
)
def test_refusals_become_contact_preferences(header, cells, communications):
    import_text("clients", f"Name,{header}\nAva Stone,{cells}\n")
    ava = Client.objects.get()
    assert ava.communications == {name: {"do_not_contact": value} for name, value in communications.items()}
    assert ava.custom_fields == {}


def test_unclear_refusal_is_kept_as_text_and_reported():
    outcome = import_text("clients", "Name,Email consent,Do not call\nAva Stone,no,ask her husband\n")
    ava = Client.objects.get()
    assert (ava.communications, ava.custom_fields) == (
        {"email": {"consent": False}},
        {"Do not call": "ask her husband"},
    )
    assert any("is neither yes nor no" in kind for kind in outcome.doubt_counts)


def test_preview_says_whom_not_to_contact(max):
    visitor = browser(max)
    file = SimpleUploadedFile("clients.csv", b"Client ID,Name,Email Opt Out,DNC\n1,Ava Stone,yes,no\n2,Ben Oak,no,\n")
    visitor.post(reverse("admin:leads_importbatch_changelist"), {"file": file, "key": uuid4()})
    batch = ImportBatch.objects.get()
    text = page_text(visitor.get(reverse("admin:leads_importbatch_columns", args=[batch.pk])))
    assert "Do not email" in text and "Do not call" in text
    page = reverse("admin:leads_importbatch_change", args=[batch.pk])
    visitor.post(page, {"do": "check"})
    run_jobs(RUN_IMPORT_TASK)
    text = page_text(visitor.get(page))
    assert "Ava Stone · Individual · No email" in text and "Ben Oak · Individual" in text
    assert text.count("No email") == 1 and "No phone" not in text


def closed_channels_by_name():
    """Return the channels that are closed to an answer, and those closed to an email of ours, by client."""
    return {
        client.name: [closed_channels(client.communications, is_answer=is_answer) for is_answer in (True, False)]
        for client in Client.objects.all()
    }


def test_exported_clients_come_back_with_their_preferences(max):
    allow_export(max)
    refusals = {"Ava": {"email": {"do_not_contact": True}}, "Ben": {}, "Cid": {"phone": {"opted_out": True}}}
    refusals |= {
        "Dan": {"do_not_contact": True},
        "Eve": {"email": {"consent": False}},
        "Flo": {"sms": {"consent": True}},
    }
    for name, communications in refusals.items():
        make_client(name=name, email=f"{name}@x.example", communications=communications)
    before = closed_channels_by_name()
    file = b"".join(browser(max).post("/crm/client/export/?order=name").streaming_content).decode("utf-8-sig")
    Client.objects.all().delete()
    assert counts(import_text("clients", file, by=max)) == (6, 6, 0, 0)
    assert closed_channels_by_name() == before
    assert Client.objects.get(name="Flo").communications == {"sms": {"consent": True}}
    assert not any(client.custom_fields for client in Client.objects.all())


def test_refusals_of_contacts_stay_custom_fields():
    import_text("contacts", "Name,Client,Do not email\nAva Stone,Acme,yes\n", create_clients=True)
    assert Contact.objects.get().custom_fields == {"Do not email": "yes"}
    assert Client.objects.get().communications == {"email": {"do_not_contact": True}}


def test_undone_import_takes_the_preferences_with_it(max):
    import_text("clients", "Name,Do not email\nAva Stone,yes\n", by=max)
    assert Client.objects.refusing("email").count() == 1
    undo(ImportBatch.objects.get(), by=max)
    assert Client.everything.count() == 0
    assert counts(import_text("clients", "Name,Do not email\nAva Stone,yes\n", by=max))[:2] == (1, 1)
    assert Client.objects.refusing("email").count() == 1
