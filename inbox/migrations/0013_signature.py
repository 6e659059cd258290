"""The signature of a user, and whether a draft has it."""

import django.db.models.deletion
import django.db.models.functions.text
import django.db.models.lookups
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("crm", "0021_statistics_of_expressions"),
        ("inbox", "0012_send_later_indexes"),
    ]

    operations = [
        migrations.AddField(
            model_name="draft",
            name="signs",
            field=models.BooleanField(db_default=True, default=True),
        ),
        migrations.CreateModel(
            name="EmailSignature",
            fields=[
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="signature",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("text", models.TextField()),
            ],
            options={
                "db_table": "email_signatures",
                "default_permissions": (),
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("text", ""), _negated=True),
                        name="email_signatures_text_not_blank",
                        violation_error_message="The text must not be empty.",
                    ),
                    models.CheckConstraint(
                        condition=django.db.models.lookups.LessThanOrEqual(
                            django.db.models.functions.text.Length("text"), 1000
                        ),
                        name="email_signatures_text_length",
                        violation_error_message="A signature can have at most 1,000 characters.",
                    ),
                ],
            },
        ),
    ]
