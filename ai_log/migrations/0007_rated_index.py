from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("ai_log", "0006_days_of_each"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="aiinteraction",
            index=models.Index(
                models.F("feedback"),
                models.OrderBy(models.F("created_at"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                condition=models.Q(("feedback", ""), _negated=True),
                name="ai_interactions_rated",
            ),
        ),
    ]
