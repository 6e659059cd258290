"""The conversations that a model has yet to read, those first that have waited longest."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("inbox", "0021_readings")]
    operations = [
        AddIndexConcurrently(
            model_name="thread",
            index=models.Index(
                "sense_at",
                "id",
                condition=models.Q(("deleted_at__isnull", True), ("sense_at__isnull", False)),
                name="threads_to_sense",
            ),
        ),
    ]
