"""What a model has read and found in messages, and when it is to read a conversation."""

import django.db.models.deletion
import django.db.models.lookups
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("ai_log", "0004_asked_by_index"), ("inbox", "0020_not_sent")]
    operations = [
        migrations.CreateModel(
            name="Reading",
            fields=[
                (
                    "message",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="reading",
                        serialize=False,
                        to="inbox.message",
                    ),
                ),
                (
                    "interaction",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="readings",
                        to="ai_log.aiinteraction",
                    ),
                ),
                ("signs", models.JSONField(blank=True, db_default=models.Value([], models.JSONField()), default=list)),
            ],
            options={
                "db_table": "message_readings",
                "default_permissions": (),
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            django.db.models.lookups.Exact(
                                models.Func(
                                    models.F("signs"), function="jsonb_typeof", output_field=models.TextField()
                                ),
                                models.Value("array"),
                            )
                        ),
                        name="message_readings_signs_array",
                        violation_error_message="The signs must be a JSON array.",
                    )
                ],
            },
        ),
        migrations.AddField(
            model_name="thread",
            name="sense_at",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
    ]
