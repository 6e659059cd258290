"""The bin of the tickets has an index: to count and page it, all tickets were read."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("support", "0002_records")]
    operations = [
        AddIndexConcurrently(
            model_name="supportticket",
            index=models.Index(
                models.F("created_at").desc(),
                models.F("id").desc(),
                condition=models.Q(deleted_at__isnull=False),
                name="support_tickets_deleted",
            ),
        ),
    ]
