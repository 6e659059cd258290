"""What the database computes of a lead, for one and for a million: its score, and what its fields show."""

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

# A signal is told with the day from which it counts if it is new.
SIGN = """
CREATE FUNCTION lead_sign(weights jsonb, type text, since timestamptz, source text, note text) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT jsonb_build_object(
        'type', type, 'source', source, 'note', left(note, 300),
        'weight', coalesce((weights -> type ->> 'weight')::numeric, 0),
        'timestamp', to_char(since AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"+00:00"'))
$$
"""
FIT = """
CREATE FUNCTION lead_fit(
    client_type text, line uuid, email text, phone text, communications jsonb,
    auto_data jsonb, home_data jsonb, line_data jsonb, OUT share numeric, OUT note text
) LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    form insurance_types%ROWTYPE;
    answers jsonb;
    asked int;
    told int;
    reached text;
BEGIN
    SELECT * INTO form FROM insurance_types WHERE id = line AND deleted_at IS NULL;
    IF NOT FOUND OR NOT (CASE client_type WHEN 'Business' THEN form.is_commercial ELSE form.is_personal END) THEN
        RETURN;
    END IF;
    reached := CASE
        WHEN email <> '' AND communications #>> '{email,do_not_contact}' IS DISTINCT FROM 'true' THEN 'mail'
        WHEN phone <> '' AND communications #>> '{phone,do_not_contact}' IS DISTINCT FROM 'true' THEN 'phone' END;
    IF reached IS NULL THEN
        RETURN;
    END IF;
    answers := CASE form.code WHEN 'auto' THEN auto_data WHEN 'home' THEN home_data ELSE line_data -> form.code END;
    -- What the form says is required; where it says nothing, every question but tables and yes or no.
    SELECT count(*), count(*) FILTER (WHERE answers -> question NOT IN ('null', '""', '[]', '{}'))
      INTO asked, told
      FROM (
        SELECT required.name AS question
          FROM jsonb_array_elements_text(CASE jsonb_typeof(form.form_schema -> 'required')
                   WHEN 'array' THEN form.form_schema -> 'required' ELSE '[]' END) AS required (name)
        UNION ALL
        SELECT field.key
          FROM jsonb_each(CASE jsonb_typeof(form.form_schema -> 'properties')
                   WHEN 'object' THEN form.form_schema -> 'properties' ELSE '{}' END) AS field
         WHERE coalesce(field.value ->> 'type', '') NOT IN ('array', 'boolean')
           AND coalesce(form.form_schema -> 'required', '[]') IN ('[]', 'null')
      ) AS questions;
    IF 2 * told < asked THEN
        RETURN;
    END IF;
    share := CASE WHEN asked = 0 THEN 1 ELSE round(told::numeric / asked, 2) END;
    note := format('%s for %s; %s of %s answers for a quote; reached by %s', form.name,
                   CASE client_type WHEN 'Business' THEN 'a business' ELSE 'an individual' END, told, asked, reached);
END $$
"""
FIELDS = """
CREATE FUNCTION lead_shown_by_fields(
    weights jsonb, at timestamptz, arrived timestamptz, source_type text, client_type text, line uuid, email text,
    phone text, communications jsonb, auto_data jsonb, home_data jsonb, line_data jsonb
) RETURNS jsonb LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    found jsonb := '[]';
    fit record;
BEGIN
    IF source_type = 'REFERRAL' THEN
        found := found || lead_sign(weights, 'referral', arrived, 'fields', 'The source is a referral');
    END IF;
    IF line IS NOT NULL THEN
        SELECT * INTO fit
          FROM lead_fit(client_type, line, email, phone, communications, auto_data, home_data, line_data);
        IF fit.share IS NOT NULL THEN
            found := found || (lead_sign(weights, 'fit', at, 'fields', fit.note)
                               || jsonb_build_object('value', fit.share));
        END IF;
    END IF;
    RETURN found;
END $$
"""

# What the planner cannot know of an expression unless it is told to look: how many leads are of each tier.
STATISTICS = """
CREATE STATISTICS leads_urgency ON (
    CASE WHEN priority_tier::text = 'hot' THEN 4 WHEN priority_tier::text = 'warm' THEN 3
         WHEN priority_tier::text = 'cold' THEN 2 WHEN priority_tier::text = 'dormant' THEN 1 ELSE 0 END
) FROM leads;
CREATE STATISTICS leads_vin_values ON (upper(auto_data ->> 'vin')) FROM leads;
"""


def function(sql: str, signature: str) -> migrations.RunSQL:
    return migrations.RunSQL(sql, f"DROP FUNCTION {signature}")


class Migration(migrations.Migration):
    dependencies = [("leads", "0001_initial")]
    operations = [
        function(SCORE, "lead_score(jsonb, jsonb, float8, timestamptz)"),
        function(SIGN, "lead_sign(jsonb, text, timestamptz, text, text)"),
        function(FIT, "lead_fit(text, uuid, text, text, jsonb, jsonb, jsonb, jsonb)"),
        function(
            FIELDS,
            "lead_shown_by_fields(jsonb, timestamptz, timestamptz, text, text, uuid, text, text, jsonb, jsonb, jsonb,"
            " jsonb)",
        ),
        migrations.RunSQL(
            STATISTICS, "DROP STATISTICS IF EXISTS leads_urgency; DROP STATISTICS IF EXISTS leads_vin_values"
        ),
    ]
