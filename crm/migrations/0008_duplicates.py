"""Find clients and contacts by the key of their name and by their phone number.

The function here does what `crm.records.duplicates.spelling.name_key` does.
"""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

CREATE_FUNCTION_SQL = r"""
CREATE FUNCTION name_key(text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
-- Bound when it is made: an index is built with a search path that has no functions of ours.
RETURN regexp_replace(regexp_replace(
        trim(regexp_replace(
            translate(regexp_replace(letters_without_accents($1), '^([^,]+), *([^ ].*)$', '\2 \1'), 'zcq''', 'skk'),
            '[\u0001-\u002f\u003a-\u0060\u007b-\u00bf]+', ' ', 'g')),
        '(?<=[a-z])[aeiouhwy]+', '', 'g'), '([a-z])\1+', '\1', 'g');
"""
# The planner takes no figures from a partial index, and would expect half of the table for some names.
CREATE_STATISTICS_SQL = """
    CREATE STATISTICS clients_name_key ON name_key(name) FROM clients;
    CREATE STATISTICS contacts_name_key ON name_key(name) FROM contacts;
"""
DROP_STATISTICS_SQL = "DROP STATISTICS clients_name_key; DROP STATISTICS contacts_name_key"
NOT_EMPTY = models.Q(("deleted_at__isnull", True), models.Q(("phone", ""), _negated=True))


def name_key() -> models.Func:
    return models.Func(models.F("name"), function="name_key", output_field=models.TextField())


def phone_tail() -> models.Func:
    template = "right(regexp_replace(%(expressions)s, '(?:ext|x|#|;).*$|\\D', '', 'gi'), 7)"
    return models.Func(models.F("phone"), output_field=models.TextField(), template=template)


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("crm", "0007_merges")]

    operations = [
        migrations.RunSQL(CREATE_FUNCTION_SQL, "DROP FUNCTION name_key(text)"),
        migrations.RunSQL(CREATE_STATISTICS_SQL, DROP_STATISTICS_SQL),
        AddIndexConcurrently(
            model_name="client",
            index=models.Index(
                name_key(), condition=models.Q(("deleted_at__isnull", True)), name="clients_by_name_key"
            ),
        ),
        AddIndexConcurrently(
            model_name="client", index=models.Index(phone_tail(), condition=NOT_EMPTY, name="clients_by_phone")
        ),
        AddIndexConcurrently(
            model_name="contact",
            index=models.Index(
                name_key(), condition=models.Q(("deleted_at__isnull", True)), name="contacts_by_name_key"
            ),
        ),
        AddIndexConcurrently(
            model_name="contact", index=models.Index(phone_tail(), condition=NOT_EMPTY, name="contacts_by_phone")
        ),
    ]
