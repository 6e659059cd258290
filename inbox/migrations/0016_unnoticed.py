from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("inbox", "0015_noticed")]

    operations = [
        AddIndexConcurrently(
            model_name="thread",
            index=models.Index(
                models.F("id"),
                condition=models.Q(
                    ("deleted_at__isnull", True),
                    ("lead__isnull", False),
                    models.Q(("noticed_count", models.F("message_count")), _negated=True),
                ),
                name="threads_unnoticed",
            ),
        ),
    ]
