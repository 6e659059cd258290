"""The threads about a policy, the latest first."""

import django.db.models.functions.comparison
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("inbox", "0019_threads_of_policies")]

    operations = [
        AddIndexConcurrently(
            model_name="thread",
            index=models.Index(
                models.F("policy"),
                models.OrderBy(
                    django.db.models.functions.comparison.Coalesce("last_message_at", "created_at"), descending=True
                ),
                models.OrderBy(models.F("id"), descending=True),
                condition=models.Q(("policy__isnull", False)),
                name="threads_of_policy",
            ),
        ),
    ]
