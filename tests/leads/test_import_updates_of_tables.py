"""Tests of files that change clients, contacts and policies that exist, and of undoing that."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core.files.base import ContentFile
from django.db import models
from django.forms.models import model_to_dict
from django.urls import reverse

from crm.exceptions import InvalidInput, NotPermitted
from crm.models import ActivityLog, Client, ClientType, ContactClient
from crm.records.consent import closed_channels
from crm.records.local_time import agency_today
from leads.importing.batches.files import open_stored_file
from leads.importing.batches.transitions import RUN_IMPORT_TASK, queue_check, save_options, upload_file
from leads.importing.batches.undo import kept_changes
from leads.importing.preview import ImportOptions
from leads.importing.screens.examples import ChangeWords, visible_records
from leads.importing.screens.value_rows import load_value_rows
from leads.importing.tables.registry import table_named
from leads.models import ImportBatch, ImportChange, Policy, PolicyStatus
from leads.policies.transitions import cancel
from tests.cast import browser, make_client, make_contact, make_lead, make_policy, make_user, page_text
from tests.leads.import_files import field_values, import_text, named_counts, undo
from tests.queued_jobs import run_jobs

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_storage")]
HEADER = "Client,Line,Carrier,Policy Number,Status,Premium,Billing,Effective Date,Expiration Date"
FIRST, LAST = agency_today() - timedelta(days=100), agency_today() + timedelta(days=265)


def state(*records: models.Model) -> list[dict[str, Any]]:
    return [
        {**model_to_dict(one, exclude=["updated_at"]), "created_at": one.created_at}
        for one in (record._meta.model._base_manager.get(pk=record.pk) for record in records)
    ]


def last_batch() -> ImportBatch:
    return ImportBatch.objects.order_by("-imported_at").first()


def test_client_is_updated_filled_and_restored(max, bob):
    ava = make_client(
        name="Ava",
        email="ava@x.example",
        phone="555 010 0100",
        address={"street": "1 Elm St", "city": "Austin"},
        tags=["vip"],
        custom_fields={"Pet": "cat", "Client ID": 17},
        communications={"phone": {"do_not_contact": True}},
        assigned_to=max,
    )
    bakery = make_client(name="Oak Bakery", phone="(415) 555-0199", client_type=ClientType.BUSINESS)
    rows = (
        "Client ID,Name,Business Name,Email,Phone,Street,Zip,Notes,Owner,Tags,Do Not Email,Do Not Call,Pet\n"
        "17,Ava Stone,,AVA@x.example,(555) 010-0100,2 Oak St,78701,Moved,bob,VIP;fleet,yes,no,dog\n"
        ",,Oak Bakery,oak@x.example,+1 415 555 0199,,,,,,,,\n"
        ",New One,,new@x.example,,,,,,,,,\n"
    )
    before = state(ava, bakery)
    assert named_counts(import_text("clients", rows, by=max, duplicates="fill")) == {"new": 1, "updated": 2}
    assert field_values(ava, "name", "phone", "assigned_to", "notes") == ["Ava", "555 010 0100", max, "Moved"]
    assert field_values(ava, "address", "tags", "custom_fields") == [
        {"street": "1 Elm St", "city": "Austin", "zip": "78701"},
        ["vip", "fleet"],
        {"Pet": "cat", "Client ID": 17},
    ]
    undone = undo(last_batch(), by=max)
    assert (undone.record_count, undone.updated_count, undone.outcome["restored"]) == (0, 0, 2)
    assert state(ava, bakery) == before
    assert Client.everything.count() == 2

    outcome = import_text("clients", rows, by=max, duplicates="update")
    assert named_counts(outcome) == {"new": 1, "updated": 2}
    names = ("name", "email", "phone", "assigned_to")
    assert field_values(ava, *names) == ["Ava Stone", "ava@x.example", "555 010 0100", bob]
    assert field_values(ava, "address", "custom_fields") == [
        {"street": "2 Oak St", "city": "Austin", "zip": "78701"},
        {"Pet": "dog", "Client ID": 17},
    ]
    assert closed_channels(ava.communications) == {"email", "phone"}, "a refusal stays, and one in the file counts"
    assert "1 client refuses contact although the file allows it: a refusal stays." in outcome.notices
    assert field_values(bakery, "name", "client_type", "email") == ["Oak Bakery", ClientType.BUSINESS, "oak@x.example"]
    line = ActivityLog.objects.on_timeline_of(ava).filter(verb="changed").latest("occurred_at")
    assert line.summary.startswith("Updated from clients.csv, line 2: ") and line.actor == max
    assert named_counts(import_text("clients", rows, by=max, duplicates="update")) == {"unchanged": 3}
    undo(ImportBatch.objects.get(updated_count=2), by=max)
    assert state(ava, bakery) == before
    assert not ImportChange.objects.exists()


def test_client_without_a_name_in_the_file_keeps_its_name_and_type():
    bakery = make_client(name="Oak Bakery", email="oak@x.example", client_type=ClientType.BUSINESS)
    outcome = import_text("clients", "Email,City\noak@x.example,Austin\n", duplicates="update")
    assert named_counts(outcome) == {"updated": 1}
    assert field_values(bakery, "name", "client_type") == ["Oak Bakery", ClientType.BUSINESS]
    assert bakery.address == {"city": "Austin"}


def test_field_of_a_client_that_people_have_changed_since_stays_and_is_listed(max):
    ava = make_client(name="Ava", email="ava@x.example", notes="By hand", address={"city": "Austin"})
    rows = "Name,Email,Phone,Notes,City,Zip\nAva,ava@x.example,555 0100,File,Dallas,1\n"
    import_text("clients", rows, by=max, duplicates="update")
    Client.objects.filter(pk=ava.pk).update(notes="Later", address={"city": "Houston", "zip": "1"})
    batch = undo(last_batch(), by=max)
    assert field_values(ava, "phone", "notes", "address") == ["", "Later", {"city": "Houston"}]
    assert (batch.updated_count, batch.outcome["restored"]) == (1, 1)
    page = page_text(browser(max).get(reverse("admin:leads_importbatch_change", args=[batch.pk])))
    assert "1 client keeps fields that people have changed since." in page
    assert f'{reverse("admin:crm_client_change", args=[ava.pk])}">Ava</a>' in page
    assert "Address, Notes" in page
    agent = make_user("adam", "agent")
    Client.objects.filter(pk=ava.pk).update(assigned_to=max)
    ImportBatch.objects.update(imported_by=agent)
    page = page_text(browser(agent).get(reverse("admin:leads_importbatch_change", args=[batch.pk])))
    assert ">Ava</a>" not in page


def test_contact_is_updated_and_restored_and_no_two_share_an_address(max):
    acme = make_client(name="Acme")
    ann = make_contact(name="Ann", email="ann@x.example", title="")
    ContactClient.objects.create(contact=ann, client=acme)
    bob = make_contact(name="Bob", email="", custom_fields={"Contact ID": "8"})
    make_contact(name="Taken", email="taken@x.example")
    before = state(ann, bob)
    rows = (
        "Contact ID,Client,Name,Email,Phone,Title,Tags\n"
        ",Acme,Ann Lee,ANN@x.example,555 010 0177,CFO,vip\n8,Acme,Bob,other@x.example,,,\n"
    )
    outcome = import_text("contacts", rows, by=max, duplicates="update")
    assert named_counts(outcome) == {"updated": 2}
    assert field_values(ann, "name", "email", "phone", "title", "tags") == [
        *("Ann Lee", "ann@x.example", "555 010 0177", "CFO", ["vip"])
    ]
    assert field_values(bob, "email") == ["other@x.example"]
    batch = last_batch()
    make_contact(name="Third", email="third@x.example")
    assert undo(batch, by=max).updated_count == 0
    assert state(ann, bob) == before
    rows = "Contact ID,Name,Email\n8,Bob,new@x.example\n9,Cid,NEW@x.example\n"
    outcome = import_text("contacts", rows, duplicates="fill", key="Contact ID")
    assert named_counts(outcome) == {"updated": 1, "duplicates": 1}
    rows = "Contact ID,Name,Email\n8,Bob,taken@x.example\n"
    assert "Two contacts fit the row" in import_text("contacts", rows, duplicates="update").rejected_examples[0][1]


def clients_of(contact) -> dict[str, str]:
    """Return the roles of a contact by the name of the client."""
    return dict(ContactClient.objects.filter(contact=contact).values_list("client__name", "role"))


@pytest.mark.parametrize("policy", ["update", "fill"])
def test_contact_gets_the_further_clients_and_leads_that_a_file_names_and_undoing_takes_them(max, policy):
    ann = make_contact(name="Ann", email="ann@x.example", title="CFO")
    for name in ("Acme", "Birch", "Cedar"):
        make_client(name=name)
    lead = make_lead(contact_name="Lee Lead")
    ContactClient.objects.create(contact=ann, client=Client.objects.get(name="Acme"), role="technical")
    before = state(ann)
    rows = (
        "Name,Email,Client,Lead name,Role\nAnn,ann@x.example,Birch,,financial\nAnn,ann@x.example,Cedar,Lee Lead,owner\n"
        "Ann,ann@x.example,Acme,,owner\nAnn,ann@x.example,Birch,,owner\n"
    )
    assert named_counts(import_text("contacts", rows, duplicates="skip")) == {"duplicates": 4}
    assert clients_of(ann) == {"Acme": "technical"}
    outcome = import_text("contacts", rows, by=max, duplicates=policy)
    assert named_counts(outcome) == {"updated": 1, "duplicates": 3}
    assert clients_of(ann) == {"Acme": "technical", "Birch": "financial", "Cedar": "decision_maker"}
    assert lead.contact_links.get().contact == ann
    words = ChangeWords(table_named("contacts"), max).describe(ImportChange.objects.get().changes)
    assert ("Clients", "", "+ Birch, Cedar") in words and ("Leads", "", "+ Lee Lead") in words
    line = ActivityLog.objects.for_target(ann).get(verb="changed")
    assert line.summary.endswith("Clients, Leads")
    batch = last_batch()
    assert import_text("contacts", rows, by=max, duplicates=policy).updated == 0
    assert undo(batch, by=max).updated_count == 0
    assert clients_of(ann) == {"Acme": "technical"} and not lead.contact_links.exists()
    assert state(ann) == before and not ImportChange.objects.exists()


def test_link_of_a_contact_that_people_have_changed_since_stays_and_is_listed(max):
    ann = make_contact(name="Ann", email="ann@x.example")
    for name in ("Birch", "Cedar", "Dogwood"):
        make_client(name=name)
    rows = "Name,Email,Client\n" + "".join(f"Ann,ann@x.example,{name}\n" for name in ("Birch", "Cedar", "Dogwood"))
    import_text("contacts", rows, by=max, duplicates="fill")
    links = {link.client.name: link for link in ContactClient.objects.filter(contact=ann).select_related("client")}
    links["Birch"].role = "financial"
    links["Birch"].save()
    links["Cedar"].delete()
    batch = undo(last_batch(), by=max)
    assert clients_of(ann) == {"Birch": "financial"}
    assert [one.reason for one in kept_changes(batch, max)] == ["Clients"]


def test_contact_is_not_linked_to_a_client_that_the_importer_may_not_open(ann, bob):
    ann.user_permissions.add(Permission.objects.get(codename="add_importbatch"))
    make_client(name="Secret", assigned_to=bob)
    contact = make_contact(name="Cid", email="cid@x.example")
    outcome = import_text("contacts", "Name,Email,Client\nCid,cid@x.example,Secret\n", by=ann, duplicates="update")
    assert named_counts(outcome) == {"refused": 1} and clients_of(contact) == {}


def test_earlier_address_of_a_contact_stays_away_if_another_has_it_by_now(max):
    ann = make_contact(name="Ann", email="old@x.example", custom_fields={"Contact ID": "7"})
    rows = "Contact ID,Name,Email,Title\n7,Ann,new@x.example,CFO\n"
    import_text("contacts", rows, by=max, duplicates="update")
    make_contact(name="Heir", email="OLD@x.example")
    batch = undo(last_batch(), by=max)
    assert field_values(ann, "email", "title") == ["new@x.example", ""]
    assert batch.outcome["kept_changes"] == [[str(ann.pk), ["email"]]]


def test_policy_is_updated_with_its_status_and_restored(max):
    ava = make_client(name="Ava")
    bound = make_policy(
        client=ava, number="", status=PolicyStatus.BOUND, carrier="Harbor", effective_on=FIRST, expires_on=LAST
    )
    term = {"client": ava, "effective_on": FIRST, "expires_on": LAST, "premium": 100}
    running = make_policy(number="B-2", line="home", custom_fields={"Policy ID": 5}, **term)
    quote = make_policy(number="Q-3", line="life", status=PolicyStatus.QUOTED, **{**term, "premium": None})
    before = state(bound, running, quote)
    rows = (
        f"Policy ID,{HEADER},Cancellation Date,Fee\n"
        f",Ava,Auto,Harbor,A-1,Active,150.50,Monthly,{FIRST},{LAST},,\n"
        f"5,Ava,Home,Other,B-2,Cancelled,100,,{FIRST},{LAST},{agency_today()},7\n"
        f",Ava,Life,Harbor,Q-3,Active,99,,{FIRST},{LAST},,\n"
    )
    assert named_counts(import_text("policies", rows, by=max, duplicates="update")) == {"updated": 3}
    assert field_values(bound, "status", "number", "premium", "billing_period") == ["ACTIVE", "A-1", 150.5, "MONTHLY"]
    assert field_values(running, "status", "cancelled_on", "cancellation_reason", "carrier", "custom_fields") == [
        *("CANCELLED", agency_today(), "OTHER", "Other", {"Policy ID": 5, "Fee": 7})
    ]
    assert field_values(quote, "status", "premium", "carrier") == ["ACTIVE", 99, "Harbor"]
    lines = ActivityLog.objects.on_timeline_of(ava).filter(target_id=bound.pk).order_by("verb")
    assert [line.summary for line in lines] == [
        "Updated from policies.csv, line 2: Billing period, Policy number, Premium, Status",
        "Auto · Harbor · A-1: bound → active",
    ]
    assert named_counts(import_text("policies", rows, by=max, duplicates="update")) == {"unchanged": 3}
    batch = undo(ImportBatch.objects.get(updated_count=3), by=max)
    assert (batch.updated_count, state(bound, running, quote)) == (0, before)


def test_fill_of_a_policy_changes_no_status_and_nothing_that_it_has():
    ava = make_client(name="Ava")
    quote = make_policy(
        client=ava, number="Q-3", status=PolicyStatus.QUOTED, premium=None, carrier="", effective_on=FIRST
    )
    last = quote.expires_on
    rows = f"{HEADER}\nAva,Home,Harbor,Q-3,Active,99,Monthly,{FIRST},{LAST}\n"
    outcome = import_text("policies", rows, duplicates="fill")
    assert named_counts(outcome) == {"updated": 1}
    names = ("status", "premium", "carrier", "expires_on", "billing_period")
    assert field_values(quote, *names) == ["QUOTED", 99, "Harbor", last, "ANNUAL"]
    assert outcome.notices == (
        "1 policy keeps its status, which differs from the file: only empty fields are filled.",
        "1 policy keeps its line, which differs from the file: its answers belong to the line.",
    )


def test_file_makes_no_move_of_a_policy_that_people_cannot_make():
    ava = make_client(name="Ava")
    term = {"client": ava, "carrier": "Harbor", "effective_on": FIRST, "expires_on": LAST}
    old = make_policy(
        number="O-1", status=PolicyStatus.RENEWED, **{**term, "expires_on": FIRST, "effective_on": date(2020, 1, 1)}
    )
    kept = {
        "Cancelled": make_policy(number="R-2", renewed_from=old, **term),
        "Lapsed": make_policy(number="L-3", **term),
        "Renewed": make_policy(number="N-4", **term),
        "Active": make_policy(
            number="C-5",
            status=PolicyStatus.CANCELLED,
            cancelled_on=FIRST,
            cancellation_reason="NON_PAYMENT",
            **term,
        ),
    }
    before = state(*kept.values())
    rows = [f"Ava,Auto,Harbor,{one.number},{status},1200,,{FIRST},{LAST}" for status, one in kept.items()]
    outcome = import_text("policies", "\n".join([HEADER, *rows]), duplicates="update")
    assert named_counts(outcome) == {"unchanged": 4}
    assert state(*kept.values()) == before
    assert outcome.notices[-1].startswith("4 policies keep their status, which differs from the file: a file makes no")


def test_dates_of_a_policy_stay_in_order_when_filled_and_when_restored(max):
    ava = make_client(name="Ava")
    quote = make_policy(
        client=ava, number="Q-1", status=PolicyStatus.QUOTED, effective_on=None, expires_on=date(2026, 3, 1)
    )
    rows = f"Policy ID,{HEADER}\n9,Ava,Auto,Harbor,,,,,2026-06-01,\n"
    Policy.objects.filter(pk=quote.pk).update(custom_fields={"Policy ID": 9})
    outcome = import_text("policies", rows, duplicates="update", key="Policy ID")
    assert field_values(quote, "effective_on", "expires_on") == [None, date(2026, 3, 1)]
    assert any(sentence.startswith("1 policy keeps its dates: ") for sentence in outcome.notices)
    Policy.objects.filter(pk=quote.pk).update(effective_on=date(2026, 1, 1))
    rows = f"Policy ID,{HEADER}\n9,Ava,Auto,Harbor,,,,,2026-01-01,2027-01-01\n"
    import_text("policies", rows, by=max, duplicates="update", key="Policy ID")
    Policy.objects.filter(pk=quote.pk).update(effective_on=date(2026, 4, 1))
    batch = undo(last_batch(), by=max)
    assert field_values(quote, "expires_on") == [date(2027, 1, 1)], "the earlier end is before the first day of now"
    assert batch.outcome["kept_changes"] == [[str(quote.pk), ["expires_on"]]]


def test_policy_keeps_what_its_status_needs_when_an_import_is_undone(max):
    ava = make_client(name="Ava")
    quote = make_policy(
        client=ava, number="Q-1", status=PolicyStatus.QUOTED, premium=None, effective_on=FIRST, expires_on=LAST
    )
    rows = f"{HEADER}\nAva,Auto,Harbor Mutual,Q-1,Quoted,99,,{FIRST},{LAST}\n"
    import_text("policies", rows, by=max, duplicates="update")
    Policy.objects.filter(pk=quote.pk).update(status=PolicyStatus.ACTIVE)
    batch = undo(last_batch(), by=max)
    assert field_values(quote, "status", "premium") == ["ACTIVE", 99]
    assert batch.updated_count == 1
    cancel(quote, reason="OTHER", cancelled_on=agency_today(), by=max)
    assert undo(batch, by=max).updated_count == 0, "a cancelled policy may lack its premium"
    assert field_values(quote, "premium") == [None]


def test_changes_need_the_permission_and_notes_cannot_be_changed():
    make_client(name="Ava", email="ava@x.example")
    adder = make_user("adder")
    adder.user_permissions.add(Permission.objects.get(codename="add_client"))
    with pytest.raises(NotPermitted, match="may not change clients"):
        import_text("clients", "Name,Email\nAva,ava@x.example\n", by=adder, duplicates="fill")
    with pytest.raises(InvalidInput, match="Notes that exist cannot be changed by a file"):
        import_text("notes", "Text,Client\nHello,Ava\n", duplicates="update")


def test_client_of_another_owner_is_not_changed(ann, bob):
    ava = make_client(name="Ava", email="ava@x.example", assigned_to=bob)
    outcome = import_text("clients", "Name,Email,City\nAva,ava@x.example,Austin\n", by=ann, duplicates="update")
    assert named_counts(outcome) == {"duplicates": 1}
    assert field_values(ava, "address") == [{}]
    assert str(ava.pk) not in outcome.duplicate_examples[0][1]


def test_preview_names_only_records_that_its_reader_may_open(max, ann, bob):
    unassigned, other = make_client(), make_client(assigned_to=bob)
    keys = [str(unassigned.pk), str(other.pk)]
    assert visible_records(Client, keys, max).keys() == {*keys}
    assert visible_records(Client, keys, ann) == {keys[0]: unassigned}
    assert visible_records(Client, keys, make_user("without a role")) == {}


def test_preview_of_policies_shows_changes_links_and_values(max):
    ava = make_client(name="Ava")
    policy = make_policy(client=ava, number="A-1", carrier="Harbor", effective_on=FIRST, expires_on=LAST)
    make_policy(client=ava, number="T-2", carrier="Harbor", effective_on=FIRST, expires_on=LAST)
    other = make_policy(client=ava, number="T-2", carrier="Harbor", effective_on=FIRST, expires_on=LAST)
    rows = [f"Ava,Auto,Harbor,{number},Active,99,monthly,{FIRST},{LAST}" for number in ("A-1", "T-2")]
    batch = upload_file("policies.csv", ContentFile("\n".join([HEADER, *rows]).encode()), by=max)
    save_options(batch, ImportOptions(duplicates="update"), by=max)
    fields = {row.field: row.automatic for row in load_value_rows(batch, open_stored_file(batch), ImportOptions())}
    assert fields == {"insurance_type": "Auto", "status": "Active", "billing_period": "Monthly"}
    columns, change = (reverse(f"admin:leads_importbatch_{name}", args=[batch.pk]) for name in ("columns", "change"))
    visitor = browser(max)
    assert "Rows that are policies already" in page_text(visitor.get(columns))
    queue_check(batch, by=max)
    run_jobs(RUN_IMPORT_TASK)
    text = page_text(visitor.get(f"{change}?show=updated"))
    assert "Update 1 policy" in text
    assert f'{reverse("admin:leads_policy_change", args=[policy.pk])}">{policy}</a>' in text
    assert "Billing period:</span> <del>Yearly</del> <ins>Monthly</ins>" in text
    text = page_text(visitor.get(f"{change}?show=rejected"))
    assert f'{reverse("admin:leads_policy_change", args=[other.pk])}">{other}</a>' in text


def test_file_of_leads_does_not_change_clients(max):
    client = make_client(name="Ava", email="ava@x.example")
    lead = make_lead(contact_name="Ava", contact_email="ava@x.example")
    before = state(client)
    import_text("leads", "Name,Email,Company\nAva,ava@x.example,Acme\n", by=max, duplicates="update")
    assert field_values(lead, "company_name") == ["Acme"]
    assert state(client) == before
