"""Tests of undoing the conversion of a lead."""

from datetime import timedelta

import pghistory.models
import pytest
from django.apps import apps
from django.db import connection
from django.utils import timezone

from crm.exceptions import IllegalTransition, InvalidInput, NotPermitted
from crm.models import Client, Contact, ContactClient, Project
from crm.records.activity import SYSTEM_ACTOR
from crm.records.transitions import add_note, create
from inbox.drafts.transitions import DraftContent, DraftDestination, discard
from inbox.drafts.transitions import save as save_draft
from inbox.models import Draft
from inbox.models.email_template import EmailTemplate
from leads.conversion.transitions import client_from_lead, convert, undo_conversion
from leads.models import ContactLead, InsuranceType, Lead, LeadConversion, LeadStatus, Policy, Task
from leads.policies.transitions import create_policy
from leads.transitions import add_task, change_status
from tests.cast import make_client, make_contact, make_lead, make_suggestion, make_thread, make_ticket
from tests.crm.test_merge import table_rows
from tests.killing import kill_at_ten_statements

pytestmark = pytest.mark.django_db
# What is only added to, and the jobs that a move of the stage puts in the queue.
ADDED_TO = {"activity_logs", "lead_stage_history", "lead_conversions", "procrastinate_jobs", "procrastinate_events"}
# Dates of change, and what scoring computes from the hour.
NOT_COMPARED = ["updated_at", "last_activity_at", "last_scored_at", "next_look_at", "overall_score"]


def live_rows() -> dict[str, dict[str, str]]:
    """Return every live row of every table, except logs and the row audit, as JSON text by key."""
    rows = {}
    with connection.cursor() as cursor:
        existing = set(connection.introspection.table_names(cursor))
        for model in apps.get_models(include_auto_created=True):
            table, key = model._meta.db_table, model._meta.pk.column
            if issubclass(model, pghistory.models.Event) or table in ADDED_TO or table not in existing:
                continue
            cursor.execute(
                f'SELECT to_jsonb(one) ->> %s, (to_jsonb(one) - %s::text[])::text FROM "{table}" AS one'
                " WHERE to_jsonb(one) ->> 'deleted_at' IS NULL",
                [key, NOT_COMPARED],
            )
            rows[table] = dict(cursor.fetchall())
    return rows


def make_busy_lead(**kw) -> Lead:
    """Create a lead with stakeholders, a conversation, a ticket, a suggestion and a task."""
    lead = make_lead(tags=["vip", "fleet"], custom_fields={"Fleet": 3}, line="auto", **kw)
    ContactLead.objects.create(lead=lead, contact=make_contact(), role="financial", is_primary=True)
    make_thread(lead=lead), make_ticket(lead=lead, client=None), make_suggestion(lead=lead)
    add_task(Task(title="Call", lead=lead), by=SYSTEM_ACTOR)
    return lead


@pytest.mark.parametrize("stage", ["ACTIVE", "CLOSED_LOST", "CLOSED_WON"])
@pytest.mark.parametrize("is_new", [True, False])
def test_undo_restores_every_row(ann, stage, is_new):
    lead = make_busy_lead(assigned_to=ann, company_name="Firm")
    reason = {"loss_reason": "BUDGET", "loss_notes": "dear"} if stage == "CLOSED_LOST" else {}
    change_status(lead, LeadStatus.objects.get(pk=stage), by=ann, **reason)
    old = make_client(assigned_to=ann, tags=["VIP"], custom_fields={"Region": "N"})
    before = live_rows()
    policy = Policy(insurance_type=InsuranceType.objects.get(code="auto"))
    client = client_from_lead(lead) if is_new else old
    conversion = convert(lead, client, by=ann, project_name="First", policy=policy)
    assert live_rows() != before
    undo_conversion(conversion, by=ann)
    after = live_rows()
    assert {table: rows for table, rows in after.items() if rows != before[table]} == {}
    assert (conversion.undone_by, conversion.undone_at is not None) == (ann, True)


def test_lead_can_be_converted_again_after_undo(ann):
    lead = make_busy_lead(assigned_to=ann)
    undo_conversion(convert(lead, client_from_lead(lead), by=ann), by=ann)
    lead.refresh_from_db()
    convert(lead, make_client(), by=ann)
    assert LeadConversion.objects.not_undone().count() == 1 and LeadConversion.objects.count() == 2


def test_conversion_is_undone_once_and_within_a_day(ann):
    lead, late = make_lead(), make_lead()
    conversion = convert(lead, make_client(), by=ann)
    undo_conversion(conversion, by=ann)
    with pytest.raises(IllegalTransition, match="already undone"):
        undo_conversion(conversion, by=ann)
    yesterday = convert(late, make_client(), by=ann)
    LeadConversion.objects.update(converted_at=timezone.now() - timedelta(hours=25), undone_at=None)
    yesterday.refresh_from_db()
    with pytest.raises(IllegalTransition, match="within a day"):
        undo_conversion(yesterday, by=ann)


def add_new_policy(client: Client) -> None:
    create_policy(Policy(client=client, insurance_type=InsuranceType.objects.get(code="home")), by=SYSTEM_ACTOR)


