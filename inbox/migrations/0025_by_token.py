from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("inbox", "0024_looked_at")]

    operations = [
        AddIndexConcurrently(
            model_name="message",
            index=models.Index(
                condition=models.Q(("deleted_at__isnull", True), models.Q(("token", ""), _negated=True)),
                fields=["token"],
                name="messages_by_token",
            ),
        ),
    ]
