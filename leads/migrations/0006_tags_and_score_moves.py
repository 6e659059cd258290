"""Refuse null elements in tags; keep the score before a change of tier."""

from django.db import migrations, models
from django.db.models.lookups import IsNull

REMOVE_NULL_TAGS = "UPDATE leads SET tags = array_remove(tags, NULL) WHERE array_position(tags, NULL) IS NOT NULL"


class Migration(migrations.Migration):
    dependencies = [("crm", "0002_tags_without_nulls"), ("leads", "0005_units_of_seeded_questions")]

    operations = [
        migrations.RunSQL(REMOVE_NULL_TAGS, migrations.RunSQL.noop),
        migrations.RemoveConstraint(model_name="lead", name="leads_tags_not_empty"),
        migrations.AddConstraint(
            model_name="lead",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("tags__contains", [""]), _negated=True),
                    IsNull(
                        models.Func(
                            models.F("tags"),
                            models.Value(None, models.CharField()),
                            function="array_position",
                            output_field=models.IntegerField(),
                        ),
                        True,
                    ),
                ),
                name="leads_tags_not_empty",
                violation_error_message="A tag must not be empty.",
            ),
        ),
        migrations.AddField(
            model_name="tierchange",
            name="previous_score",
            field=models.DecimalField(decimal_places=2, max_digits=3, null=True),
        ),
        migrations.AddConstraint(
            model_name="tierchange",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("previous_score__gte", 0), ("previous_score__lte", 1)),
                    ("previous_score__isnull", True),
                    _connector="OR",
                ),
                name="tier_changes_previous_score_range",
                violation_error_message="The previous score must lie between 0 and 1.",
            ),
        ),
    ]
