"""The owner of the lead, client or mailbox of a conversation that is assigned to another user."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from crm.records.owners import restriction_field


class Migration(migrations.Migration):
    dependencies = [
        ("inbox", "0004_email_templates"),
        ("crm", "0019_contact_restriction"),
    ]
    operations = [
        migrations.AddField("thread", "restriction", restriction_field()),
        migrations.AddField(
            "thread",
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
