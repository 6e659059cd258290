"""Index the threads of a lead in the order of its page, without the threads that have no lead."""

import django.db.models.deletion
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models.functions import Coalesce


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("inbox", "0005_database_defaults")]

    operations = [
        AddIndexConcurrently(
            "thread",
            models.Index(
                models.F("lead"),
                models.OrderBy(Coalesce("last_message_at", "created_at"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                condition=models.Q(("lead__isnull", False)),
                name="threads_of_lead",
            ),
        ),
        # Drops the index of all threads.
        migrations.AlterField(
            model_name="thread",
            name="lead",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="threads",
                to="leads.lead",
            ),
        ),
    ]
