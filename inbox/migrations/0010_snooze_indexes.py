"""Indexes that say which conversations are snoozed."""

import django.db.models.functions.comparison
from django.contrib.postgres.operations import RemoveIndexConcurrently, ValidateConstraint
from django.db import migrations, models

from crm.records.migration_operations import AddIndexConcurrently, InOneStep


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("inbox", "0009_snooze")]
    operations = [
        InOneStep(
            [
                ValidateConstraint("thread", "threads_snoozed_is_open"),
                ValidateConstraint("thread", "threads_snoozed_by_has_time"),
                RemoveIndexConcurrently(
                    model_name="thread",
                    name="threads_we_owe",
                ),
                AddIndexConcurrently(
                    model_name="thread",
                    index=models.Index(
                        django.db.models.functions.comparison.Coalesce("last_message_at", "created_at"),
                        models.F("id"),
                        condition=models.Q(("deleted_at__isnull", True), ("last_direction", "in"), ("status", "OPEN")),
                        include=("snoozed_until",),
                        name="threads_we_owe",
                    ),
                ),
                RemoveIndexConcurrently(
                    model_name="thread",
                    name="threads_they_owe",
                ),
                AddIndexConcurrently(
                    model_name="thread",
                    index=models.Index(
                        django.db.models.functions.comparison.Coalesce("last_message_at", "created_at"),
                        models.F("id"),
                        condition=models.Q(("deleted_at__isnull", True), ("awaiting_reply", True), ("status", "OPEN")),
                        include=("snoozed_until",),
                        name="threads_they_owe",
                    ),
                ),
                AddIndexConcurrently(
                    model_name="thread",
                    index=models.Index(
                        django.db.models.functions.comparison.Coalesce("snoozed_until", "created_at"),
                        models.F("id"),
                        condition=models.Q(("deleted_at__isnull", True), ("snoozed_until__isnull", False)),
                        name="threads_snoozed",
                    ),
                ),
                AddIndexConcurrently(
                    model_name="thread",
                    index=models.Index(
                        models.F("snoozed_by"),
                        condition=models.Q(("snoozed_by__isnull", False)),
                        name="threads_snoozed_by",
                    ),
                ),
                RemoveIndexConcurrently(
                    model_name="thread",
                    name="threads_of_owner",
                ),
                AddIndexConcurrently(
                    model_name="thread",
                    index=models.Index(
                        models.F("owner"),
                        models.F("status"),
                        django.db.models.functions.comparison.Coalesce("last_message_at", "created_at"),
                        models.F("id"),
                        condition=models.Q(("deleted_at__isnull", True)),
                        include=("last_direction", "awaiting_reply", "lead", "client", "restriction", "snoozed_until"),
                        name="threads_of_owner",
                    ),
                ),
            ]
        ),
    ]
