"""A new client with the address or the number of an erased person must not be contacted; figures for the planner."""

from django.db import migrations

from crm.records.privacy.suppression import suppress

# The planner takes no figures from a partial index, and would expect half of the table for some names.
STATISTICS = """
CREATE STATISTICS clients_name_key ON name_key(name) FROM clients;
CREATE STATISTICS contacts_name_key ON name_key(name) FROM contacts;
"""


class Migration(migrations.Migration):
    dependencies = [("crm", "0002_tables")]

    operations = [
        migrations.RunSQL(suppress("clients", "email", "phone")),
        migrations.RunSQL(STATISTICS),
    ]
