"""Tests that other programs can write and delete rows with plain SQL: defaults and ON DELETE actions."""

from uuid import uuid4

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.utils import timezone

from ai_log.models import AIInteraction
from crm.exceptions import constraint_message
from crm.models import Client, User
from crm.records.foreign_keys import declared_actions, load_constraints, replace_action, sync_on_delete_actions
from inbox.models import Draft, Mailbox, Message
from leads.models import Lead, Task
from suggestions.models import SuggestionExecution
from support.models import SupportTicket
from tests.cast import make_client, make_contact, make_lead, make_suggestion, make_thread, make_ticket, make_user

pytestmark = pytest.mark.django_db


def insert(table: str, values: dict) -> dict:
    """Insert a row with only `values`, and return the whole row."""
    columns, marks = ", ".join(f'"{name}"' for name in values), ", ".join(["%s"] * len(values))
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks}) RETURNING *", list(values.values()))
        names = [column.name for column in cursor.description]
        row = dict(zip(names, cursor.fetchone(), strict=True))
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    return row


NATURAL_COLUMNS = {
    "clients": lambda: {"name": "Olin"},
    "contacts": lambda: {"name": "Olin"},
    "contact_clients": lambda: {"contact_id": make_contact().pk, "client_id": make_client().pk},
    "contact_leads": lambda: {"contact_id": make_contact().pk, "lead_id": make_lead().pk},
    "projects": lambda: {"client_id": make_client().pk, "name": "Fleet"},
    "activity_logs": lambda: {
        "actor_type": "external",
        "verb": "called",
        "target_type": "leads.lead",
        "target_id": uuid4(),
        "about_type": "leads.lead",
        "about_id": uuid4(),
    },
    "lead_statuses": lambda: {"code": "QUOTED", "label": "Quoted", "category": "open", "position": 77},
    "insurance_types": lambda: {"code": "pet", "name": "Pet"},
    "leads": lambda: {"contact_name": "Olin"},
    "lead_stage_history": lambda: {"lead_id": make_lead().pk, "to_status_id": "ACTIVE"},
    "scoring_policies": lambda: {"version": 99, "note": "Trial"},
    "tasks": lambda: {"title": "Call"},
    "ai_interactions": lambda: {"lead_id": make_lead().pk},
    "mailboxes": lambda: {"address": "hello@agency.example"},
    "threads": lambda: {"source": "EMAIL"},
    "messages": lambda: {"thread_id": make_thread().pk, "direction": "in", "sent_at": timezone.now()},
    "email_templates": lambda: {"name": "Hello", "subject": "Hello", "body": "Hello"},
    "support_tickets": lambda: {"lead_id": make_lead().pk, "issue_description": "The card never came."},
    "suggestions": lambda: {"type": "TASK", "lead_id": make_lead().pk},
    "suggestion_executions": lambda: {
        "suggestion_id": make_suggestion().pk,
        "attempt": 7,
        "idempotency_key": "key",
    },
    "autonomy_settings": lambda: {"type": "TASK", "user_id": make_user("ursula").pk},
    "saved_views": lambda: {"name": "Mine", "table": "leads.lead", "owner_id": make_user("ursula").pk},
}


@pytest.mark.parametrize("table", NATURAL_COLUMNS)
def test_insert_with_natural_columns_succeeds(table):
    row = insert(table, NATURAL_COLUMNS[table]())
    if table != "lead_statuses":  # its key is the code
        assert row["id"] is not None
    assert row["created_at"] is not None
    assert row.get("updated_at", row["created_at"]) is not None
    assert row.get("deleted_at") is None
    for name, empty in [("tags", []), ("custom_fields", "{}"), ("metadata", "{}"), ("notes", ("", "[]"))]:
        assert name not in row or row[name] in empty or row[name] == empty


@pytest.mark.parametrize(
    ("description", "issue_type", "subject"),
    [
        ("The card\n never   came.", "Cards", "The card never came."),
        ("word " * 30, "", "word " * 14 + "word word…"),
        ("x" * 100, "", "x" * 79 + "…"),
        ("  \n ", "Cards", "Cards"),
        (None, None, "Ticket"),
    ],
)
def test_ticket_takes_its_subject_from_the_description(description, issue_type, subject):
    values = {"issue_description": description, "issue_type": issue_type, "subject": None}
    row = insert("support_tickets", {"client_id": make_client().pk, **values})
    assert row["subject"] == " ".join(subject.split())
    assert len(row["subject"]) <= 80
    assert row["number"] > 0


def test_interaction_of_another_program_may_leave_out_type_and_content():
    row = insert("ai_interactions", {"type": None, "source": None, "content": None, "ai_response": None})
    assert (row["type"], row["source"], row["content"], row["ai_response"]) == (None, None, "", "")
    assert str(AIInteraction.objects.get(pk=row["id"])) == "AI interaction"


