"""The open leads whose next best action is to be looked for, the latest news first."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("leads", "0012_next_look")]
    operations = [
        AddIndexConcurrently(
            model_name="lead",
            index=models.Index(
                models.F("next_look_at").desc(),
                models.F("id").desc(),
                condition=models.Q(("closed_at__isnull", True), ("deleted_at__isnull", True)),
                name="leads_to_look_at",
            ),
        ),
    ]
