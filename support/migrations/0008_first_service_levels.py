"""The service levels that every agency starts with, and since when the time of each ticket runs.

The due times of unresolved tickets are computed again by these levels: their triggers mark them.
"""

from django.db import migrations

OPENED_AT = """
    UPDATE support_tickets AS ticket
       SET opened_at = coalesce((SELECT max(occurred_at) FROM activity_logs
                                  WHERE target_type = 'support.supportticket' AND target_id = ticket.id
                                    AND verb = 'reopened'), ticket.created_at)
     WHERE opened_at IS NULL
"""
SEEDS = """
    INSERT INTO service_levels (priority, first_response_minutes, resolution_minutes, in_working_hours)
    VALUES ('urgent', 60, 8 * 60, false), ('high', 4 * 60, 8 * 60, true), ('normal', 8 * 60, 24 * 60, true),
           ('low', 16 * 60, 56 * 60, true);
    INSERT INTO working_days (weekday, opens_at, closes_at)
    SELECT weekday, CASE WHEN weekday < 5 THEN time '09:00' END, CASE WHEN weekday < 5 THEN time '17:00' END
      FROM generate_series(0, 6) AS weekday;
"""
UNSEED = "TRUNCATE service_levels, working_days, holidays"


class Migration(migrations.Migration):
    dependencies = [("support", "0007_service_levels")]
    operations = [
        migrations.RunSQL(OPENED_AT, migrations.RunSQL.noop),
        migrations.RunSQL(SEEDS, UNSEED),
    ]
