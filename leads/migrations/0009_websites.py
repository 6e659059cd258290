"""A company is found by its website."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models.functions import Lower


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("leads", "0008_roles")]
    operations = [
        AddIndexConcurrently(
            model_name="lead",
            index=models.Index(
                Lower("company_website"),
                condition=models.Q(("deleted_at__isnull", True), models.Q(("company_website", ""), _negated=True)),
                name="leads_by_website",
            ),
        ),
    ]
