"""The annualised premium of a policy, as a function, and the index of the book of business."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

# One expression without a subquery, so that PostgreSQL puts it in place of the call.
MONTHS = (
    "((extract(year FROM expires_on) - extract(year FROM effective_on)) * 12"
    " + extract(month FROM expires_on) - extract(month FROM effective_on))"
)
CREATE_SQL = f"""
CREATE FUNCTION annual_premium(premium numeric, effective_on date, expires_on date) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN {MONTHS} > 0 AND (effective_on + make_interval(months => {MONTHS}::integer))::date = expires_on
        THEN round(premium * 12 / {MONTHS}, 2)
        ELSE round(premium * 365 / nullif(expires_on - effective_on, 0), 2)
    END
$$
"""


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("leads", "0018_preferences_of_converted_leads")]

    operations = [
        migrations.RunSQL(CREATE_SQL, "DROP FUNCTION annual_premium(numeric, date, date)"),
        AddIndexConcurrently(
            "policy",
            models.Index(
                fields=["expires_on", "effective_on"],
                include=[
                    "status",
                    "premium",
                    "carrier",
                    "insurance_type",
                    "client",
                    "cancelled_on",
                    "cancellation_reason",
                ],
                condition=models.Q(("deleted_at__isnull", True), models.Q(("status", "QUOTED"), _negated=True)),
                name="policies_book",
            ),
        ),
    ]