@pytest.mark.parametrize("table", ["leads", "clients", "contacts"])
@pytest.mark.parametrize("tags", [[None], ["vip", None], [""]])
def test_tag_without_text_is_refused(table, tags):
    with pytest.raises(IntegrityError) as caught, transaction.atomic():
        insert(table, {**NATURAL_COLUMNS[table](), "tags": tags})
    assert constraint_message(caught.value) == "A tag must not be empty."


NOTE = {"at": "2026-01-05T10:00:00+00:00", "by": "Ann", "body": "Called.", "internal": True}


@pytest.mark.parametrize(
    "note",
    [
        "Called.",
        {},
        [NOTE],
        None,
        *({key: value for key, value in NOTE.items() if key != left_out} for left_out in NOTE),
        {**NOTE, "at": "yesterday"},
        {**NOTE, "at": 5},
        {**NOTE, "by": ""},
        {**NOTE, "body": None},
        {**NOTE, "body": ""},
        {**NOTE, "internal": "yes"},
    ],
)
def test_malformed_ticket_note_is_refused(note):
    ticket = make_ticket()
    with pytest.raises(IntegrityError) as caught, transaction.atomic():
        SupportTicket.objects.filter(pk=ticket.pk).update(notes=[NOTE, note])
    assert constraint_message(caught.value).startswith("A note needs an ISO timestamp")
    SupportTicket.objects.filter(pk=ticket.pk).update(notes=[NOTE, {**NOTE, "internal": False}])


def test_ticket_needs_a_client_or_a_lead():
    with pytest.raises(IntegrityError) as caught, transaction.atomic():
        insert("support_tickets", {"subject": "Trouble"})
    assert constraint_message(caught.value) == "A ticket needs a client or a lead."


def test_every_foreign_key_has_the_action_of_its_model():
    """A new foreign key gets it after `migrate`, without a migration of its own."""
    found = load_constraints("default")
    tables = set(connection.introspection.table_names())
    declared = {(table, column): action for table, column, action in declared_actions() if table in tables}
    assert {key: found[key].action for key in declared} == declared
    assert all(found[key].is_validated for key in declared)
    assert set(declared.values()) >= {"c", "n", "r"}


def test_changed_action_is_restored():
    key = ("tasks", "lead_id")
    replace_action("default", "tasks", load_constraints("default")[key], "c")
    wrong = load_constraints("default")[key]
    assert (wrong.action, wrong.is_validated) == ("c", False)
    sync_on_delete_actions(using="default")
    right = load_constraints("default")[key]
    assert (right.name, right.action, right.is_validated) == (wrong.name, "n", True)
    assert right.definition.endswith("ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED")


def delete(table: str, pk: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {table} WHERE id = %s", [pk])
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_deleted_client_takes_its_tickets_along_and_leaves_the_rest():
    client = make_client()
    ticket = make_ticket(client=client)
    SupportTicket.objects.filter(pk=ticket.pk).update(deleted_at=timezone.now())  # soft-deleted ones too
    task = Task.objects.create(title="Call", client=client)
    delete("clients", client.pk)
    task.refresh_from_db()
    assert (task.client_id, SupportTicket.everything.filter(pk=ticket.pk).exists()) == (None, False)


def test_deleted_lead_leaves_its_append_only_log():
    lead = make_lead()
    interaction = AIInteraction.objects.create(lead=lead, content="Who is it?")
    thread = make_thread(lead=lead)
    Message.objects.create(thread=thread, direction="in", sent_at=timezone.now())
    delete("leads", lead.pk)
    interaction.refresh_from_db()
    thread.refresh_from_db()
    assert (interaction.lead_id, thread.lead_id, thread.messages.count()) == (None, None, 1)


def test_deleted_user_leaves_the_records_unassigned():
    user = make_user("ursula")
    lead, mailbox = make_lead(assigned_to=user), Mailbox.objects.create(address="u@agency.example", owner=user)
    draft = Draft.objects.create(author=user)
    delete("users", user.pk)
    assert (Lead.objects.get(pk=lead.pk).assigned_to, Mailbox.objects.get(pk=mailbox.pk).owner) == (None, None)
    assert not Draft.everything.filter(pk=draft.pk).exists()
    assert not User.objects.filter(pk=user.pk).exists()


def make_converted_client() -> Client:
    return make_lead(converted_at=timezone.now(), converted_to_client=make_client()).converted_to_client


def insert_execution() -> SuggestionExecution:
    suggestion = make_suggestion()
    return SuggestionExecution.objects.create(suggestion=suggestion, attempt=1, idempotency_key="key")


@pytest.mark.parametrize(
    ("table", "make"),
    [
        (
            "clients",
            make_converted_client,
        ),
        ("insurance_types", lambda: make_lead(line="auto").insurance_type),
        ("suggestions", lambda: insert_execution().suggestion),
        ("leads", lambda: make_ticket(client=None, lead=make_lead()).lead),
    ],
)
def test_protected_row_is_not_deleted(table, make):
    row = make()
    with pytest.raises(DatabaseError), transaction.atomic():
        delete(table, row.pk)
    assert type(row)._base_manager.filter(pk=row.pk).exists()
