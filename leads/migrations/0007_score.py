"""The score as the database computes it, for one lead and for a million."""

from django.db import migrations

SCORE = """
CREATE FUNCTION lead_score(signals jsonb, weights jsonb, half_life_days float8, at timestamptz) RETURNS numeric
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT round(least(greatest(coalesce(sum(
               coalesce((weights -> (signal ->> 'type') ->> 'weight')::float8, (signal ->> 'weight')::float8)
               * power(0.5, extract(epoch FROM at - since)::float8 / 86400
                            / coalesce((weights -> (signal ->> 'type') ->> 'half_life_days')::float8, half_life_days))
           ), 0), 0), 1)::numeric, 2)
      FROM jsonb_array_elements(signals) AS signal,
   LATERAL (SELECT (signal ->> 'timestamp')::timestamptz AS since) AS begun
     WHERE since <= at
$$
"""


class Migration(migrations.Migration):
    dependencies = [("leads", "0006_first_policy")]
    operations = [migrations.RunSQL(SCORE, "DROP FUNCTION lead_score(jsonb, jsonb, float8, timestamptz)")]
