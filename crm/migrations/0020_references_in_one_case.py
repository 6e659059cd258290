"""A reference is the key of a record in small letters, or in capitals: filters find no mixture, so one is a text."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from psycopg import sql

KINDS = ("lead", "client", "contact", "policy", "ticket", "project", "staff")
# By the label of their model; in a new database, those of other apps are not there yet.
TABLES = {
    "leads.lead": "leads",
    "crm.client": "clients",
    "crm.contact": "contacts",
    "leads.policy": "policies",
    "support.supportticket": "support_tickets",
}
ANY_CASE = "~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'"
ONE_CASE = "~ '^([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12})$'"
REPLACE_FUNCTION_SQL = r"""
CREATE OR REPLACE FUNCTION json_uuid(data jsonb, key text) RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN jsonb_typeof(data -> key) = 'string' AND data ->> key @pattern THEN (data ->> key)::uuid END
$$;
"""


def replace_function(pattern: str) -> str:
    return REPLACE_FUNCTION_SQL.replace("@pattern", pattern)


# While the function still reads every notation.
LOWER_SQL = sql.SQL("""
UPDATE {table} SET custom_fields = custom_fields || jsonb_build_object({key}::text, lower(custom_fields ->> {key}))
 WHERE custom_fields ? {key} AND json_uuid(custom_fields, {key}) IS NOT NULL AND NOT custom_fields ->> {key} {pattern}
""")


def write_mixtures_in_small_letters(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Rewrite the references in mixed notation that another program has stored."""
    fields = apps.get_model("crm", "CustomField").objects.filter(kind__in=KINDS)
    for label, key in fields.values_list("table", "key").distinct():
        names = {"table": sql.Identifier(TABLES[label]), "key": sql.Literal(key)}
        with schema_editor.connection.cursor() as cursor:
            cursor.execute(LOWER_SQL.format(pattern=sql.SQL(ONE_CASE), **names).as_string())


class Migration(migrations.Migration):
    dependencies = [("crm", "0019_contact_restriction")]
    operations = [
        migrations.RunPython(write_mixtures_in_small_letters, migrations.RunPython.noop),
        migrations.RunSQL(replace_function(ONE_CASE), replace_function(ANY_CASE)),
    ]
