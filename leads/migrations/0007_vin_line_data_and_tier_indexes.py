"""Indexes of leads, built while people go on working."""

from django.contrib.postgres.indexes import GinIndex, OpClass
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models.fields.json import KeyTextTransform
from django.db.models.lookups import IsNull


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("leads", "0006_tags_and_score_moves")]

    operations = [
        AddIndexConcurrently(
            "lead",
            GinIndex(
                OpClass("line_data", name="jsonb_path_ops"),
                condition=models.Q(("deleted_at__isnull", True)),
                name="leads_line_data",
            ),
        ),
        AddIndexConcurrently(
            "lead",
            models.Index(
                KeyTextTransform("vin", "auto_data"),
                condition=models.Q(("deleted_at__isnull", True), IsNull(KeyTextTransform("vin", "auto_data"), False)),
                name="leads_vin_as_written",
            ),
        ),
        AddIndexConcurrently(
            "lead",
            models.Index(
                models.F("priority_tier"),
                models.OrderBy(models.F("overall_score"), descending=True),
                condition=models.Q(("deleted_at__isnull", True)),
                name="leads_tier_and_score",
            ),
        ),
    ]
