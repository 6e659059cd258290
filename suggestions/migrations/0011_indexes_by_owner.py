"""The queue of an owner is counted from its index alone; a lead finds all its suggestions, deleted ones included."""

from django.conf import settings
from django.contrib.postgres.operations import RemoveIndexConcurrently
from django.db import migrations, models

from crm.records.migration_operations import AddIndexConcurrently, InOneStep


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("ai_log", "0001_tables"),
        ("crm", "0019_contact_restriction"),
        ("inbox", "0008_indexes_by_owner"),
        ("leads", "0013_indexes_by_owner"),
        ("suggestions", "0010_suggestion_viewer_indexes"),
        ("support", "0006_ticket_record_owner_index"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        InOneStep(
            [
                AddIndexConcurrently(
                    model_name="suggestion",
                    index=models.Index(
                        models.F("lead"),
                        models.OrderBy(models.F("created_at"), descending=True),
                        condition=models.Q(("lead__isnull", False)),
                        name="suggestions_by_lead",
                    ),
                ),
                RemoveIndexConcurrently(
                    model_name="suggestion",
                    name="suggestions_of_lead",
                ),
                AddIndexConcurrently(
                    model_name="suggestion",
                    index=models.Index(
                        models.F("owner"),
                        models.OrderBy(models.F("priority"), descending=True),
                        models.OrderBy(models.F("created_at"), descending=True),
                        models.OrderBy(models.F("id"), descending=True),
                        condition=models.Q(("deleted_at__isnull", True), ("status", "PENDING")),
                        include=("snoozed_until", "expires_at", "restriction"),
                        name="suggestions_pending_of_owner",
                    ),
                ),
                RemoveIndexConcurrently(
                    model_name="suggestion",
                    name="suggestions_waiting_for",
                ),
            ]
        ),
    ]
