"""Who sees a ticket: its assignee, and the owner of its client, else of its lead."""

from django.db import migrations

from leads.ownership import keep_owner

TICKET_OWNERS = """
    CREATE FUNCTION support_tickets_owners(
        ticket support_tickets, OUT owner_id uuid, OUT record_owner_id uuid, OUT restriction smallint
    ) LANGUAGE plpgsql STABLE AS $$
    BEGIN
        record_owner_id := coalesce(
            (SELECT assigned_to_id FROM clients WHERE id = ticket.client_id),
            (SELECT assigned_to_id FROM leads WHERE id = ticket.lead_id)
        );
        owner_id := coalesce(ticket.assigned_to_id, record_owner_id);
        record_owner_id := nullif(record_owner_id, owner_id);
        restriction := ticket.restriction;
    END $$;
"""
LINKS = {"lead_id": "leads", "client_id": "clients"}
BACKFILL = "UPDATE support_tickets SET lead_id = lead_id"


class Migration(migrations.Migration):
    dependencies = [
        ("support", "0004_ticket_owner"),
        ("leads", "0012_task_owner_triggers"),
    ]
    operations = [
        migrations.RunSQL(TICKET_OWNERS),
        migrations.RunSQL(keep_owner("support_tickets", LINKS, others=["assigned_to_id"])),
        migrations.RunSQL(BACKFILL),
    ]
