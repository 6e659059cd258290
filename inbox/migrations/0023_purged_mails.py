"""What was purged of a mailbox is remembered by its Message-ID, so that it is not fetched again under another number."""

import django.db.models.deletion
from django.db import migrations, models

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
    dependencies = [("inbox", "0022_to_sense")]
    operations = [
        migrations.CreateModel(
            name="PurgedMail",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("digest", models.CharField(max_length=64)),
                (
                    "mailbox",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="inbox.mailbox",
                    ),
                ),
            ],
            options={"db_table": "purged_mails", "default_permissions": ()},
        ),
        migrations.AddConstraint(
            model_name="purgedmail",
            constraint=models.UniqueConstraint(
                models.F("mailbox"),
                models.F("digest"),
                name="purged_mails_once",
                violation_error_message="This mail has been purged already.",
            ),
        ),
        migrations.RunSQL(REMEMBER, FORGET),
    ]
