"""Search clients and contacts without accents, and by tags in any case.

The functions here do what `crm.text.letters` does.
"""

import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.db.models.functions.comparison
import django.db.models.functions.text
from django.db import migrations, models

CREATE_FUNCTIONS_SQL = r"""
CREATE FUNCTION letters_without_accents(text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT translate(
        replace(replace(replace(
            lower(regexp_replace(normalize(translate($1, '’‘ʼ´`′', $q$''''''$q$), NFKD), '[\u0300-\u036f]', '', 'g')),
        'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe'),
        'øłđðı', 'olddi')
$$;
-- The text in lower case, followed by its plain letters if they differ.
CREATE FUNCTION search_letters(text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE WHEN letters_without_accents($1) = lower($1) THEN lower($1)
                ELSE lower($1) || ' ' || letters_without_accents($1) END
$$;
CREATE FUNCTION lower_tags(tags text[]) RETURNS text[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT ARRAY(SELECT lower(tag) FROM unnest(tags) AS tag)
$$;
CREATE FUNCTION tags_are_distinct(tags text[]) RETURNS boolean
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT cardinality(tags) < 2 OR count(tag) = count(DISTINCT lower(tag)) FROM unnest(tags) AS tag
$$;
"""
DROP_FUNCTIONS_SQL = """
DROP FUNCTION tags_are_distinct(text[]); DROP FUNCTION lower_tags(text[]);
DROP FUNCTION search_letters(text); DROP FUNCTION letters_without_accents(text);
"""


class Migration(migrations.Migration):
    dependencies = [("crm", "0002_tags_without_nulls")]

    operations = [
        migrations.RunSQL(CREATE_FUNCTIONS_SQL, DROP_FUNCTIONS_SQL),
        migrations.RemoveIndex(
            model_name="client",
            name="clients_search",
        ),
        migrations.RemoveIndex(
            model_name="client",
            name="clients_tags",
        ),
        migrations.RemoveField(
            model_name="client",
            name="search_text",
        ),
        migrations.AddField(
            model_name="client",
            name="search_text",
            field=models.GeneratedField(
                db_persist=True,
                expression=models.Func(
                    django.db.models.functions.text.Concat(
                        django.db.models.functions.comparison.Coalesce(
                            "name", models.Value(""), output_field=models.TextField()
                        ),
                        models.Value(" "),
                        django.db.models.functions.comparison.Coalesce(
                            "email", models.Value(""), output_field=models.TextField()
                        ),
                        models.Value(" "),
                        django.db.models.functions.comparison.Coalesce(
                            "phone", models.Value(""), output_field=models.TextField()
                        ),
                        models.Value(" "),
                        django.db.models.functions.comparison.Coalesce(
                            models.Func(
                                models.F("phone"),
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
                        output_field=models.TextField(),
                    ),
                    function="search_letters",
                    output_field=models.TextField(),
                ),
                output_field=models.TextField(),
            ),
        ),
        migrations.AddIndex(
            model_name="client",
            index=django.contrib.postgres.indexes.GinIndex(
                django.contrib.postgres.indexes.OpClass("search_text", name="gin_trgm_ops"),
                condition=models.Q(("deleted_at__isnull", True)),
                name="clients_search",
            ),
        ),
        migrations.AddIndex(
            model_name="client",
            index=django.contrib.postgres.indexes.GinIndex(
                models.Func(
                    models.F("tags"),
                    function="lower_tags",
                    output_field=django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), size=None),
                ),
                condition=models.Q(("deleted_at__isnull", True)),
                name="clients_tags",
            ),
        ),
        migrations.RemoveIndex(
            model_name="contact",
            name="contacts_search",
        ),
        migrations.RemoveIndex(
            model_name="contact",
            name="contacts_tags",
        ),
        migrations.RemoveField(
            model_name="contact",
            name="search_text",
        ),
        migrations.AddField(
            model_name="contact",
            name="search_text",
            field=models.GeneratedField(
                db_persist=True,
                expression=models.Func(
                    django.db.models.functions.text.Concat(
                        django.db.models.functions.comparison.Coalesce(
                            "name", models.Value(""), output_field=models.TextField()
                        ),
                        models.Value(" "),
                        django.db.models.functions.comparison.Coalesce(
                            "email", models.Value(""), output_field=models.TextField()
                        ),
                        models.Value(" "),
                        django.db.models.functions.comparison.Coalesce(
                            "phone", models.Value(""), output_field=models.TextField()
                        ),
                        models.Value(" "),
                        django.db.models.functions.comparison.Coalesce(
                            models.Func(
                                models.F("phone"),
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
                            "title", models.Value(""), output_field=models.TextField()
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
            model_name="contact",
            index=django.contrib.postgres.indexes.GinIndex(
                django.contrib.postgres.indexes.OpClass("search_text", name="gin_trgm_ops"),
                condition=models.Q(("deleted_at__isnull", True)),
                name="contacts_search",
            ),
        ),
        migrations.AddIndex(
            model_name="contact",
            index=django.contrib.postgres.indexes.GinIndex(
                models.Func(
                    models.F("tags"),
                    function="lower_tags",
                    output_field=django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), size=None),
                ),
                condition=models.Q(("deleted_at__isnull", True)),
                name="contacts_tags",
            ),
        ),
    ]
