"""A moment whose year in UTC has not four digits is none: Python cannot read it, so a list sorted by it failed."""

from django.db import migrations

CREATE_FUNCTION_SQL = r"""
CREATE OR REPLACE FUNCTION json_date_time(data jsonb, key text) RETURNS timestamptz
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    value text := CASE WHEN jsonb_typeof(data -> key) = 'string' THEN data ->> key END;
    parts text[] := regexp_match(value, '^(?!0000)([0-9]{{4}})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])'
        '(?:[T ]([01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9](?:[.][0-9]{{1,6}})?))?'
        '(?:Z|([+-])(0[0-9]|1[0-5]):?([0-5][0-9]))?)?$');
    day date;
    shift interval;
    moment timestamp;
BEGIN
    IF parts IS NULL THEN
        RETURN NULL;
    END IF;
    day := make_date(parts[1]::integer, parts[2]::integer, 1) + (parts[3]::integer - 1);
    IF extract(month FROM day) <> parts[2]::integer THEN
        RETURN NULL;
    END IF;
    shift := make_interval(hours => coalesce(parts[8], '0')::integer, mins => coalesce(parts[9], '0')::integer);
    moment := day + make_interval(hours => coalesce(parts[4], '0')::integer, mins => coalesce(parts[5], '0')::integer,
        secs => coalesce(parts[6], '0')::double precision) - CASE parts[7] WHEN '-' THEN -shift ELSE shift END;
    RETURN {value};
END $$;
"""
ANY_YEAR = "moment AT TIME ZONE 'UTC'"
FOUR_DIGITS = "CASE WHEN extract(year FROM moment) BETWEEN 1 AND 9999 THEN moment AT TIME ZONE 'UTC' END"


class Migration(migrations.Migration):
    dependencies = [("crm", "0012_json_values")]
    operations = [
        migrations.RunSQL(CREATE_FUNCTION_SQL.format(value=FOUR_DIGITS), CREATE_FUNCTION_SQL.format(value=ANY_YEAR))
    ]
