"""Mark the snapshots that were taken when the lead was created here, and open."""

from django.db import migrations

# A snapshot never changes, so its trigger rests for this one statement.
MARK_SQL = """
ALTER TABLE lead_snapshots DISABLE TRIGGER USER;
UPDATE lead_snapshots SET is_at_arrival = true
  FROM leads
 WHERE leads.id = lead_id AND taken_at - leads.created_at BETWEEN interval '0' AND interval '5 seconds'
   AND NOT EXISTS (SELECT FROM activity_logs
                    WHERE about_type = 'leads.lead' AND about_id = lead_id AND verb = 'created'
                      AND metadata ? 'import')
   AND (SELECT category FROM lead_stage_history JOIN lead_statuses ON code = to_status_id
         WHERE lead_stage_history.lead_id = leads.id ORDER BY at, lead_stage_history.id LIMIT 1) IN ('open', 'paused');
ALTER TABLE lead_snapshots ENABLE TRIGGER USER;
"""
UNMARK_SQL = """
ALTER TABLE lead_snapshots DISABLE TRIGGER USER;
UPDATE lead_snapshots SET is_at_arrival = false WHERE is_at_arrival;
ALTER TABLE lead_snapshots ENABLE TRIGGER USER;
"""


class Migration(migrations.Migration):
    dependencies = [("leads", "0011_features_known_at_arrival")]
    operations = [migrations.RunSQL(MARK_SQL, UNMARK_SQL)]
