"""An agent's filters by tag, value and last contact read indexes that begin with the owner."""

import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.db.models.functions.comparison
from django.contrib.postgres.operations import RemoveIndexConcurrently
from django.db import migrations, models

from crm.records.migration_operations import AddIndexConcurrently, InOneStep

LOWER_TAGS = models.Func(
    models.F("tags"),
    function="lower_tags",
    output_field=django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), size=None),
)


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("crm", "0025_tags_by_owner"), ("leads", "0015_stage_history_by_time")]

    operations = [
        InOneStep(
            [
                AddIndexConcurrently(
                    model_name="lead",
                    index=django.contrib.postgres.indexes.GinIndex(
                        models.F("assigned_to"),
                        LOWER_TAGS,
                        condition=models.Q(("deleted_at__isnull", True)),
                        name="leads_tags_of_owner",
                    ),
                ),
                AddIndexConcurrently(
                    model_name="lead",
                    index=django.contrib.postgres.indexes.GinIndex(
                        LOWER_TAGS,
                        condition=models.Q(("deleted_at__isnull", True), ("assigned_to__isnull", True)),
                        name="leads_tags_unassigned",
                    ),
                ),
                AddIndexConcurrently(
                    model_name="lead",
                    index=models.Index(
                        models.F("assigned_to"),
                        models.OrderBy(
                            models.Case(
                                models.When(priority_tier="hot", then=models.Value(4)),
                                models.When(priority_tier="warm", then=models.Value(3)),
                                models.When(priority_tier="cold", then=models.Value(2)),
                                models.When(priority_tier="dormant", then=models.Value(1)),
                                default=models.Value(0),
                                output_field=models.SmallIntegerField(),
                            ),
                            descending=True,
                        ),
                        models.OrderBy(
                            django.db.models.functions.comparison.Coalesce(
                                "overall_score", models.Value(-1), output_field=models.DecimalField()
                            ),
                            descending=True,
                        ),
                        models.OrderBy(models.F("id"), descending=True),
                        condition=models.Q(("deleted_at__isnull", True)),
                        include=(
                            "closed_at",
                            "priority_tier",
                            "overall_score",
                            "estimated_value",
                            "last_contact_at",
                            "created_at",
                        ),
                        name="leads_by_owner",
                    ),
                ),
                RemoveIndexConcurrently(model_name="lead", name="leads_of_owner"),
                RemoveIndexConcurrently(model_name="lead", name="leads_tags"),
            ]
        ),
    ]
