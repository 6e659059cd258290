"""The owner of the records of a suggestion whose conversation or ticket is assigned to another user."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from crm.records.owners import restriction_field


class Migration(migrations.Migration):
    dependencies = [
        ("suggestions", "0007_failed_login_permissions"),
        ("crm", "0019_contact_restriction"),
    ]
    operations = [
        migrations.AddField("suggestion", "restriction", restriction_field()),
        migrations.AddField(
            "suggestion",
            "record_owner",
            models.ForeignKey(
                blank=True,
                db_index=False,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
    ]
