"""The owner of each ticket, on its row, and the owner of its customer."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from crm.records.owners import restriction_field


def user_key(**kwargs: bool) -> models.ForeignKey:
    return models.ForeignKey(
        blank=True,
        editable=False,
        null=True,
        on_delete=django.db.models.deletion.SET_NULL,
        related_name="+",
        to=settings.AUTH_USER_MODEL,
        **kwargs,
    )


class Migration(migrations.Migration):
    dependencies = [
        ("support", "0003_custom_fields_of_tickets"),
        ("crm", "0019_contact_restriction"),
    ]
    operations = [
        migrations.AddField("supportticket", "restriction", restriction_field()),
        migrations.AddField("supportticket", "owner", user_key()),
        migrations.AddField("supportticket", "record_owner", user_key(db_index=False)),
    ]
