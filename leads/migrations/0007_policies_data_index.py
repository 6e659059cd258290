"""An index that finds policies by the answers to the questions of their line."""

from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import migrations, models

from crm.records.migration_operations import AddIndexConcurrently


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("leads", "0006_line_forms")]

    operations = [
        AddIndexConcurrently(
            "policy",
            GinIndex(
                OpClass("data", name="jsonb_path_ops"),
                condition=models.Q(deleted_at__isnull=True),
                name="policies_data",
            ),
        ),
    ]
