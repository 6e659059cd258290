"""The unresolved tickets of an owner by their due time, so that an agent reads no tickets of others."""

import datetime

import django.db.models.functions.comparison
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("support", "0006_ticket_record_owner_index")]

    operations = [
        AddIndexConcurrently(
            model_name="supportticket",
            index=models.Index(
                models.F("owner"),
                django.db.models.functions.comparison.Coalesce(
                    "resolve_due_at",
                    models.Value(datetime.datetime(9999, 1, 1, 0, 0, tzinfo=datetime.UTC), models.DateTimeField()),
                ),
                models.F("id"),
                condition=models.Q(("deleted_at__isnull", True), models.Q(("status", "Resolved"), _negated=True)),
                include=("restriction",),
                name="support_tickets_due_of_owner",
            ),
        ),
    ]
