from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("ai_log", "0003_erasure"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="aiinteraction",
            index=models.Index(
                models.F("asked_by"),
                models.OrderBy(models.F("created_at"), descending=True),
                name="ai_interactions_asked_by",
            ),
        ),
    ]
