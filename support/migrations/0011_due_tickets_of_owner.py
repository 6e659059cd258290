"""The unresolved tickets of an owner by their due time, so that an agent reads no tickets of others."""

from datetime import UTC, datetime

from django.db import migrations, models
from django.db.models.functions import Coalesce

from crm.records.migration_operations import AddIndexConcurrently

LAST = models.Value(datetime(9999, 1, 1, tzinfo=UTC), models.DateTimeField())
DUE_ORDER = models.Case(
    models.When(waiting_since__isnull=True, then=Coalesce("resolve_due_at", LAST)),
    default=LAST,
    output_field=models.DateTimeField(),
)


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("support", "0010_service_level_indexes")]

    operations = [
        AddIndexConcurrently(
            model_name="supportticket",
            index=models.Index(
                models.F("owner"),
                DUE_ORDER,
                models.F("id"),
                condition=models.Q(deleted_at__isnull=True) & ~models.Q(status="Resolved"),
                include=("restriction",),
                name="support_tickets_due_of_owner",
            ),
        ),
    ]
