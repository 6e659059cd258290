"""Index the files that messages have, to tell whether one is still in use."""

import django.contrib.postgres.indexes
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("inbox", "0013_places_of_sources")]

    operations = [
        AddIndexConcurrently(
            "message",
            models.Index(
                models.F("source_path"),
                condition=models.Q(("source_path", ""), _negated=True),
                name="messages_by_source",
            ),
        ),
        AddIndexConcurrently(
            "message",
            django.contrib.postgres.indexes.GinIndex(
                condition=models.Q(("attachments", []), _negated=True),
                fields=["attachments"],
                name="messages_by_attachment",
                opclasses=["jsonb_path_ops"],
            ),
        ),
    ]
