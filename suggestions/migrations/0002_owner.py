"""The database keeps the owner of each suggestion: that of its lead or client."""

from django.db import migrations

from leads.ownership import follow

# What the planner cannot know unless it is told to look: how many of those that wait belong to each owner.
STATISTICS = """
CREATE STATISTICS suggestions_owners_by_status (mcv) ON status, owner_id FROM suggestions;
ALTER STATISTICS suggestions_owners_by_status SET STATISTICS 500;
"""


class Migration(migrations.Migration):
    dependencies = [("suggestions", "0001_tables")]
    operations = [migrations.RunSQL(follow("suggestions")), migrations.RunSQL(STATISTICS)]
