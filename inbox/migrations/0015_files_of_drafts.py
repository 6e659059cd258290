"""List the files that a draft no longer has, so that a job deletes those that nothing else has."""

from django.db import migrations

LIST_FILES = """
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
FORGET_FILES = """
    DROP TRIGGER drafts_list_removed_files ON drafts;
    DROP TRIGGER drafts_list_replaced_files ON drafts;
    DROP FUNCTION drafts_list_removed_files();
"""


class Migration(migrations.Migration):
    dependencies = [("inbox", "0014_files_in_use")]

    operations = [migrations.RunSQL(LIST_FILES, FORGET_FILES)]
