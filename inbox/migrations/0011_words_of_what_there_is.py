"""What has been said so far can be found by its words."""

from importlib import import_module

from django.db import migrations

INSERTED = import_module("inbox.migrations.0010_words_kept").INSERTED


class Migration(migrations.Migration):
    dependencies = [("inbox", "0010_words_kept")]
    operations = [
        migrations.RunSQL(
            INSERTED.format(messages="messages") + " ON CONFLICT (message_id) DO NOTHING",
            "DELETE FROM message_words",
        ),
    ]
