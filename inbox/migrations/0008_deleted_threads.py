"""The bin of the conversations has an index: to count and page it, all conversations were read."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models.functions import Coalesce


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("inbox", "0007_roles")]
    operations = [
        AddIndexConcurrently(
            model_name="thread",
            index=models.Index(
                Coalesce("last_message_at", "created_at").desc(),
                models.F("id").desc(),
                condition=models.Q(deleted_at__isnull=False),
                name="threads_deleted",
            ),
        ),
    ]
