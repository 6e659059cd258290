"""An index that begins with the owner of a conversation, so that an agent reads no rows of others."""

import django.db.models.deletion
import django.db.models.functions.comparison
from django.conf import settings
from django.db import migrations, models

from crm.records.migration_operations import AddIndexConcurrently, InOneStep


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("crm", "0019_contact_restriction"),
        ("inbox", "0007_thread_record_owner_index"),
        ("leads", "0013_indexes_by_owner"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        InOneStep(
            [
                migrations.AlterField(
                    model_name="thread",
                    name="owner",
                    field=models.ForeignKey(
                        blank=True,
                        db_index=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                AddIndexConcurrently(
                    model_name="thread",
                    index=models.Index(
                        models.F("owner"),
                        models.F("status"),
                        django.db.models.functions.comparison.Coalesce("last_message_at", "created_at"),
                        models.F("id"),
                        condition=models.Q(("deleted_at__isnull", True)),
                        include=("last_direction", "awaiting_reply", "lead", "client", "restriction"),
                        name="threads_of_owner",
                    ),
                ),
            ]
        ),
    ]
