"""What was carried out before each attempt had a row of its own gets one."""

from django.db import migrations

PAST = """
    INSERT INTO suggestion_executions (id, suggestion_id, attempt, state, idempotency_key, external_reference, error,
                                       ordered_by_id, created_at, run_after, put_off, started_at, finished_at)
    SELECT gen_random_uuid(), id, 1, CASE status WHEN 'FAILED' THEN 'FAILED' ELSE 'SUCCEEDED' END,
           id || '.' || left(content_hash, 16), '', CASE status WHEN 'FAILED' THEN error_message ELSE '' END,
           reviewed_by_id, reviewed_at, reviewed_at, 0, reviewed_at, coalesce(executed_at, reviewed_at)
      FROM suggestions
     WHERE status IN ('APPROVED', 'MODIFIED', 'FAILED') AND reviewed_at IS NOT NULL
"""


class Migration(migrations.Migration):
    dependencies = [("suggestions", "0003_executions")]
    operations = [migrations.RunSQL(PAST, migrations.RunSQL.noop)]
