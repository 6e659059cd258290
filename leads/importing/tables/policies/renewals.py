"""Link the imported policies to the earlier ones that they renew, and take that back when the import is undone."""

from django.db.backends.utils import CursorWrapper

from crm.models import ActivityLog
from crm.records.references import allow_changes
from leads.importing.staging import NO_DUPLICATE_SQL
from leads.importing.tables.policies.move_lines import insert_move_lines
from leads.importing.tables.staged import StagedImport
from leads.importing.tables.undo import MADE_BY_IMPORT_SQL
from leads.models import ImportBatch

# The latest term before the own one, among the policies that exist and those of the file.
CREATE_RENEWALS_SQL = f"""
    DROP TABLE IF EXISTS pg_temp.imported_renewals;
    CREATE TEMPORARY TABLE imported_renewals ON COMMIT DROP AS
    WITH own AS (
        SELECT number, line, status, client_id, effective_on, lower(previous_number) AS previous
          FROM imported_rows WHERE previous_number <> '' AND {NO_DUPLICATE_SQL}),
    earlier AS (
        SELECT id, client_id, lower(number) AS known, effective_on FROM policies
         WHERE deleted_at IS NULL AND number <> '' AND %(may_change)s
         UNION ALL
        SELECT id, client_id, lower(policy_number), effective_on FROM imported_rows
         WHERE policy_number <> '' AND {NO_DUPLICATE_SQL}),
    ranked AS (
        SELECT own.number, earlier.id,
               rank() OVER (PARTITION BY own.number ORDER BY earlier.effective_on DESC NULLS LAST) AS place
          FROM own JOIN earlier ON earlier.client_id = own.client_id AND earlier.known = own.previous
         WHERE earlier.effective_on < own.effective_on)
    SELECT own.number, own.line, own.status <> 'CANCELLED' AS is_running, best.previous_id,
           coalesce(best.found, 0) AS found
      FROM own LEFT JOIN (SELECT number, (array_agg(id))[1] AS previous_id, count(*) AS found
                            FROM ranked WHERE place = 1 GROUP BY number) AS best USING (number)
"""
# A policy has one renewal, unless that one was cancelled.
RELEASE_RENEWED_SQL = """
    UPDATE imported_renewals AS own SET found = -1
     WHERE found = 1 AND is_running AND (
        EXISTS (SELECT FROM policies AS other WHERE other.renewed_from_id = own.previous_id
                   AND other.deleted_at IS NULL AND other.status <> 'CANCELLED')
        OR EXISTS (SELECT FROM imported_renewals AS first WHERE first.previous_id = own.previous_id
                      AND first.found = 1 AND first.is_running AND first.number < own.number))
"""
SET_RENEWED_SQL = """
    UPDATE imported_rows AS imported SET renewed_from_id = own.previous_id
      FROM imported_renewals AS own WHERE own.number = imported.number AND found = 1;
    UPDATE imported_rows AS imported
       SET custom_fields = custom_fields || jsonb_build_object(%(label)s::text, previous_number)
      FROM imported_renewals AS own WHERE own.number = imported.number AND found <> 1;
    UPDATE imported_rows AS imported SET status = 'RENEWED'
      FROM imported_rows AS own
     WHERE own.renewed_from_id = imported.id AND own.status <> 'CANCELLED'
       AND imported.status IN ('ACTIVE', 'BOUND', 'LAPSED')
"""
SELECT_DOUBTS_SQL = """
    SELECT imported_renewals.line, previous_number, found FROM imported_renewals JOIN imported_rows USING (number)
     WHERE found <> 1 ORDER BY number
"""
RENEWED_POLICIES_SQL = """
      FROM imported_rows AS own
     WHERE own.renewed_from_id = policies.id AND own.status <> 'CANCELLED' AND policies.status IN ('ACTIVE', 'LAPSED')
"""
RENEW_SQL = f"UPDATE policies SET status = 'RENEWED', updated_at = %(at)s {RENEWED_POLICIES_SQL}"
RENEW_STATEMENTS = (
    insert_move_lines("policies.status", "'RENEWED'", f"WHERE EXISTS (SELECT {RENEWED_POLICIES_SQL})"),
    RENEW_SQL,
)
REMEMBER_RENEWED_SQL = f"""
    DROP TABLE IF EXISTS pg_temp.renewed_by_import;
    CREATE TEMPORARY TABLE renewed_by_import ON COMMIT DROP AS
    SELECT DISTINCT renewed_from_id AS id FROM policies
     WHERE renewed_from_id IS NOT NULL AND {MADE_BY_IMPORT_SQL.format(table="policies", label="leads.policy")}
"""
# Where the import found the earlier policy in the same file, its dates say what it was.
RESTORE_RENEWED_SQL = """
    UPDATE policies SET updated_at = now(), status = coalesce(
           (SELECT log.metadata ->> 'was' FROM activity_logs AS log
             WHERE log.target_type = 'leads.policy' AND log.target_id = policies.id AND log.verb = 'moved'
               AND log.metadata ->> 'import' = %(import)s LIMIT 1),
           CASE WHEN expires_on >= current_date THEN 'ACTIVE' ELSE 'LAPSED' END)
      FROM renewed_by_import AS renewed
     WHERE policies.id = renewed.id AND status = 'RENEWED'
       AND NOT EXISTS (SELECT FROM policies AS other WHERE other.renewed_from_id = policies.id
                          AND other.deleted_at IS NULL AND other.status <> 'CANCELLED')
"""
FORGET_MOVES_SQL = """
    DELETE FROM activity_logs AS log USING renewed_by_import AS renewed
     WHERE log.target_type = 'leads.policy' AND log.target_id = renewed.id AND log.verb = 'moved'
       AND log.metadata ->> 'import' = %s
       AND NOT EXISTS (SELECT FROM policies WHERE policies.id = renewed.id AND status = 'RENEWED')
"""
DOUBT_WORDS = {
    -1: "is the number of a policy that has a renewal already",
    0: "is not the number of an earlier policy of the client",
}
SEVERAL = "is the number of several policies of the same term"


def link_renewals(staged: StagedImport) -> int:
    """Set the earlier policy of each new row that names its number. Return how many name none; they keep it as text."""
    columns = staged.plan.columns_of("previous_number")
    if not columns:
        return 0
    label = staged.plan.header[columns[0]]
    may_change = staged.user is None or staged.user.has_perm("leads.change_policy")
    staged.cursor.execute(CREATE_RENEWALS_SQL, {"may_change": may_change})
    staged.cursor.execute(RELEASE_RENEWED_SQL)
    staged.cursor.execute(SET_RENEWED_SQL, {"label": label})
    staged.cursor.execute(SELECT_DOUBTS_SQL)
    doubts = staged.cursor.fetchall()
    for line, text, found in doubts:
        staged.doubts.add(line, label, text, DOUBT_WORDS.get(found, SEVERAL))
    return len(doubts)


def remember_renewed(cursor: CursorWrapper, batch: ImportBatch) -> None:
    """Note the policies that those of `batch` renew, before these are deleted."""
    cursor.execute(REMEMBER_RENEWED_SQL, {"batch": batch.pk})


def restore_renewed(cursor: CursorWrapper, batch: ImportBatch) -> None:
    """Give the policies that lost their renewal the status that they had before the import."""
    cursor.execute(RESTORE_RENEWED_SQL, {"import": str(batch.pk)})
    with allow_changes({ActivityLog}):
        cursor.execute(FORGET_MOVES_SQL, [str(batch.pk)])
