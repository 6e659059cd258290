"""Indexes of the queue with all columns that say who sees a suggestion."""

from django.contrib.postgres.operations import RemoveIndexConcurrently
from django.db import migrations, models

from crm.records.migration_operations import AddIndexConcurrently, InOneStep
from crm.records.owners import record_owner_index

LIVE = models.Q(deleted_at__isnull=True)
NEWEST_FIRST = (models.F("created_at").desc(), models.F("id").desc())
VIEWER_COLUMNS = ("owner", "record_owner", "restriction")


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("suggestions", "0009_suggestion_owner_triggers")]
    operations = [
        InOneStep(
            [
                RemoveIndexConcurrently("suggestion", "suggestions_waiting"),
                AddIndexConcurrently(
                    "suggestion",
                    models.Index(
                        models.F("priority").desc(),
                        *NEWEST_FIRST,
                        condition=LIVE & models.Q(status="PENDING"),
                        include=[*VIEWER_COLUMNS, "snoozed_until", "expires_at", "type", "confidence"],
                        name="suggestions_waiting",
                    ),
                ),
                RemoveIndexConcurrently("suggestion", "suggestions_snoozed"),
                AddIndexConcurrently(
                    "suggestion",
                    models.Index(
                        *NEWEST_FIRST,
                        condition=LIVE & models.Q(status="PENDING", snoozed_until__isnull=False),
                        include=["snoozed_until", *VIEWER_COLUMNS],
                        name="suggestions_snoozed",
                    ),
                ),
                AddIndexConcurrently("suggestion", record_owner_index("suggestions")),
            ]
        ),
    ]
