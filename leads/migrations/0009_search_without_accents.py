"""Search leads without accents, by the VIN of every vehicle, and by tags in any case."""

import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.db.models.functions.comparison
import django.db.models.functions.text
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("leads", "0008_import_batches_and_indexes"),
        ("crm", "0003_search_without_accents"),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="lead",
            name="leads_search",
        ),
        migrations.RemoveIndex(
            model_name="lead",
            name="leads_tags",
        ),
        migrations.RemoveField(
            model_name="lead",
            name="search_text",
        ),
        migrations.AddField(
            model_name="lead",
            name="search_text",
            field=models.GeneratedField(
                db_persist=True,
                expression=models.Func(
                    django.db.models.functions.text.Concat(
                        django.db.models.functions.comparison.Coalesce(
                            "contact_name", models.Value(""), output_field=models.TextField()
                        ),
                        models.Value(" "),
                        django.db.models.functions.comparison.Coalesce(
                            "contact_email", models.Value(""), output_field=models.TextField()
                        ),
                        models.Value(" "),
                        django.db.models.functions.comparison.Coalesce(
                            "company_name", models.Value(""), output_field=models.TextField()
                        ),
                        models.Value(" "),
                        django.db.models.functions.comparison.Coalesce(
                            "contact_phone", models.Value(""), output_field=models.TextField()
                        ),
                        models.Value(" "),
                        django.db.models.functions.comparison.Coalesce(
                            models.Func(
                                models.F("contact_phone"),
                                models.Value("\\D"),
                                models.Value(""),
                                models.Value("g"),
                                function="regexp_replace",
                                output_field=models.TextField(),
                            ),
                            models.Value(""),
                            output_field=models.TextField(),
                        ),
                        models.Value(" "),
                        django.db.models.functions.comparison.Coalesce(
                            models.Func(
                                models.F("auto_data"),
                                output_field=models.TextField(),
                                template="jsonb_path_query_array(%(expressions)s, '$.**.vin')::text",
                            ),
                            models.Value(""),
                            output_field=models.TextField(),
                        ),
                        models.Value(" "),
                        django.db.models.functions.comparison.Coalesce(
                            models.Func(
                                models.F("line_data"),
                                output_field=models.TextField(),
                                template="jsonb_path_query_array(%(expressions)s, '$.**.vin')::text",
                            ),
                            models.Value(""),
                            output_field=models.TextField(),
                        ),
                        models.Value(" "),
                        output_field=models.TextField(),
                    ),
                    function="search_letters",
                    output_field=models.TextField(),
                ),
                output_field=models.TextField(),
            ),
        ),
        migrations.AddIndex(
            model_name="lead",
            index=django.contrib.postgres.indexes.GinIndex(
                django.contrib.postgres.indexes.OpClass("search_text", name="gin_trgm_ops"),
                condition=models.Q(("deleted_at__isnull", True)),
                name="leads_search",
            ),
        ),
        migrations.AddIndex(
            model_name="lead",
            index=django.contrib.postgres.indexes.GinIndex(
                models.Func(
                    models.F("tags"),
                    function="lower_tags",
                    output_field=django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), size=None),
                ),
                condition=models.Q(("deleted_at__isnull", True)),
                name="leads_tags",
            ),
        ),
    ]
