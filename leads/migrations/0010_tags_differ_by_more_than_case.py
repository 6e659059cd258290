"""Merge tags of leads that differ only by case, and refuse new ones."""

import django.db.models.lookups
from django.db import migrations, models

MERGE_TAGS_SQL = """
    UPDATE {table} SET tags = ARRAY(
        SELECT tag FROM (
            SELECT DISTINCT ON (lower(tag)) tag, place FROM unnest(tags) WITH ORDINALITY AS each (tag, place)
             ORDER BY lower(tag), place
        ) AS first ORDER BY place
    ) WHERE NOT tags_are_distinct(tags)
"""


class Migration(migrations.Migration):
    dependencies = [("leads", "0009_search_without_accents")]

    operations = [
        migrations.RunSQL(MERGE_TAGS_SQL.format(table="leads"), migrations.RunSQL.noop),
        migrations.AddConstraint(
            model_name="lead",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    django.db.models.lookups.Exact(
                        models.Func(models.F("tags"), function="tags_are_distinct", output_field=models.BooleanField()),
                        models.Value(True),
                    )
                ),
                name="leads_tags_distinct",
                violation_error_message="Two tags must not differ only by case.",
            ),
        ),
    ]
