"""Where the database is no longer as the applied changes say: someone removed or disabled something by hand."""

from django.apps import apps
from django.db import connection

from crm.models import SchemaChange, SchemaChangeState
from crm.schema.promotion.indexes import NAME_PREFIX, PromotedKey

OUR_INDEXES_SQL = """
SELECT relname FROM pg_class JOIN pg_namespace AS space ON space.oid = relnamespace
 WHERE relkind = 'i' AND starts_with(relname, %s) AND nspname = current_schema() ORDER BY relname
"""
STATISTICS_SQL = "SELECT array_agg(stxname) FROM pg_statistic_ext WHERE starts_with(stxname, %s)"
DISABLED_TRIGGERS_SQL = """
SELECT relname, tgname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
 WHERE tgenabled = 'D' AND NOT tgisinternal AND relname = ANY (%s) ORDER BY 1, 2
"""


def find_drift() -> list[str]:
    """Return a sentence for each index or trigger that is not as it should be."""
    changes = list(SchemaChange.objects.exclude(kind=""))
    return [
        *missing_parts([change for change in changes if change.state == SchemaChangeState.APPLIED]),
        *left_over_indexes(changes),
    ] + [f"Trigger {name} of {table} is disabled." for table, name in disabled_triggers()]


def missing_parts(applied: list[SchemaChange]) -> list[str]:
    """Return what is missing of the applied changes."""
    with connection.cursor() as cursor:
        cursor.execute(STATISTICS_SQL, [NAME_PREFIX])
        statistics = cursor.fetchone()[0] or []
    lines = []
    for change in applied:
        promoted, advice = PromotedKey.of(change), "Press Repair on its request."
        for index in promoted.indexes:
            if (state := index.is_valid()) is not True:
                word = "missing" if state is None else "invalid"
                lines.append(f"{change}: the index {index.name} is {word}. {advice}")
        if promoted.statistics_name not in statistics:
            lines.append(f"{change}: the statistics {promoted.statistics_name} are missing. {advice}")
    return lines


def left_over_indexes(changes: list[SchemaChange]) -> list[str]:
    """Return the indexes of promoted keys that no change in this database explains."""
    known = {
        index.name
        for change in changes
        if change.state != SchemaChangeState.UNDONE
        for index in PromotedKey.of(change).indexes
    }
    with connection.cursor() as cursor:
        cursor.execute(OUR_INDEXES_SQL, [NAME_PREFIX])
        names = [name for (name,) in cursor.fetchall()]
    return [f"The index {name} belongs to no change." for name in names if name not in known]


def disabled_triggers() -> list[tuple[str, str]]:
    """Return table and name of each disabled trigger of a table of ours."""
    tables = sorted({model._meta.db_table for model in apps.get_models()})
    with connection.cursor() as cursor:
        cursor.execute(DISABLED_TRIGGERS_SQL, [tables])
        return cursor.fetchall()
