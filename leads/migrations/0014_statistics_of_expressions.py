"""How frequent each tag and each address is: the planner takes no figures from a partial index."""

from django.db import migrations

# Autovacuum analyses a table that changes, and no table that stands still.
STATISTICS = """
CREATE STATISTICS leads_lower_tags ON lower_tags(tags) FROM leads;
CREATE STATISTICS leads_address ON lower(contact_email) FROM leads;
DO $$ BEGIN
    IF EXISTS (SELECT FROM leads) THEN ANALYZE leads; END IF;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("leads", "0013_indexes_by_owner")]
    operations = [migrations.RunSQL(STATISTICS, "DROP STATISTICS leads_lower_tags, leads_address")]
