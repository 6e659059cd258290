"""The database keeps the owner of each suggestion: that of its lead or client."""

from django.db import migrations

from leads.ownership import follow, leave

# What the planner cannot know unless it is told to look: how many of those that wait belong to each owner.
STATISTICS = """
CREATE STATISTICS suggestions_owners_by_status (mcv) ON status, owner_id FROM suggestions;
ALTER STATISTICS suggestions_owners_by_status SET STATISTICS 500;
"""


class Migration(migrations.Migration):
    dependencies = [("suggestions", "0001_initial"), ("leads", "0001_initial"), ("crm", "0001_initial")]
    operations = [
        migrations.RunSQL(follow("suggestions"), leave("suggestions")),
        migrations.RunSQL(STATISTICS, "DROP STATISTICS IF EXISTS suggestions_owners_by_status"),
    ]
