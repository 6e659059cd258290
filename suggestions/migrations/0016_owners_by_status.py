"""What the planner cannot know unless it is told to look: how many of those that wait belong to whom, or to nobody."""

from django.db import migrations

STATISTICS = """
CREATE STATISTICS suggestions_owners_by_status (mcv) ON status, owner_id FROM suggestions;
ALTER STATISTICS suggestions_owners_by_status SET STATISTICS 500;
"""


class Migration(migrations.Migration):
    dependencies = [("suggestions", "0015_judged_and_waiting_for")]
    operations = [migrations.RunSQL(STATISTICS, "DROP STATISTICS IF EXISTS suggestions_owners_by_status")]
