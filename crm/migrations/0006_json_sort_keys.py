"""Functions that give the value of a JSON key as something that sorts, by the kind of its custom field.

They never fail and never return null: a value that does not fit the kind has the lowest key, as a missing one. Long
values are cut, so that every key fits into an index. The planner puts their bodies in their place, in a query as in
the expression of an index. `crm.screens.custom_fields.sort_keys` uses them.
"""

from django.db import migrations

CREATE_FUNCTIONS_SQL = r"""
CREATE FUNCTION json_number_key(data jsonb, key text) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN jsonb_typeof(data -> key) = 'number' AND length(data ->> key) <= 1000
                THEN (data ->> key)::numeric ELSE '-Infinity'::numeric END
$$;
CREATE FUNCTION json_text_key(data jsonb, key text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE jsonb_typeof(data -> key)
                WHEN 'string' THEN lower(left(data ->> key, 200))
                WHEN 'number' THEN left(trim_scale((data ->> key)::numeric)::text, 200)
                WHEN 'boolean' THEN data ->> key
                ELSE '' END
$$;
CREATE FUNCTION json_time_key(data jsonb, key text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN jsonb_typeof(data -> key) = 'string'
                 AND data ->> key ~ '^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])'
                THEN left(data ->> key, 40) ELSE '' END
$$;
CREATE FUNCTION json_yes_no_key(data jsonb, key text) RETURNS smallint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN jsonb_typeof(data -> key) = 'boolean'
                THEN CASE WHEN (data -> key)::boolean THEN 1 ELSE 0 END ELSE -1 END::smallint
$$;
"""
DROP_FUNCTIONS_SQL = """
DROP FUNCTION json_yes_no_key(jsonb, text); DROP FUNCTION json_time_key(jsonb, text);
DROP FUNCTION json_text_key(jsonb, text); DROP FUNCTION json_number_key(jsonb, text);
"""


class Migration(migrations.Migration):
    dependencies = [("crm", "0005_schema_changes")]
    operations = [migrations.RunSQL(CREATE_FUNCTIONS_SQL, DROP_FUNCTIONS_SQL)]
