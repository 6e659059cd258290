"""Who sees a suggestion: a user who sees all records that it is about.

It belongs to the owner of its records. A reply belongs to the assignee of its conversation, and the resolution of a
ticket to that of the ticket, even if a colleague owns the customer; the owner sees it, too. So does the assignee of a
conversation of no customer see what is suggested for it. Where its records have different owners, it is restricted.
"""

from django.db import migrations

from leads.ownership import keep_owner

SUGGESTION_OWNERS = """
    CREATE FUNCTION suggestions_owners(
        suggestion suggestions, OUT owner_id uuid, OUT record_owner_id uuid, OUT restriction smallint
    ) LANGUAGE plpgsql STABLE AS $$
    DECLARE
        thread record;
        ticket record;
        customer_owners uuid[] := ARRAY(
            SELECT DISTINCT about.assigned_to_id FROM (
                SELECT assigned_to_id FROM leads WHERE id = suggestion.lead_id
                UNION ALL SELECT assigned_to_id FROM clients WHERE id = suggestion.client_id
                UNION ALL SELECT clients.assigned_to_id FROM projects JOIN clients ON clients.id = projects.client_id
                           WHERE projects.id = suggestion.project_id
            ) AS about WHERE about.assigned_to_id IS NOT NULL
        );
        owners uuid[];
        assignees uuid[];
    BEGIN
        SELECT threads.owner_id, threads.record_owner_id, threads.restriction INTO thread
          FROM threads WHERE id = suggestion.thread_id;
        SELECT support_tickets.owner_id, support_tickets.record_owner_id, support_tickets.restriction INTO ticket
          FROM support_tickets WHERE id = suggestion.ticket_id;
        owners := ARRAY(
            SELECT DISTINCT about.key FROM unnest(
                customer_owners || coalesce(thread.record_owner_id, thread.owner_id)
                || coalesce(ticket.record_owner_id, ticket.owner_id)
            ) AS about (key) WHERE about.key IS NOT NULL
        );
        assignees := ARRAY(
            SELECT DISTINCT assigned.key FROM unnest(ARRAY[
                CASE WHEN thread.record_owner_id IS NOT NULL THEN thread.owner_id END,
                CASE WHEN ticket.record_owner_id IS NOT NULL THEN ticket.owner_id END
            ]) AS assigned (key) WHERE assigned.key IS NOT NULL
        );
        restriction := CASE WHEN suggestion.restriction = 2 THEN 2 ELSE 0 END;
        IF cardinality(owners) > 1
           OR (thread.restriction <> 0 AND thread.owner_id IS NULL)
           OR (ticket.restriction <> 0 AND ticket.owner_id IS NULL)
        THEN
            restriction := greatest(restriction, 1);
        ELSIF cardinality(assignees) = 1
              AND (suggestion.type IN ('REPLY', 'RESOLVE_TICKET') OR customer_owners = '{}')
              AND (thread.owner_id IS NULL OR assignees[1] IN (thread.owner_id, thread.record_owner_id))
              AND (ticket.owner_id IS NULL OR assignees[1] IN (ticket.owner_id, ticket.record_owner_id))
        THEN
            owner_id := assignees[1];
            record_owner_id := owners[1];
        ELSE
            owner_id := owners[1];
        END IF;
    END $$;
"""
LINKS = {
    "lead_id": "leads",
    "client_id": "clients",
    "project_id": "projects",
    "thread_id": "threads",
    "ticket_id": "support_tickets",
}
# What the planner cannot know unless it is told to look: how many of those that wait each user sees.
STATISTICS = """
    DROP STATISTICS suggestions_owners_by_status;
    CREATE STATISTICS suggestions_owners_by_status (mcv)
        ON status, owner_id, record_owner_id, restriction FROM suggestions;
    ALTER STATISTICS suggestions_owners_by_status SET STATISTICS 500;
"""
BACKFILL = """
    UPDATE suggestions SET lead_id = lead_id WHERE id IN (
        SELECT old.id FROM suggestions AS old, LATERAL suggestions_owners(old) AS kept
         WHERE (old.owner_id, old.record_owner_id, old.restriction)
               IS DISTINCT FROM (kept.owner_id, kept.record_owner_id, kept.restriction)
    )
"""


class Migration(migrations.Migration):
    dependencies = [
        ("suggestions", "0008_suggestion_record_owner"),
        ("inbox", "0006_thread_owner_triggers"),
        ("support", "0005_ticket_owner_triggers"),
    ]
    operations = [
        migrations.RunSQL(SUGGESTION_OWNERS),
        migrations.RunSQL(keep_owner("suggestions", LINKS)),
        migrations.RunSQL(STATISTICS),
        migrations.RunSQL(BACKFILL),
    ]
