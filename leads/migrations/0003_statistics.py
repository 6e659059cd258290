"""What the planner cannot know of an expression unless it is told to look: how many leads are of each tier."""

from django.db import migrations

STATISTICS = """
CREATE STATISTICS leads_urgency ON (
    CASE WHEN priority_tier::text = 'hot' THEN 4 WHEN priority_tier::text = 'warm' THEN 3
         WHEN priority_tier::text = 'cold' THEN 2 WHEN priority_tier::text = 'dormant' THEN 1 ELSE 0 END
) FROM leads;
CREATE STATISTICS leads_vin_values ON (upper(auto_data ->> 'vin')) FROM leads;
"""


class Migration(migrations.Migration):
    dependencies = [("leads", "0002_stages_and_lines")]
    operations = [
        migrations.RunSQL(
            STATISTICS, "DROP STATISTICS IF EXISTS leads_urgency; DROP STATISTICS IF EXISTS leads_vin_values"
        )
    ]
