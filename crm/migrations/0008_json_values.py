"""Functions that give the value of a JSON key as the value of a column of its kind; null where it does not fit.

They never fail. A text column also has numbers and yes/no, as texts. A text that is too long for an index does not fit.
"""

from django.db import migrations

CREATE_FUNCTIONS_SQL = r"""
CREATE FUNCTION json_text_value(data jsonb, key text, max_length integer) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN length(data ->> key) > max_length THEN NULL
                WHEN jsonb_typeof(data -> key) IN ('string', 'boolean') THEN data ->> key
                WHEN jsonb_typeof(data -> key) = 'number' THEN trim_scale((data ->> key)::numeric)::text END
$$;
CREATE FUNCTION json_number_value(data jsonb, key text) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN jsonb_typeof(data -> key) = 'number' AND length(data ->> key) <= 1000
                THEN (data ->> key)::numeric END
$$;
CREATE FUNCTION json_yes_no_value(data jsonb, key text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN jsonb_typeof(data -> key) = 'boolean' THEN (data -> key)::boolean END
$$;
CREATE FUNCTION json_date_value(data jsonb, key text) RETURNS date
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    parts text[] := regexp_match(data ->> key, '^(\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$');
    first_day date;
BEGIN
    IF parts IS NULL OR parts[1] = '0000' OR jsonb_typeof(data -> key) <> 'string' THEN
        RETURN NULL;
    END IF;
    first_day := make_date(parts[1]::integer, parts[2]::integer, 1);
    IF parts[3]::integer > extract(day FROM first_day + interval '1 month' - interval '1 day') THEN
        RETURN NULL;
    END IF;
    RETURN first_day + parts[3]::integer - 1;
END $$;
CREATE FUNCTION json_moment_value(data jsonb, key text) RETURNS timestamptz
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    parts text[] := regexp_match(data ->> key,
        '^(.{10})[T ]([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d)(\.\d{1,9})?)?(Z|([+-])(0\d|1[0-5]):?([0-5]\d))?$');
    day date := json_date_value(jsonb_build_object('day', parts[1]), 'day');
    moment timestamp;
BEGIN
    IF day IS NULL OR jsonb_typeof(data -> key) <> 'string' THEN
        RETURN NULL;
    END IF;
    moment := day + make_time(parts[2]::integer, parts[3]::integer,
                              (coalesce(parts[4], '0') || coalesce(parts[5], ''))::double precision);
    IF parts[7] IS NOT NULL THEN
        moment := moment - (parts[7] || '1')::integer
                         * make_interval(hours => parts[8]::integer, mins => parts[9]::integer);
    END IF;
    RETURN moment AT TIME ZONE 'UTC';
END $$;
"""
DROP_FUNCTIONS_SQL = """
DROP FUNCTION json_moment_value(jsonb, text); DROP FUNCTION json_date_value(jsonb, text);
DROP FUNCTION json_yes_no_value(jsonb, text); DROP FUNCTION json_number_value(jsonb, text);
DROP FUNCTION json_text_value(jsonb, text, integer);
"""


class Migration(migrations.Migration):
    dependencies = [("crm", "0007_decisions_by_job")]
    operations = [migrations.RunSQL(CREATE_FUNCTIONS_SQL, DROP_FUNCTIONS_SQL)]
