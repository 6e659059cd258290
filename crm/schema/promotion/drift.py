"""Where the database is no longer as the applied changes say: someone removed or disabled something by hand."""

from django.apps import apps
from django.db import connection

from crm.models import SchemaChange, SchemaChangeState
from crm.models.schema_change import APPLIED_BY_JOB
from crm.schema.promotion.base import Promotion
from crm.schema.promotion.promotions import PROMOTIONS, promotion_of

DISABLED_TRIGGERS_SQL = """
SELECT relname, tgname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
 WHERE tgenabled = 'D' AND NOT tgisinternal AND relname = ANY (%s) ORDER BY 1, 2
"""


def find_drift() -> list[str]:
    """Return a sentence for each part of a promotion, and each trigger, that is not as it should be."""
    changes = SchemaChange.objects.filter(decision__in=APPLIED_BY_JOB).exclude(state=SchemaChangeState.DECIDED)
    promotions = [promotion_of(change) for change in changes]
    explained = frozenset().union(
        *(one.object_names for one in promotions if one.change.state != SchemaChangeState.UNDONE)
    )
    return [
        *missing_parts([one for one in promotions if one.change.state == SchemaChangeState.APPLIED]),
        *left_over_objects(explained),
        *(f"Trigger {name} of {table} is disabled." for table, name in disabled_triggers() if name not in explained),
    ]


def missing_parts(applied: list[Promotion]) -> list[str]:
    """Return what is not as it should be of the applied promotions."""
    return [f"{one.change}: {problem}. Press Repair on its request." for one in applied for problem in one.problems()]


def left_over_objects(explained: frozenset[str]) -> list[str]:
    """Return the objects of promotions that no change in this database explains."""
    found = {pair for promotion in PROMOTIONS.values() for pair in promotion.find_objects()}
    return [f"The {noun} {name} belongs to no change." for noun, name in sorted(found) if name not in explained]


def disabled_triggers() -> list[tuple[str, str]]:
    """Return table and name of each disabled trigger of a table of ours."""
    tables = sorted({model._meta.db_table for model in apps.get_models()})
    with connection.cursor() as cursor:
        cursor.execute(DISABLED_TRIGGERS_SQL, [tables])
        return cursor.fetchall()