@pytest.mark.parametrize(
    ("work", "sentence"),
    [
        (add_new_policy, "1 policy"),
        (lambda client: make_thread(client=client), "1 conversation"),
        (lambda client: make_ticket(client=client), "1 ticket"),
        (lambda client: make_lead(converted_at=timezone.now(), converted_to_client=client), "1 lead"),
        (lambda client: add_note(client, "Prefers noon", by=SYSTEM_ACTOR), "Prefers noon"),
        (lambda client: create(Project(client=client, name="More"), by=SYSTEM_ACTOR), "1 project"),
    ],
)
def test_later_work_on_a_new_client_stands_in_the_way(ann, work, sentence):
    lead = make_lead()
    conversion = convert(lead, client_from_lead(lead), by=ann)
    work(conversion.client)
    with pytest.raises(IllegalTransition, match=sentence):
        undo_conversion(conversion, by=ann)
    lead.refresh_from_db()
    assert lead.converted_to_client == conversion.client


def test_work_on_the_lead_since_then_goes_back_to_it(ann):
    lead = make_lead()
    conversion = convert(lead, client_from_lead(lead), by=ann)
    thread = make_thread(lead=lead, client=conversion.client)
    undo_conversion(conversion, by=ann)
    thread.refresh_from_db()
    assert (thread.lead, thread.client) == (lead, None)


def test_edited_details_of_an_existing_client_stand_in_the_way(ann):
    client = make_client(tags=["old"])
    conversion = convert(make_lead(tags=["new"]), client, by=ann)
    Client.objects.filter(pk=client.pk).update(tags=["old", "newer"])
    with pytest.raises(IllegalTransition, match="the tags changed"):
        undo_conversion(conversion, by=ann)


def test_other_work_on_an_existing_client_stays(ann):
    client = make_client()
    conversion = convert(make_lead(), client, by=ann)
    add_new_policy(client), add_note(client, "Prefers noon", by=ann)
    undo_conversion(conversion, by=ann)
    assert Policy.objects.filter(client=client).exists()


def test_work_on_the_first_project_stands_in_the_way(ann):
    conversion = convert(make_lead(), make_client(), by=ann, project_name="First")
    Task.objects.create(title="Begin", project=Project.objects.get())
    with pytest.raises(IllegalTransition, match="1 task"):
        undo_conversion(conversion, by=ann)


def test_work_that_the_reader_may_not_open_is_not_told(ann, bob):
    lead = make_lead()
    conversion = convert(lead, client_from_lead(lead), by=ann)
    add_task(Task(title="Secret audit", client=conversion.client, assignee=bob), by=bob)
    with pytest.raises(IllegalTransition) as refusal:
        undo_conversion(conversion, by=ann)
    assert "Secret" not in str(refusal.value) and "cannot open" in str(refusal.value)
    assert "1 task" not in str(refusal.value), "what is hidden is not counted either"


def test_undo_needs_permission(vera, ann):
    conversion = convert(make_lead(), make_client(), by=ann)
    with pytest.raises(NotPermitted):
        undo_conversion(conversion, by=vera)


def test_undo_is_refused_while_another_open_lead_has_the_address(ann):
    lead = make_lead(contact_email="same@example.com")
    conversion = convert(lead, make_client(), by=ann)
    make_lead(contact_email="same@example.com")
    with pytest.raises(IllegalTransition, match="same email address"):
        undo_conversion(conversion, by=ann)
    lead.refresh_from_db()
    assert lead.status_id == "CLOSED_WON" and lead.converted_at is not None


@pytest.mark.django_db(transaction=True)
def test_killed_undo_leaves_the_conversion_whole():
    lead = make_busy_lead(company_name="Firm")
    conversion = convert(lead, client_from_lead(lead), by=SYSTEM_ACTOR, project_name="First")
    kill_at_ten_statements(lambda: undo_conversion(conversion, by=SYSTEM_ACTOR), table_rows)
    assert (Contact.objects.count(), ContactClient.objects.count()) == (1, 1)


def welcome_key() -> str:
    return str(EmailTemplate.objects.get(category="WELCOME").pk)


def test_undo_removes_the_draft_of_the_welcome_email(ann):
    lead = make_lead(assigned_to=ann)
    before = live_rows()
    conversion = convert(lead, client_from_lead(lead), by=ann, welcome_template=welcome_key())
    assert Draft.objects.count() == 1
    undo_conversion(conversion, by=ann)
    assert live_rows() == before


def test_edited_welcome_email_stands_in_the_way_until_it_is_discarded(ann):
    lead = make_lead(assigned_to=ann)
    conversion = convert(lead, client_from_lead(lead), by=ann, welcome_template=welcome_key())
    draft = Draft.objects.get()
    edited = DraftContent(to=draft.to, subject=draft.subject, body=draft.body + "P.S.")
    save_draft(draft.pk, draft.version, edited, DraftDestination(client=draft.client), by=ann)
    with pytest.raises(IllegalTransition, match="the draft was edited"):
        undo_conversion(conversion, by=ann)
    discard(draft, by=ann)
    undo_conversion(conversion, by=ann)
    assert not Client.objects.exists()


def test_refused_welcome_email_leaves_no_conversion(ann):
    lead = make_lead(assigned_to=ann)
    with pytest.raises(InvalidInput, match="template does not exist"):
        convert(lead, client_from_lead(lead), by=ann, welcome_template=str(lead.pk))
    assert not Client.objects.exists() and not LeadConversion.objects.exists()
