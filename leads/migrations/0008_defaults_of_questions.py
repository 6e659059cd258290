"""The default of a question is a hint: another one leaves the version of its form."""

from django.db import migrations

# The hints are those of `leads/lines/questions.py`.
FORM_SHAPE = """
CREATE OR REPLACE FUNCTION form_shape(form jsonb) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    shape jsonb := form;
BEGIN
    IF jsonb_typeof(form) IS DISTINCT FROM 'object' THEN
        RETURN form;
    END IF;
    shape := form - ARRAY['title', 'description', 'propertyOrder', 'section', 'retired', 'retiredChoices', 'labels',
                          'unit', 'widget', 'spareRows'{}];
    IF jsonb_typeof(form -> 'properties') = 'object' THEN
        shape := jsonb_set(shape, '{{properties}}', coalesce(
            (SELECT jsonb_object_agg(key, form_shape(value)) FROM jsonb_each(form -> 'properties')), '{{}}'));
    END IF;
    IF form ? 'items' THEN
        shape := jsonb_set(shape, '{{items}}', form_shape(form -> 'items'));
    END IF;
    RETURN shape;
END $$
"""


class Migration(migrations.Migration):
    dependencies = [("leads", "0007_policies_data_index")]
    operations = [migrations.RunSQL(FORM_SHAPE.format(", 'default'"), FORM_SHAPE.format(""))]
