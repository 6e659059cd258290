"""Moving what refers to a record to another one, and back."""

import json

import pghistory.models
import pytest
from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext

from ai_log.models import AIInteraction
from crm.exceptions import InvalidInput
from crm.models import ActivityLog, Client, Contact
from crm.records.activity import SYSTEM_ACTOR, record
from crm.records.references import move_references, references_to, restore_references
from leads.models import ContactLead, Lead, Task
from tests.cast import make_client, make_contact, make_lead, make_suggestion, make_thread, make_ticket

pytestmark = pytest.mark.django_db
NOT_MOVED = {"lead_stage_history", "tier_changes"}


def table_rows() -> dict[str, dict[str, str]]:
    """Return every row of every table, except the row audit, as JSON text by key."""
    rows = {}
    audit = {model._meta.db_table for model in apps.get_models() if issubclass(model, pghistory.models.Event)}
    with connection.cursor() as cursor:
        for model in apps.get_models(include_auto_created=True):
            table = model._meta.db_table
            if model._meta.managed and table not in audit and table in connection.introspection.table_names(cursor):
                key = model._meta.pk.column
                cursor.execute(f'SELECT to_jsonb(one) ->> %s, to_jsonb(one)::text FROM "{table}" AS one', [key])
                rows[table] = dict(cursor.fetchall())
    return rows


def test_references_include_every_table_with_a_foreign_key():
    tables = {reference.model._meta.db_table for reference in references_to(Lead)}
    assert {"threads", "suggestions", "support_tickets", "tasks", "contact_leads", "ai_interactions"} <= tables
    assert "lead_snapshots" not in tables, "it has room for one lead's row only"
    assert not {"leads_history", "threads_history"} & tables, "the audit keeps what was"
    assert {r.model._meta.db_table for r in references_to(Contact)} == {
        *("contact_leads", "contact_clients", "import_changes")
    }
    assert ("leads", "converted_to_client_id") in {
        (reference.model._meta.db_table, reference.field.column) for reference in references_to(Client)
    }


def test_all_that_refers_to_a_lead_moves_and_comes_back_exactly():
    winner, loser = make_lead(), make_lead()
    thread, ticket = make_thread(lead=loser), make_ticket(lead=loser, client=None)
    suggestion, task = make_suggestion(lead=loser), Task.objects.create(title="Call", lead=loser)
    interaction = AIInteraction.objects.create(lead=loser, content="Who?")
    entry = record(task, "created", timeline_owner=loser, by=SYSTEM_ACTOR, summary="Task")
    before = table_rows()
    moved = json.loads(json.dumps(move_references(loser, winner, excluded=NOT_MOVED)))
    for row in (thread, ticket, suggestion, task, interaction):
        row.refresh_from_db()
        assert row.lead == winner
    entry.refresh_from_db()
    assert entry.about_id == winner.pk
    assert not ActivityLog.objects.on_timeline_of(loser).exists()
    assert restore_references(moved, source=loser, target=winner) == []
    assert table_rows() == before


def test_only_what_still_refers_to_the_winner_is_restored():
    winner, loser, other = make_lead(), make_lead(), make_lead()
    stays, leaves = make_thread(lead=loser), make_thread(lead=loser)
    moved = move_references(loser, winner, excluded=NOT_MOVED)
    leaves.lead = other
    leaves.save()
    remaining = restore_references(moved, source=loser, target=winner)
    stays.refresh_from_db()
    leaves.refresh_from_db()
    assert (stays.lead, leaves.lead) == (loser, other)
    assert [(entry["column"], entry["ids"]) for entry in remaining] == [("lead_id", [str(leaves.pk)])]


def test_a_contact_of_both_leads_stays_linked_once_and_one_primary_remains():
    winner, loser, both, second = make_lead(), make_lead(), make_contact(), make_contact()
    kept = ContactLead.objects.create(lead=winner, contact=both, is_primary=True)
    twin = ContactLead.objects.create(lead=loser, contact=both)
    primary = ContactLead.objects.create(lead=loser, contact=second, is_primary=True)
    before = table_rows()
    moved = move_references(loser, winner, excluded=NOT_MOVED)
    links = {link.pk: link.is_primary for link in winner.contact_links.all()}
    assert links == {kept.pk: True, primary.pk: False}
    twin.refresh_from_db()
    assert twin.lead == loser
    restore_references(moved, source=loser, target=winner)
    assert table_rows() == before


def test_the_primary_link_of_a_contact_passes_to_the_contact_that_is_kept():
    lead, winner, loser = make_lead(), make_contact(), make_contact()
    link = ContactLead.objects.create(lead=lead, contact=winner)
    ContactLead.objects.create(lead=lead, contact=loser, is_primary=True)
    before = table_rows()
    moved = move_references(loser, winner)
    link.refresh_from_db()
    assert link.is_primary
    restore_references(moved, source=loser, target=winner)
    assert table_rows() == before


def test_the_number_of_statements_does_not_grow_with_the_rows():
    def count_statements(rows: int) -> int:
        winner, loser = make_client(), make_client()
        for _ in range(rows):
            make_thread(client=loser)
            make_ticket(client=loser)
        with CaptureQueriesContext(connection) as statements:
            move_references(loser, winner)
        return len(statements)

    assert count_statements(1) == count_statements(6)


def test_a_record_cannot_be_moved_to_itself_or_to_another_table():
    lead = make_lead()
    with pytest.raises(InvalidInput):
        move_references(lead, lead)
    with pytest.raises(InvalidInput):
        move_references(lead, make_client())
