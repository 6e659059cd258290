"""Tests of converting a lead to a client."""

import threading

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from ai_log.models import AIInteraction
from crm.exceptions import IllegalTransition, InvalidInput, NotPermitted
from crm.models import Client, Contact, ContactClient, Project
from crm.records.activity import SYSTEM_ACTOR
from crm.records.timeline import load_timeline
from crm.records.transitions import soft_delete
from inbox.models import Draft, Message
from leads.conversion.linked_rows import linkable_tables
from leads.conversion.transitions import client_from_lead, convert
from leads.models import ContactLead, InsuranceType, Lead, LeadConversion, LeadStatus, Policy, Task
from leads.transitions import change_status
from tests.cast import make_client, make_contact, make_lead, make_suggestion, make_thread, make_ticket, make_user
from tests.crm.test_merge import table_rows
from tests.killing import kill_at_ten_statements

pytestmark = pytest.mark.django_db


def make_rows_of(lead: Lead) -> list:
    """Create a row of each table that belongs to a lead and can belong to a client."""
    return [
        make_thread(lead=lead),
        make_ticket(lead=lead, client=None),
        make_suggestion(lead=lead),
        Task.objects.create(title="Call", lead=lead),
        AIInteraction.objects.create(lead=lead, content="Who?"),
        Draft.objects.create(author=make_user(f"author{lead.pk}"[:30]), lead=lead, subject="Begun"),
    ]


def test_new_client_takes_the_details_of_the_lead(ann):
    lead = make_lead(
        assigned_to=ann, contact_name="Lee", contact_phone="555 0100", tags=["vip"], custom_fields={"Fleet": 3}
    )
    conversion = convert(lead, client_from_lead(lead), by=ann, project_name=" Onboarding ")
    client = Client.objects.get()
    assert (client.name, client.email, client.phone, client.assigned_to) == (
        "Lee",
        lead.contact_email,
        "555 0100",
        ann,
    )
    assert (client.tags, client.custom_fields, client.client_type) == (["vip"], {"Fleet": 3}, "Individual")
    lead.refresh_from_db()
    assert (lead.status_id, lead.converted_to_client) == ("CLOSED_WON", client)
    assert lead.converted_at is not None and lead.closed_at is not None
    assert Project.objects.get().name == "Onboarding"
    assert (conversion.client, conversion.is_new_client, conversion.converted_by) == (client, True, ann)


def test_every_table_of_a_lead_is_linked_to_the_client(ann):
    """A new table with a lead and an optional client needs a row in `make_rows_of`, and nothing else."""
    lead, client = make_lead(assigned_to=ann), make_client(assigned_to=ann)
    other, rows = make_thread(lead=make_lead()), make_rows_of(lead)
    dates = [row.updated_at for row in rows if hasattr(row, "updated_at")]
    assert {type(row) for row in rows} == {table.model for table in linkable_tables()}
    convert(lead, client, by=ann)
    for row in [*rows, other]:
        row.refresh_from_db()
    assert [row.client for row in rows] == [client] * len(rows) and other.client is None
    assert [row.lead for row in rows] == [lead] * len(rows)
    assert [row.updated_at for row in rows if hasattr(row, "updated_at")] == dates, "no one worked on them"


def test_rows_of_another_client_stay_there(ann):
    lead, first = make_lead(), make_client()
    thread = make_thread(lead=lead, client=first)
    convert(lead, make_client(), by=ann)
    thread.refresh_from_db()
    assert thread.client == first


def test_stakeholders_become_contacts_with_their_roles(ann):
    lead, client = make_lead(), make_client()
    known, boss, payer = make_contact(), make_contact(), make_contact()
    ContactClient.objects.create(contact=known, client=client, role="technical", is_primary=True)
    ContactLead.objects.create(lead=lead, contact=known, role="influencer")
    ContactLead.objects.create(lead=lead, contact=boss, role="decision_maker", is_primary=True)
    ContactLead.objects.create(lead=lead, contact=payer, role="financial")
    convert(lead, client, by=ann)
    links = {link.contact: (link.role, link.is_primary) for link in client.contact_links.all()}
    assert links == {known: ("technical", True), boss: ("decision_maker", False), payer: ("financial", False)}


def test_person_of_a_business_becomes_its_contact(ann):
    lead = make_lead(contact_name="Lee", company_name="Lee & Sons")
    convert(lead, client_from_lead(lead), by=ann)
    client = Client.objects.get()
    link = client.contact_links.get()
    assert (client.name, client.client_type) == ("Lee & Sons", "Business")
    assert (link.contact.name, link.contact.email, link.is_primary) == ("Lee", lead.contact_email, True)


def test_contact_of_a_colleague_is_not_shown_by_a_conversion(ann, bob):
    hidden = make_contact(email="lee@firm.example")
    ContactClient.objects.create(contact=hidden, client=make_client(assigned_to=bob))
    lead = make_lead(contact_email="LEE@firm.example", company_name="Firm", assigned_to=ann)
    convert(lead, client_from_lead(lead), by=ann)
    assert not ContactClient.objects.filter(client__name="Firm").exists() and Contact.objects.count() == 1


