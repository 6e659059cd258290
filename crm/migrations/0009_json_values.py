"""Functions that give the value of a JSON key as the type of its kind, or null: for columns, and for dates that sort.

They never fail. A date that the calendar does not have is none, and times compare as moments, whatever their offset.
Until now dates sorted as texts, and "contains" looked into lists and objects too: the indexes on those expressions are
removed, and their changes queued, so that the next job builds them anew.
"""

from django.db import migrations

CREATE_FUNCTIONS_SQL = r"""
CREATE FUNCTION json_number(data jsonb, key text) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN jsonb_typeof(data -> key) = 'number' AND length(data ->> key) <= 1000
                THEN (data ->> key)::numeric END
$$;
CREATE FUNCTION json_text(data jsonb, key text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE jsonb_typeof(data -> key)
                WHEN 'string' THEN data ->> key
                WHEN 'number' THEN trim_scale((data ->> key)::numeric)::text
                WHEN 'boolean' THEN data ->> key END
$$;
CREATE FUNCTION json_yes_no(data jsonb, key text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN jsonb_typeof(data -> key) = 'boolean' THEN (data -> key)::boolean END
$$;
CREATE FUNCTION json_date(data jsonb, key text) RETURNS date LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    value text := CASE WHEN jsonb_typeof(data -> key) = 'string' THEN data ->> key END;
    day date;
BEGIN
    IF value IS NULL OR value !~ '^(?!0000)[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$' THEN
        RETURN NULL;
    END IF;
    day := make_date(left(value, 4)::integer, substr(value, 6, 2)::integer, 1) + (right(value, 2)::integer - 1);
    RETURN CASE WHEN extract(month FROM day) = substr(value, 6, 2)::integer THEN day END;
END $$;
CREATE FUNCTION json_date_time(data jsonb, key text) RETURNS timestamptz LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    value text := CASE WHEN jsonb_typeof(data -> key) = 'string' THEN data ->> key END;
    parts text[] := regexp_match(value, '^(?!0000)([0-9]{4})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])'
        '(?:[T ]([01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9](?:[.][0-9]{1,6})?))?'
        '(?:Z|([+-])(0[0-9]|1[0-5]):?([0-5][0-9]))?)?$');
    day date;
    shift interval;
BEGIN
    IF parts IS NULL THEN
        RETURN NULL;
    END IF;
    day := make_date(parts[1]::integer, parts[2]::integer, 1) + (parts[3]::integer - 1);
    IF extract(month FROM day) <> parts[2]::integer THEN
        RETURN NULL;
    END IF;
    shift := make_interval(hours => coalesce(parts[8], '0')::integer, mins => coalesce(parts[9], '0')::integer);
    RETURN (day + make_interval(hours => coalesce(parts[4], '0')::integer, mins => coalesce(parts[5], '0')::integer,
        secs => coalesce(parts[6], '0')::double precision) - CASE parts[7] WHEN '-' THEN -shift ELSE shift END)
        AT TIME ZONE 'UTC';
END $$;
CREATE FUNCTION json_date_key(data jsonb, key text) RETURNS date
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN coalesce(json_date(data, key), make_date(1, 1, 1));
CREATE FUNCTION json_date_time_key(data jsonb, key text) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN greatest(json_date_time(data, key), make_timestamp(1, 1, 1, 0, 0, 0) AT TIME ZONE 'UTC');
"""
DROP_FUNCTIONS_SQL = """
DROP FUNCTION json_date_time_key(jsonb, text); DROP FUNCTION json_date_key(jsonb, text);
DROP FUNCTION json_date_time(jsonb, text); DROP FUNCTION json_date(jsonb, text);
DROP FUNCTION json_yes_no(jsonb, text); DROP FUNCTION json_text(jsonb, text); DROP FUNCTION json_number(jsonb, text);
"""
# The kinds whose indexes have another expression before and after.
KINDS = "'date', 'date_time', 'text', 'long_text', 'link', 'email', 'phone'"
DROP_INDEXES_SQL = r"""
DO $$
DECLARE
    statement text;
BEGIN
    FOR statement IN
        SELECT format('DROP INDEX %I', relname) FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
         WHERE relname LIKE 'cf\_%' AND relnamespace = current_schema()::regnamespace
           AND pg_get_indexdef(indexrelid) ~ 'json_(date|time|date_time)_key|gin_trgm_ops'
        UNION ALL
        SELECT format('DROP STATISTICS %I', stxname) FROM pg_statistic_ext
         WHERE stxname LIKE 'cf\_%' AND stxnamespace = current_schema()::regnamespace
           AND pg_get_statisticsobjdef(oid) ~ 'json_(date|time|date_time)_key'
    LOOP
        EXECUTE statement;
    END LOOP;
END $$;
"""
QUEUE_CHANGES_SQL = f"""
UPDATE schema_changes AS applied SET state = 'QUEUED'
 WHERE state = 'APPLIED' AND decision = 'index' AND kind IN ({KINDS})
   AND NOT EXISTS (
       SELECT FROM schema_changes AS other
        WHERE (other."table", other."column", other.key) = (applied."table", applied."column", applied.key)
          AND other.state IN ('OPEN', 'QUEUED', 'RUNNING', 'PAUSED', 'FAILED', 'UNDOING'));
"""
TIME_KEY_SQL = r"""
CREATE FUNCTION json_time_key(data jsonb, key text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN jsonb_typeof(data -> key) = 'string'
                 AND data ->> key ~ '^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])'
                THEN left(data ->> key, 40) ELSE '' END
$$;
"""


class Migration(migrations.Migration):
    dependencies = [("crm", "0008_decisions_by_job")]
    operations = [
        migrations.RunSQL(
            DROP_INDEXES_SQL + QUEUE_CHANGES_SQL + CREATE_FUNCTIONS_SQL + "DROP FUNCTION json_time_key(jsonb, text);",
            DROP_INDEXES_SQL + QUEUE_CHANGES_SQL + DROP_FUNCTIONS_SQL + TIME_KEY_SQL,
        )
    ]
