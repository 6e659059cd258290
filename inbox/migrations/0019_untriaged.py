"""The conversations that triage has yet to look at, the newest first."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models.functions import Coalesce


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("inbox", "0018_triaged_at")]
    operations = [
        AddIndexConcurrently(
            model_name="thread",
            index=models.Index(
                Coalesce("last_message_at", "created_at").desc(),
                models.F("id").desc(),
                condition=models.Q(
                    ("deleted_at__isnull", True),
                    ("client__isnull", True),
                    ("lead__isnull", True),
                    ("status", "OPEN"),
                    ("triaged_at__isnull", True),
                ),
                name="threads_untriaged",
            ),
        ),
    ]
