"""The open meetings by the time for which they are booked, for the first page."""

import django.db.models.fields.json
from django.db import migrations, models

from crm.records.migration_operations import AddIndexConcurrently


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("inbox", "0013_signature")]

    operations = [
        AddIndexConcurrently(
            model_name="thread",
            index=models.Index(
                django.db.models.fields.json.KeyTextTransform("starts_at", "metadata"),
                models.F("id"),
                condition=models.Q(("deleted_at__isnull", True), ("source", "MEETING"), ("status", "OPEN")),
                include=("owner", "record_owner", "restriction"),
                name="threads_meetings",
            ),
        ),
    ]
