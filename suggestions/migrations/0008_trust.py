"""Indexes for what became of an agent's suggestions, and for what the policy let happen."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("suggestions", "0007_owner_followed")]

    operations = [
        AddIndexConcurrently(
            model_name="suggestion",
            index=models.Index(
                models.F("agent"),
                models.F("type"),
                models.OrderBy(models.F("created_at"), descending=True),
                condition=models.Q(("deleted_at__isnull", True), models.Q(("agent", ""), _negated=True)),
                name="suggestions_by_agent",
            ),
        ),
        AddIndexConcurrently(
            model_name="suggestion",
            index=models.Index(
                models.OrderBy(models.F("created_at"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                condition=models.Q(
                    ("deleted_at__isnull", True),
                    ("autonomy", "auto_execute"),
                    ("held_because", []),
                    ("reviewed_at__isnull", False),
                    ("reviewed_by__isnull", True),
                    ("status__in", ["APPROVED", "MODIFIED", "FAILED"]),
                ),
                name="suggestions_by_policy",
            ),
        ),
        AddIndexConcurrently(
            model_name="suggestionexecution",
            index=models.Index(
                models.F("created_at"),
                condition=models.Q(("ordered_by__isnull", True)),
                name="suggestion_executions_policy",
            ),
        ),
    ]
