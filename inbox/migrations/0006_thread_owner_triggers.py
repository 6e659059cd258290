"""Who sees a conversation: the owner of its lead or client, and its assignee.

A conversation with neither lead nor client belongs to the owner of its mailbox; in a shared mailbox it is everyone's.
"""

from django.db import migrations

from leads.ownership import keep_owner

THREAD_OWNERS = """
    CREATE FUNCTION threads_owners(
        thread threads, OUT owner_id uuid, OUT record_owner_id uuid, OUT restriction smallint
    ) LANGUAGE plpgsql STABLE AS $$
    BEGIN
        IF thread.lead_id IS NULL AND thread.client_id IS NULL THEN
            record_owner_id := (SELECT mailboxes.owner_id FROM mailboxes WHERE id = thread.mailbox_id);
        ELSE
            record_owner_id := coalesce(
                (SELECT assigned_to_id FROM leads WHERE id = thread.lead_id),
                (SELECT assigned_to_id FROM clients WHERE id = thread.client_id)
            );
        END IF;
        owner_id := coalesce(thread.assigned_to_id, record_owner_id);
        record_owner_id := nullif(record_owner_id, owner_id);
        restriction := thread.restriction;
    END $$;
"""
LINKS = {"lead_id": "leads", "client_id": "clients"}
# Only a mailbox with an owner had hidden its conversations.
FOLLOW_MAILBOXES = """
    CREATE FUNCTION threads_follow_mailbox() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        UPDATE threads SET mailbox_id = mailbox_id
         WHERE mailbox_id = NEW.id AND lead_id IS NULL AND client_id IS NULL;
        RETURN NULL;
    END $$;
    CREATE TRIGGER threads_follow_mailbox AFTER UPDATE OF owner_id ON mailboxes
        FOR EACH ROW WHEN (OLD.owner_id IS DISTINCT FROM NEW.owner_id)
        EXECUTE FUNCTION threads_follow_mailbox();
    CREATE CONSTRAINT TRIGGER threads_restrict_mailbox AFTER UPDATE OF mailbox_id ON threads
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
        WHEN (OLD.mailbox_id IS NOT NULL AND NEW.mailbox_id IS NULL AND NEW.lead_id IS NULL AND NEW.client_id IS NULL
              AND OLD.owner_id IS NOT NULL)
        EXECUTE FUNCTION restrict_after_purge('mailbox_id', 'mailboxes');
"""
BACKFILL = """
    UPDATE threads SET lead_id = lead_id
     WHERE assigned_to_id IS NOT NULL
        OR (lead_id IS NULL AND client_id IS NULL
            AND mailbox_id IN (SELECT id FROM mailboxes WHERE owner_id IS NOT NULL))
"""


class Migration(migrations.Migration):
    dependencies = [
        ("inbox", "0005_thread_record_owner"),
        ("leads", "0012_task_owner_triggers"),
    ]
    operations = [
        migrations.RunSQL(THREAD_OWNERS),
        migrations.RunSQL(keep_owner("threads", LINKS, others=["assigned_to_id", "mailbox_id"])),
        migrations.RunSQL(FOLLOW_MAILBOXES),
        migrations.RunSQL(BACKFILL),
    ]
