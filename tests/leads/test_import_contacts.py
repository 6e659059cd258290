"""Tests of importing a file of contacts."""

import pytest

from crm.models import Client, ClientType, Contact, ContactClient, Role
from leads.importing.preview import ImportOptions
from leads.models import ContactLead, ImportBatch, ImportedRecord
from tests.cast import make_client, make_contact, make_lead
from tests.leads.import_files import counts, import_text, import_with_errors, undo

pytestmark = pytest.mark.django_db


def test_contacts_are_linked_by_identifier_address_and_name():
    import_text("clients", "Client ID,Name,Email\n7,Oak Bakery,\n8,Elm Ltd,office@elm.example\n9,Fir Ltd,\n")
    lead = make_lead(contact_email="lee@x.example")
    outcome = import_text(
        "contacts",
        "Name,Email,Title,Role,Primary,Account No,Client email,Company,Lead email,Shoe size\n"
        "Ann,ann@x.example,CFO,Finance,yes,7,,,,42\nBob,,,,yes,7,,,,\nCid,,,,,,OFFICE@elm.example,,,\n"
        "Dora,,,,,,,fir ltd,,\nEve,,,Decision maker,,,,,lee@x.example,\n",
        column_fields={"Account No": "client_key"},
    )
    assert counts(outcome) == (5, 5, 0, 0)
    links = {link.contact.name: link for link in ContactClient.objects.select_related("contact", "client")}
    assert {name: link.client.name for name, link in links.items()} == {
        "Ann": "Oak Bakery",
        "Bob": "Oak Bakery",
        "Cid": "Elm Ltd",
        "Dora": "Fir Ltd",
    }
    assert (links["Ann"].role, links["Ann"].is_primary) == (Role.FINANCIAL, True)
    assert not links["Bob"].is_primary, "a client has one primary contact"
    link = ContactLead.objects.get()
    assert (link.contact.name, link.lead, link.role) == ("Eve", lead, Role.DECISION_MAKER)
    ann = Contact.objects.get(name="Ann")
    assert (ann.title, ann.custom_fields) == ("CFO", {"Shoe size": 42})


def test_references_to_nothing_or_to_two_are_refused_and_can_be_imported_again(ann, bob):
    make_client(name="Hidden Ltd", assigned_to=bob)
    for email in ("one@x.example", "two@x.example"):
        make_client(name="Twin Ltd", email=email)
    text = "Name,Client name\nAnn,Hidden Ltd\nBob,Twin Ltd\nCid,Nobody Ltd\n"
    outcome, errors = import_with_errors("contacts", text, by=ann)
    assert counts(outcome) == (3, 0, 0, 3)
    assert [row[1] for row in errors[1:]] == [
        "There is no client “Hidden Ltd” that you may see.",
        "There are 2 clients “Twin Ltd”. Add an identifier or another address.",
        "There is no client “Nobody Ltd” that you may see.",
    ]
    make_client(name="Nobody Ltd")
    again = "\n".join(",".join(row) for row in errors)
    assert counts(import_text("contacts", again, by=ann)) == (3, 1, 0, 2)


def test_missing_clients_are_created_once_if_chosen():
    options = {"create_clients": True}
    text = "Name,Company\nAnn,Elm Ltd\nBob,ELM LTD\nCid,Fir Ltd\n"
    dry = import_text("contacts", text, dry_run=True, **options)
    assert dry.notices == ("2 clients that did not exist are created.",)
    assert not Client.objects.exists()
    assert counts(import_text("contacts", text, **options)) == (3, 3, 0, 0)
    elm, fir = Client.objects.order_by("name")
    assert (elm.name, elm.client_type, elm.contact_links.count()) == ("Elm Ltd", ClientType.BUSINESS, 2)
    assert ImportedRecord.objects.filter(record_type="crm.client").count() == 2
    assert ImportOptions.from_json(ImportBatch.objects.get().options).create_clients


def test_contact_that_exists_is_a_duplicate():
    make_contact(name="Ann", email="ann@x.example")
    outcome, errors = import_with_errors("contacts", "Name,Email\nA,ANN@x.example\nBob,b@x.example\nB,B@x.example\n")
    assert counts(outcome) == (3, 1, 2, 0)
    assert [row[0] for row in errors[1:]] == ["2", "4"]


def test_undo_removes_contacts_links_and_created_clients(max):
    before = [model.everything.count() for model in (Client, Contact, ContactClient)]
    import_text("contacts", "Name,Company\nAnn,Elm Ltd\nBob,Elm Ltd\n", by=max, create_clients=True)
    batch = undo(ImportBatch.objects.get(), by=max)
    assert [model.everything.count() for model in (Client, Contact, ContactClient)] == before
    assert (batch.record_count, ImportedRecord.objects.count()) == (0, 0)


def test_contact_with_a_later_link_is_kept_with_its_client(max):
    import_text("contacts", "Name,Company\nAnn,Elm Ltd\nBob,Fir Ltd\n", by=max, create_clients=True)
    ContactClient.objects.create(contact=Contact.objects.get(name="Ann"), client=make_client(name="Other"))
    batch = undo(ImportBatch.objects.get(), by=max)
    assert list(Contact.objects.values_list("name", flat=True)) == ["Ann"]
    assert set(Client.objects.values_list("name", flat=True)) == {"Elm Ltd", "Other"}
    assert set(batch.outcome["kept"]) == {"crm.contact", "crm.client"}
