"""The owner of each thread, what was purged of a mailbox, and the files that messages and drafts no longer have.

A purged email is remembered by its Message-ID, so that it is not fetched again under another number.
"""

from django.db import migrations

from leads.ownership import follow

REMEMBER_PURGED = """
    CREATE FUNCTION messages_remember_purged() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO purged_mails (mailbox_id, digest, sent_at, stored_at)
        SELECT OLD.mailbox_id, encode(sha256(convert_to(OLD.message_id, 'UTF8')), 'hex'),
               CASE WHEN OLD.media ? 'date_unknown' THEN NULL ELSE OLD.sent_at END, OLD.created_at
         WHERE EXISTS (SELECT FROM mailboxes WHERE id = OLD.mailbox_id)
        ON CONFLICT DO NOTHING;
        RETURN NULL;
    END $$;
    CREATE TRIGGER messages_remember_purged AFTER DELETE ON messages
        FOR EACH ROW WHEN (OLD.mailbox_id IS NOT NULL AND OLD.message_id <> '')
        EXECUTE FUNCTION messages_remember_purged();
"""
# A job deletes the files that no other message has.
FILES_OF_MESSAGES = """
    CREATE FUNCTION messages_list_removed_files() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' AND OLD.source_path <> '' THEN
            INSERT INTO removed_files (path, start, size) VALUES (OLD.source_path, OLD.source_start, OLD.source_size);
        END IF;
        INSERT INTO removed_files (path)
        SELECT DISTINCT entry->>'stored' FROM jsonb_array_elements(OLD.attachments) AS entry
         WHERE length(entry->>'stored') <= 500;
        RETURN NULL;
    END $$;
    CREATE TRIGGER messages_list_removed_files AFTER DELETE ON messages
        FOR EACH ROW WHEN (OLD.source_path <> '' OR OLD.attachments <> '[]')
        EXECUTE FUNCTION messages_list_removed_files();
    CREATE TRIGGER messages_list_replaced_files AFTER UPDATE OF attachments ON messages
        FOR EACH ROW WHEN (OLD.attachments <> NEW.attachments)
        EXECUTE FUNCTION messages_list_removed_files();
"""
FILES_OF_DRAFTS = """
    CREATE FUNCTION drafts_list_removed_files() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO removed_files (path)
        SELECT DISTINCT entry->>'stored' FROM jsonb_array_elements(OLD.attachments) AS entry
         WHERE length(entry->>'stored') <= 500;
        RETURN NULL;
    END $$;
    CREATE TRIGGER drafts_list_removed_files AFTER DELETE ON drafts
        FOR EACH ROW WHEN (OLD.attachments <> '[]')
        EXECUTE FUNCTION drafts_list_removed_files();
    CREATE TRIGGER drafts_list_replaced_files AFTER UPDATE OF attachments ON drafts
        FOR EACH ROW WHEN (OLD.attachments <> NEW.attachments)
        EXECUTE FUNCTION drafts_list_removed_files();
"""


class Migration(migrations.Migration):
    dependencies = [("inbox", "0002_search_words")]
    operations = [
        migrations.RunSQL(follow("threads")),
        migrations.RunSQL(REMEMBER_PURGED),
        migrations.RunSQL(FILES_OF_MESSAGES),
        migrations.RunSQL(FILES_OF_DRAFTS),
    ]
