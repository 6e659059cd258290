"""An index that finds the conversations of an owner that are assigned to a colleague."""

from django.db import migrations

from crm.records.migration_operations import AddIndexConcurrently
from crm.records.owners import record_owner_index


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("inbox", "0006_thread_owner_triggers")]
    operations = [AddIndexConcurrently("thread", record_owner_index("threads"))]
