"""An index that finds policies by their custom fields."""

from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import migrations, models

from crm.records.migration_operations import AddIndexConcurrently


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("leads", "0009_names_of_line_columns")]

    operations = [
        AddIndexConcurrently(
            "policy",
            GinIndex(
                OpClass("custom_fields", name="jsonb_path_ops"),
                condition=models.Q(deleted_at__isnull=True),
                name="policies_custom_fields",
            ),
        ),
    ]
