"""Remove empty addresses from participants and recipients: the next step lets the database refuse them."""

from django.db import migrations

REMOVE_FROM_THREADS = """
UPDATE threads SET participant_emails = array_remove(participant_emails, '') WHERE '' = ANY(participant_emails)
"""
# Outgoing messages never had one, and may not be changed.
REMOVE_FROM_MESSAGES = """
UPDATE messages SET "to" = array_remove("to", ''), "cc" = array_remove("cc", '')
 WHERE direction = 'in' AND ('' = ANY("to") OR '' = ANY("cc"))
"""


class Migration(migrations.Migration):
    dependencies = [("inbox", "0006_threads_of_lead")]

    operations = [
        migrations.RunSQL(REMOVE_FROM_THREADS, migrations.RunSQL.noop),
        migrations.RunSQL(REMOVE_FROM_MESSAGES, migrations.RunSQL.noop),
    ]
