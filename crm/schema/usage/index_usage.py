"""When each index of the scanned tables was last read, from the counters of the server."""

from datetime import datetime

from django.apps import apps
from django.db import connection

from crm.models import IndexUsage, ScannedTable

# Constraints and foreign keys need their indexes whether queries read them or not.
INDEXES_SQL = """
SELECT counted.indexrelname, counted.relname, counted.idx_scan, pg_relation_size(counted.indexrelid)
  FROM pg_stat_user_indexes AS counted JOIN pg_index USING (indexrelid)
 WHERE counted.relid = ANY (%s::regclass[]) AND NOT indisunique AND indisvalid
   AND NOT EXISTS (SELECT FROM pg_constraint WHERE contype = 'f' AND conrelid = indrelid AND conkey[1] = indkey[0]
                      AND indexprs IS NULL)
"""


def watch_indexes(now: datetime) -> None:
    """Compare the counters with those seen before: another number, even a lower one, means that the index was read."""
    tables = [connection.ops.quote_name(apps.get_model(table.value)._meta.db_table) for table in ScannedTable]
    with connection.cursor() as cursor:
        cursor.execute(INDEXES_SQL, [tables])
        counted = {name: (table, scans, size) for name, table, scans, size in cursor.fetchall()}
    known = {row.name: row for row in IndexUsage.objects.all()}
    new, changed = [], []
    for name, (table, scans, size) in counted.items():
        row = known.get(name) or IndexUsage(name=name, watched_since=now, scan_count=0)
        if row.scan_count != scans:
            row.last_used_at = now
        row.table, row.scan_count, row.size = table, scans, size
        (changed if name in known else new).append(row)
    IndexUsage.objects.exclude(name__in=counted).delete()
    IndexUsage.objects.bulk_create(new)
    IndexUsage.objects.bulk_update(changed, ["table", "scan_count", "size", "last_used_at"])
