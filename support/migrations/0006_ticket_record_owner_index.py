"""An index that finds the tickets of an owner's clients that are assigned to a colleague."""

from django.db import migrations

from crm.records.migration_operations import AddIndexConcurrently
from crm.records.owners import record_owner_index


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("support", "0005_ticket_owner_triggers")]
    operations = [AddIndexConcurrently("supportticket", record_owner_index("support_tickets"))]
