"""The database keeps the owner of each task, and restricts contacts whose only client or lead is purged.

A task belongs to its assignee, else to the owner of its lead, client and project. Where these have different owners,
it is restricted: each of them would read about a record of the other.
"""

from django.db import migrations

from leads.ownership import FOLLOW_FUNCTION_SQL, keep_owner

TASK_OWNERS = """
    CREATE FUNCTION tasks_owners(task tasks, OUT owner_id uuid, OUT restriction smallint) LANGUAGE plpgsql STABLE AS $$
    DECLARE
        owners uuid[] := ARRAY(
            SELECT DISTINCT about.assigned_to_id FROM (
                SELECT assigned_to_id FROM leads WHERE id = task.lead_id
                UNION ALL SELECT assigned_to_id FROM clients WHERE id = task.client_id
                UNION ALL SELECT clients.assigned_to_id FROM projects JOIN clients ON clients.id = projects.client_id
                           WHERE projects.id = task.project_id
            ) AS about WHERE about.assigned_to_id IS NOT NULL
        );
    BEGIN
        owner_id := coalesce(task.assignee_id, CASE WHEN cardinality(owners) = 1 THEN owners[1] END);
        restriction := CASE
            WHEN task.restriction = 2 THEN 2
            WHEN owner_id IS NULL AND cardinality(owners) > 1 THEN 1
            ELSE 0
        END;
    END $$;
"""
LINKS = {"lead_id": "leads", "client_id": "clients", "project_id": "projects"}
RESTRICT_CONTACTS = """
    CREATE FUNCTION contacts_restrict_after_purge() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        key uuid;
        is_purged boolean;
    BEGIN
        EXECUTE 'SELECT ($1).' || quote_ident(TG_ARGV[0]) INTO key USING OLD;
        EXECUTE 'SELECT NOT EXISTS (SELECT FROM ' || quote_ident(TG_ARGV[1]) || ' WHERE id = $1)'
           INTO is_purged USING key;
        IF is_purged THEN
            UPDATE contacts SET restriction = 2 WHERE id = OLD.contact_id;
        END IF;
        RETURN NULL;
    END $$;
    CREATE CONSTRAINT TRIGGER contacts_restrict_lead AFTER DELETE ON contact_leads
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
        EXECUTE FUNCTION contacts_restrict_after_purge('lead_id', 'leads');
    CREATE CONSTRAINT TRIGGER contacts_restrict_client AFTER DELETE ON contact_clients
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
        EXECUTE FUNCTION contacts_restrict_after_purge('client_id', 'clients');
"""
BACKFILL = """
    UPDATE tasks SET lead_id = lead_id
     WHERE assignee_id IS NOT NULL OR lead_id IS NOT NULL OR client_id IS NOT NULL OR project_id IS NOT NULL
"""


class Migration(migrations.Migration):
    dependencies = [("leads", "0011_task_owner")]
    operations = [
        migrations.RunSQL(FOLLOW_FUNCTION_SQL),
        migrations.RunSQL(TASK_OWNERS),
        migrations.RunSQL(keep_owner("tasks", LINKS, others=["assignee_id"])),
        migrations.RunSQL(RESTRICT_CONTACTS),
        migrations.RunSQL(BACKFILL),
    ]
