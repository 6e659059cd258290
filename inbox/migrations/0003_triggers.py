"""The database keeps the owner of each thread, and remembers what was purged of a mailbox.

A purged email is remembered by its Message-ID, so that it is not fetched again under another number.
"""

from django.db import migrations

from leads.ownership import follow, follow_assigned, leave, leave_assigned

REMEMBER = """
    CREATE FUNCTION messages_remember_purged() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO purged_mails (mailbox_id, digest)
        SELECT OLD.mailbox_id, encode(sha256(convert_to(OLD.message_id, 'UTF8')), 'hex')
         WHERE EXISTS (SELECT FROM mailboxes WHERE id = OLD.mailbox_id)
        ON CONFLICT DO NOTHING;
        RETURN NULL;
    END $$;
    CREATE TRIGGER messages_remember_purged AFTER DELETE ON messages
        FOR EACH ROW WHEN (OLD.mailbox_id IS NOT NULL AND OLD.message_id <> '')
        EXECUTE FUNCTION messages_remember_purged();
"""
FORGET = """
    DROP TRIGGER messages_remember_purged ON messages;
    DROP FUNCTION messages_remember_purged();
"""


class Migration(migrations.Migration):
    dependencies = [("inbox", "0002_search_words"), ("leads", "0001_initial"), ("crm", "0001_initial")]
    operations = [
        migrations.RunSQL(follow("threads"), leave("threads")),
        migrations.RunSQL(follow_assigned("threads"), leave_assigned("threads")),
        migrations.RunSQL(REMEMBER, FORGET),
    ]
