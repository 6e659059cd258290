"""What did not go out, for the tab of the inbox and the figure on Today."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("inbox", "0019_untriaged")]
    operations = [
        AddIndexConcurrently(
            model_name="message",
            index=models.Index(
                "thread",
                "state",
                condition=models.Q(("deleted_at__isnull", True), ("state__in", ["FAILED", "UNCERTAIN"])),
                name="messages_not_sent",
            ),
        ),
    ]
