"""Indexes of the emails that are scheduled, held or not sent."""

from django.contrib.postgres.operations import RemoveIndexConcurrently, ValidateConstraint
from django.db import migrations, models

from crm.records.migration_operations import AddIndexConcurrently, InOneStep


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("inbox", "0011_send_later")]
    operations = [
        InOneStep(
            [
                ValidateConstraint("emaildelivery", "email_deliveries_schedule_complete"),
                ValidateConstraint("message", "messages_state_valid"),
                ValidateConstraint("message", "messages_failure_says_why"),
                AddIndexConcurrently(
                    model_name="emaildelivery",
                    index=models.Index(
                        models.F("scheduled_for"),
                        condition=models.Q(("finished_at__isnull", True), ("scheduled_for__isnull", False)),
                        name="email_deliveries_scheduled",
                    ),
                ),
                RemoveIndexConcurrently(
                    model_name="message",
                    name="messages_not_sent",
                ),
                AddIndexConcurrently(
                    model_name="message",
                    index=models.Index(
                        models.F("thread"),
                        models.F("state"),
                        condition=models.Q(
                            ("deleted_at__isnull", True), ("state__in", ["FAILED", "HELD", "UNCERTAIN"])
                        ),
                        name="messages_not_sent",
                    ),
                ),
            ]
        ),
    ]
