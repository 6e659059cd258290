"""Find leads by the key of their name, which most misspellings share."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("leads", "0016_imports_on_a_screen"), ("crm", "0008_duplicates")]

    operations = [
        # The planner takes no figures from a partial index, and would expect half of the table for some names.
        migrations.RunSQL(
            "CREATE STATISTICS leads_name_key ON name_key(contact_name) FROM leads", "DROP STATISTICS leads_name_key"
        ),
        AddIndexConcurrently(
            model_name="lead",
            index=models.Index(
                models.Func(models.F("contact_name"), function="name_key", output_field=models.TextField()),
                condition=models.Q(("deleted_at__isnull", True)),
                name="leads_by_name_key",
            ),
        ),
    ]
