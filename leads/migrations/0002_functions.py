"""Functions of the database for leads and policies: the score, the signals from the fields of a lead, the premium."""

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
   LATERAL (SELECT (signal ->> 'timestamp')::timestamptz AS since) AS parsed
     WHERE since <= at
$$
"""

# Builds a signal; `since` is the timestamp of a new one.
SIGNAL = """
CREATE FUNCTION lead_signal(weights jsonb, type text, since timestamptz, source text, note text) RETURNS jsonb
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
    question_count int;
    answer_count int;
    channel text;
BEGIN
    SELECT * INTO form FROM insurance_types WHERE id = line AND deleted_at IS NULL;
    IF NOT FOUND OR NOT (CASE client_type WHEN 'Business' THEN form.is_commercial ELSE form.is_personal END) THEN
        RETURN;
    END IF;
    channel := CASE
        WHEN email <> '' AND communications #>> '{email,do_not_contact}' IS DISTINCT FROM 'true' THEN 'email'
        WHEN phone <> '' AND communications #>> '{phone,do_not_contact}' IS DISTINCT FROM 'true' THEN 'phone' END;
    IF channel IS NULL THEN
        RETURN;
    END IF;
    answers := CASE form.code WHEN 'auto' THEN auto_data WHEN 'home' THEN home_data ELSE line_data -> form.code END;
    -- Counts the required questions; if none is required, all questions except tables and yes-or-no questions.
    SELECT count(*), count(*) FILTER (WHERE answers -> question NOT IN ('null', '""', '[]', '{}'))
      INTO question_count, answer_count
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
    IF 2 * answer_count < question_count THEN
        RETURN;
    END IF;
    share := CASE WHEN question_count = 0 THEN 1 ELSE round(answer_count::numeric / question_count, 2) END;
    note := format('%s for %s; %s of %s answers for a quote; reachable by %s', form.name,
                   CASE client_type WHEN 'Business' THEN 'a business' ELSE 'an individual' END,
                   answer_count, question_count, channel);
END $$
"""
FIELDS = """
CREATE FUNCTION lead_field_signals(
    weights jsonb, at timestamptz, created_at timestamptz, source_type text, client_type text, line uuid, email text,
    phone text, communications jsonb, auto_data jsonb, home_data jsonb, line_data jsonb
) RETURNS jsonb LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    signals jsonb := '[]';
    fit record;
BEGIN
    IF source_type = 'REFERRAL' THEN
        signals := signals || lead_signal(weights, 'referral', created_at, 'fields', 'The source is a referral');
    END IF;
    IF line IS NOT NULL THEN
        SELECT * INTO fit
          FROM lead_fit(client_type, line, email, phone, communications, auto_data, home_data, line_data);
        IF fit.share IS NOT NULL THEN
            signals := signals || (lead_signal(weights, 'fit', at, 'fields', fit.note)
                                   || jsonb_build_object('value', fit.share));
        END IF;
    END IF;
    RETURN signals;
END $$
"""
# One expression without a subquery, so that PostgreSQL puts it in place of the call.
MONTHS = (
    "((extract(year FROM expires_on) - extract(year FROM effective_on)) * 12"
    " + extract(month FROM expires_on) - extract(month FROM effective_on))"
)
ANNUAL_PREMIUM = f"""
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
    dependencies = [("leads", "0001_tables")]
    operations = [
        migrations.RunSQL(SCORE),
        migrations.RunSQL(SIGNAL),
        migrations.RunSQL(FIT),
        migrations.RunSQL(FIELDS),
        migrations.RunSQL(ANNUAL_PREMIUM),
    ]
