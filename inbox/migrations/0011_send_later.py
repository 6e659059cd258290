"""Emails that leave at a chosen time, and may be held."""

import django.contrib.postgres.fields
from django.conf import settings
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models

from crm.records.migration_operations import InOneStep


class Migration(migrations.Migration):
    dependencies = [
        ("inbox", "0010_snooze_indexes"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        InOneStep(
            [
                migrations.RemoveConstraint(
                    model_name="message",
                    name="messages_state_valid",
                ),
                migrations.RemoveConstraint(
                    model_name="message",
                    name="messages_failure_says_why",
                ),
                migrations.AddField(
                    model_name="emaildelivery",
                    name="confirmed_digests",
                    field=django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=64),
                        db_default=models.Value(
                            [],
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=64), size=None
                            ),
                        ),
                        default=list,
                        size=None,
                    ),
                ),
                migrations.AddField(
                    model_name="emaildelivery",
                    name="scheduled_at",
                    field=models.DateTimeField(null=True),
                ),
                migrations.AddField(
                    model_name="emaildelivery",
                    name="scheduled_for",
                    field=models.DateTimeField(null=True),
                ),
                migrations.AlterField(
                    model_name="message",
                    name="error_message",
                    field=models.TextField(
                        blank=True,
                        db_default="",
                        default="",
                        help_text="Why sending failed, why it is held, or why delivery is unconfirmed.",
                    ),
                ),
                migrations.AlterField(
                    model_name="message",
                    name="state",
                    field=models.CharField(
                        choices=[
                            ("RECEIVED", "Received"),
                            ("QUEUED", "Queued"),
                            ("SENDING", "Sending"),
                            ("SENT", "Sent"),
                            ("FAILED", "Failed"),
                            ("UNCERTAIN", "Delivery unconfirmed"),
                            ("HELD", "Held"),
                        ],
                        db_default="RECEIVED",
                        default="RECEIVED",
                        max_length=10,
                    ),
                ),
            ]
        ),
        InOneStep(
            [
                AddConstraintNotValid(
                    model_name="emaildelivery",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("scheduled_at__isnull", True), ("scheduled_for__isnull", True)),
                            models.Q(("scheduled_at__isnull", False), ("scheduled_for__isnull", False)),
                            _connector="OR",
                        ),
                        name="email_deliveries_schedule_complete",
                        violation_error_message="A scheduled email needs the time at which it was scheduled.",
                    ),
                ),
                AddConstraintNotValid(
                    model_name="message",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            ("state__in", ["RECEIVED", "QUEUED", "SENDING", "SENT", "FAILED", "UNCERTAIN", "HELD"])
                        ),
                        name="messages_state_valid",
                        violation_error_message="The state must be one of: RECEIVED, QUEUED, SENDING, SENT, FAILED, UNCERTAIN, HELD.",
                    ),
                ),
                AddConstraintNotValid(
                    model_name="message",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state__in", ["FAILED", "HELD", "UNCERTAIN"]), _negated=True),
                            models.Q(("error_message", ""), _negated=True),
                            _connector="OR",
                        ),
                        name="messages_failure_says_why",
                        violation_error_message="A message that failed, is held or is unconfirmed needs an error message.",
                    ),
                ),
            ]
        ),
    ]
