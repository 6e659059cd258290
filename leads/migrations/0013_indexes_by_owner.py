"""Indexes that begin with the owner of a lead or task, so that an agent reads no rows of others."""

import datetime

import django.db.models.functions.comparison
from django.conf import settings
from django.contrib.postgres.operations import RemoveIndexConcurrently
from django.db import migrations, models

from crm.records.migration_operations import AddIndexConcurrently, InOneStep


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("crm", "0019_contact_restriction"),
        ("leads", "0012_task_owner_triggers"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        InOneStep(
            [
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
                        include=("closed_at", "priority_tier"),
                        name="leads_of_owner",
                    ),
                ),
                AddIndexConcurrently(
                    model_name="lead",
                    index=models.Index(
                        condition=models.Q(("closed_at__isnull", True), ("deleted_at__isnull", True)),
                        fields=["assigned_to", "status"],
                        include=("estimated_value", "predicted_close_probability"),
                        name="leads_owner_pipeline",
                    ),
                ),
                AddIndexConcurrently(
                    model_name="task",
                    index=models.Index(
                        django.db.models.functions.comparison.Coalesce(
                            "due_on", models.Value(datetime.date(9999, 12, 31), models.DateField())
                        ),
                        models.F("id"),
                        condition=models.Q(
                            ("deleted_at__isnull", True), ("status__in", ("ON_DECK", "IN_PROGRESS", "BLOCKED"))
                        ),
                        name="tasks_next_due",
                    ),
                ),
                AddIndexConcurrently(
                    model_name="task",
                    index=models.Index(
                        models.F("assignee"),
                        django.db.models.functions.comparison.Coalesce(
                            "due_on", models.Value(datetime.date(9999, 12, 31), models.DateField())
                        ),
                        models.F("id"),
                        condition=models.Q(
                            ("deleted_at__isnull", True), ("status__in", ("ON_DECK", "IN_PROGRESS", "BLOCKED"))
                        ),
                        name="tasks_next_due_of_assignee",
                    ),
                ),
                AddIndexConcurrently(
                    model_name="task",
                    index=models.Index(
                        models.F("owner"),
                        django.db.models.functions.comparison.Coalesce(
                            "due_on", models.Value(datetime.date(9999, 12, 31), models.DateField())
                        ),
                        models.F("id"),
                        condition=models.Q(
                            ("deleted_at__isnull", True), ("status__in", ("ON_DECK", "IN_PROGRESS", "BLOCKED"))
                        ),
                        name="tasks_next_due_of_owner",
                    ),
                ),
                AddIndexConcurrently(
                    model_name="task",
                    index=models.Index(
                        models.F("status"),
                        django.db.models.functions.comparison.Coalesce(
                            "due_on", models.Value(datetime.date(9999, 12, 31), models.DateField())
                        ),
                        models.F("id"),
                        condition=models.Q(("deleted_at__isnull", True)),
                        include=("owner", "restriction"),
                        name="tasks_status_by_due",
                    ),
                ),
                RemoveIndexConcurrently(
                    model_name="lead",
                    name="leads_assigned_to",
                ),
                RemoveIndexConcurrently(
                    model_name="lead",
                    name="leads_pipeline",
                ),
                RemoveIndexConcurrently(
                    model_name="task",
                    name="tasks_unfinished_by_due",
                ),
                RemoveIndexConcurrently(
                    model_name="task",
                    name="tasks_by_status",
                ),
            ]
        ),
    ]
