"""Find leads by the key of their name, which most misspellings share."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("leads", "0016_imports_on_a_screen"), ("crm", "0008_duplicates")]

    operations = [
        AddIndexConcurrently(
            model_name="lead",
            index=models.Index(
                models.Func(models.F("contact_name"), function="name_key", output_field=models.TextField()),
                condition=models.Q(("deleted_at__isnull", True)),
                name="leads_by_name_key",
            ),
        ),
    ]
