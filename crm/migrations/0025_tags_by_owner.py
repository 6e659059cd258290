"""Tags are found together with the owner, so that an agent reads no tagged rows of others."""

import django.contrib.postgres.fields
import django.contrib.postgres.indexes
from django.contrib.postgres.operations import BtreeGinExtension, RemoveIndexConcurrently
from django.db import migrations, models

from crm.records.migration_operations import AddIndexConcurrently, InOneStep

LOWER_TAGS = models.Func(
    models.F("tags"),
    function="lower_tags",
    output_field=django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), size=None),
)


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("crm", "0024_list_columns")]

    operations = [
        InOneStep(
            [
                BtreeGinExtension(),
                AddIndexConcurrently(
                    model_name="client",
                    index=django.contrib.postgres.indexes.GinIndex(
                        models.F("assigned_to"),
                        LOWER_TAGS,
                        condition=models.Q(("deleted_at__isnull", True)),
                        name="clients_tags_of_owner",
                    ),
                ),
                AddIndexConcurrently(
                    model_name="client",
                    index=django.contrib.postgres.indexes.GinIndex(
                        LOWER_TAGS,
                        condition=models.Q(("deleted_at__isnull", True), ("assigned_to__isnull", True)),
                        name="clients_tags_unassigned",
                    ),
                ),
                RemoveIndexConcurrently(model_name="client", name="clients_tags"),
            ]
        ),
    ]
