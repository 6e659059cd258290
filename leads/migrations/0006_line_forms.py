"""The version of a line's form changes with its shape, and a retired question does not count for the fit."""

import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations

from crm.records.migration_operations import InOneStep

# The hints are those of `leads/lines/questions.py`.
FORM_SHAPE = """
CREATE FUNCTION form_shape(form jsonb) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    shape jsonb := form;
BEGIN
    IF jsonb_typeof(form) IS DISTINCT FROM 'object' THEN
        RETURN form;
    END IF;
    shape := form - ARRAY['title', 'description', 'propertyOrder', 'section', 'retired', 'retiredChoices', 'labels',
                          'unit', 'widget', 'spareRows'];
    IF jsonb_typeof(form -> 'properties') = 'object' THEN
        shape := jsonb_set(shape, '{properties}', coalesce(
            (SELECT jsonb_object_agg(key, form_shape(value)) FROM jsonb_each(form -> 'properties')), '{}'));
    END IF;
    IF form ? 'items' THEN
        shape := jsonb_set(shape, '{items}', form_shape(form -> 'items'));
    END IF;
    RETURN shape;
END $$
"""
FIT_BEFORE = """
CREATE OR REPLACE FUNCTION lead_fit(
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
FIT = """
CREATE OR REPLACE FUNCTION lead_fit(
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
    -- Counts the required questions; if none is required, all questions except groups and yes-or-no questions.
    -- Retired questions are not asked.
    SELECT count(*), count(*) FILTER (WHERE answers -> question NOT IN ('null', '""', '[]', '{}'))
      INTO question_count, answer_count
      FROM (
        SELECT required.name AS question
          FROM jsonb_array_elements_text(CASE jsonb_typeof(form.form_schema -> 'required')
                   WHEN 'array' THEN form.form_schema -> 'required' ELSE '[]' END) AS required (name)
         WHERE form.form_schema #> ARRAY['properties', required.name, 'retired'] IS DISTINCT FROM 'true'
        UNION ALL
        SELECT field.key
          FROM jsonb_each(CASE jsonb_typeof(form.form_schema -> 'properties')
                   WHEN 'object' THEN form.form_schema -> 'properties' ELSE '{}' END) AS field
         WHERE coalesce(field.value ->> 'type', '') NOT IN ('array', 'boolean')
           AND field.value -> 'retired' IS DISTINCT FROM 'true'
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


class Migration(migrations.Migration):
    dependencies = [("leads", "0005_import_changes_of_all_tables")]
    operations = [
        InOneStep(
            [
                migrations.RunSQL(FORM_SHAPE, "DROP FUNCTION form_shape(jsonb)"),
                migrations.RunSQL(FIT, FIT_BEFORE),
                pgtrigger.migrations.RemoveTrigger(
                    model_name="insurancetype",
                    name="next_version",
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="insurancetype",
                    trigger=pgtrigger.compiler.Trigger(
                        name="next_version",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition='WHEN (OLD."form_schema" IS DISTINCT FROM (NEW."form_schema"))',
                            func="\n                    IF form_shape(NEW.form_schema) IS DISTINCT FROM form_shape(OLD.form_schema) THEN\n                        NEW.schema_version = OLD.schema_version + 1;\n                    END IF;\n                    RETURN NEW;",
                            hash="2d19200806178cb78d8a1701fd48e813bb4b9044",
                            operation="UPDATE",
                            pgid="pgtrigger_next_version_2f468",
                            table="insurance_types",
                            when="BEFORE",
                        ),
                    ),
                ),
            ]
        ),
    ]
