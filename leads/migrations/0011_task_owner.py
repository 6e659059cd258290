"""The owner of each task, on its row."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from crm.records.owners import restriction_field


class Migration(migrations.Migration):
    dependencies = [
        ("leads", "0010_policies_custom_fields_index"),
        ("crm", "0019_contact_restriction"),
    ]
    operations = [
        migrations.AddField("task", "restriction", restriction_field()),
        migrations.AddField(
            "task",
            "owner",
            models.ForeignKey(
                blank=True,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
    ]