def test_existing_client_keeps_its_values_and_gains_the_rest(ann):
    client = make_client(email="old@example.com", tags=["VIP"], custom_fields={"Fleet": 9, "Region": "N"})
    lead = make_lead(contact_phone="555 0100", tags=["vip", "auto"], custom_fields={"Fleet": 3, "Pets": 1})
    convert(lead, client, by=ann)
    client.refresh_from_db()
    assert (client.tags, client.email, client.phone) == (["VIP", "auto"], "old@example.com", "555 0100")
    assert client.custom_fields == {"Fleet": 9, "Region": "N", "Pets": 1}


def test_quoted_line_becomes_a_policy(ann):
    lead = make_lead(line="auto", auto_data={"vin": "1HGCM82633A004352"})
    policy = Policy(insurance_type=InsuranceType.objects.get(code="auto"), data=lead.auto_data)
    convert(lead, client_from_lead(lead), by=ann, policy=policy)
    saved = Policy.objects.get()
    assert (saved.client, saved.lead, saved.status) == (Client.objects.get(), lead, "QUOTED")


def test_conversion_stands_on_both_timelines(ann):
    lead, client = make_lead(contact_name="Lee"), make_client(name="Clem")
    convert(lead, client, by=ann)
    assert "Converted to the client “Clem”" in {line.summary for line in load_timeline(ann, lead).lines}
    assert "Converted from the lead “Lee”" in {line.summary for line in load_timeline(ann, client).lines}


def test_lead_is_converted_once(ann):
    lead = make_lead()
    convert(lead, make_client(), by=ann)
    with pytest.raises(IllegalTransition, match="already converted"):
        convert(lead, make_client(), by=ann)
    assert LeadConversion.objects.count() == 1


def test_won_lead_keeps_its_date_of_closing(ann):
    lead = make_lead(status_id="CLOSED_WON")
    closed_at = lead.closed_at
    convert(lead, make_client(), by=ann)
    lead.refresh_from_db()
    assert lead.closed_at == closed_at and lead.stage_history.count() == 1


def test_lead_that_moved_since_it_was_read_is_refused(ann, bob):
    lead = make_lead()
    change_status(Lead.objects.get(pk=lead.pk), LeadStatus.objects.get(pk="ACTIVE"), by=bob)
    with pytest.raises(IllegalTransition, match="in the meantime"):
        convert(lead, make_client(), by=ann)


def test_deleted_lead_is_refused(max):
    lead = make_lead()
    soft_delete(lead, by=max)
    with pytest.raises(IllegalTransition, match="is deleted"):
        convert(lead, make_client(), by=max)


@pytest.mark.parametrize("loss", ["deleted", "purged", "hidden"])
def test_client_that_is_gone_or_hidden_is_refused(ann, bob, loss):
    lead, client = make_lead(assigned_to=ann), make_client(assigned_to=bob if loss == "hidden" else ann)
    if loss == "deleted":
        soft_delete(client, by=SYSTEM_ACTOR)
    if loss == "purged":
        Client.objects.filter(pk=client.pk).delete()
    with pytest.raises(InvalidInput, match="you do not have access"):
        convert(lead, client, by=ann)
    lead.refresh_from_db()
    assert (lead.status_id, lead.converted_at) == ("NEW_OPPORTUNITIES", None)


def test_converting_needs_permission(vera):
    lead = make_lead()
    with pytest.raises(NotPermitted):
        convert(lead, client_from_lead(lead), by=vera)
    assert not Client.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_killed_conversion_leaves_nothing():
    lead = make_lead(company_name="Firm")
    make_rows_of(lead)
    kill_at_ten_statements(
        lambda: convert(lead, client_from_lead(lead), by=SYSTEM_ACTOR, project_name="First"), table_rows
    )
    assert not Client.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_at_once_make_one_client():
    lead = make_lead()
    both_read, outcomes = threading.Barrier(2), []

    def attempt() -> None:
        mine = Lead.objects.get(pk=lead.pk)
        both_read.wait()
        try:
            convert(mine, client_from_lead(mine), by=SYSTEM_ACTOR)
            outcomes.append("converted")
        except IllegalTransition as error:
            outcomes.append(str(error))
        finally:
            connection.close()

    workers = [threading.Thread(target=attempt) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(outcomes)[1] == "converted" and "already converted" in sorted(outcomes)[0]
    assert Client.objects.count() == LeadConversion.objects.count() == 1


def test_cost_does_not_grow_with_the_messages():
    def statements(threads: int, messages: int) -> int:
        lead = make_lead()
        for _ in range(threads):
            thread = make_thread(lead=lead)
            Message.objects.bulk_create(
                Message(thread=thread, direction="in", body_text="Hello", sent_at=lead.created_at)
                for _ in range(messages)
            )
        with CaptureQueriesContext(connection) as queries:
            convert(lead, client_from_lead(lead), by=SYSTEM_ACTOR)
        return len(queries)

    assert statements(1, 1) == statements(5, 20)
