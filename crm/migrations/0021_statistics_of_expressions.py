"""How frequent each tag and each address is: the planner takes no figures from a partial index."""

from django.db import migrations

# Autovacuum analyses a table that changes, and no table that stands still.
STATISTICS = """
CREATE STATISTICS clients_lower_tags ON lower_tags(tags) FROM clients;
CREATE STATISTICS clients_address ON lower(email) FROM clients;
CREATE STATISTICS contacts_lower_tags ON lower_tags(tags) FROM contacts;
CREATE STATISTICS contacts_address ON lower(email) FROM contacts;
DO $$ BEGIN
    IF EXISTS (SELECT FROM clients) THEN ANALYZE clients, contacts; END IF;
END $$;
"""
REVERSE = "DROP STATISTICS clients_lower_tags, clients_address, contacts_lower_tags, contacts_address"


class Migration(migrations.Migration):
    dependencies = [("crm", "0020_references_in_one_case")]
    operations = [migrations.RunSQL(STATISTICS, REVERSE)]
