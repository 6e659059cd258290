"""Write the planned changes of an import: the records, what they were before, and their timelines."""

from collections.abc import Iterator
from typing import Any

from django.db.backends.utils import CursorWrapper

from leads.importing.staging import STAGING_CHUNK_SIZE
from leads.importing.updates.planning import UpdatePlanner
from leads.importing.updates.rules import UpdateRules

CHUNK_SQL = "planned.number > %(after)s AND planned.number <= %(upto)s"
CHANGED_COLUMNS_SQL = "SELECT DISTINCT jsonb_object_keys(changes) FROM imported_updates"
INSERT_CHANGES_SQL = f"""
    INSERT INTO import_changes (batch_id, {{link}}, line, changes)
    SELECT %(batch)s, record_id, line, changes FROM imported_updates AS planned WHERE {CHUNK_SQL} ORDER BY number
"""
UPDATE_RECORDS_SQL = f"""
    UPDATE {{table}} AS existing SET {{assignments}}
      FROM imported_updates AS planned WHERE existing.id = planned.record_id AND {CHUNK_SQL}
"""
INSERT_LINES_SQL = f"""
    INSERT INTO activity_logs (id, actor_type, actor_id, verb, summary, target_type, target_id,
                               about_type, about_id, metadata, occurred_at, created_at)
    SELECT log_id, %(actor_type)s, %(user)s, 'changed',
           format('Updated from %%s, %%s %%s: %%s', %(file)s::text, %(row_word)s::text, line,
                  (SELECT string_agg(%(labels)s::jsonb ->> key, ', ' ORDER BY %(labels)s::jsonb ->> key)
                     FROM jsonb_object_keys(changes) AS key WHERE %(labels)s::jsonb ? key)),
           '{{label}}', record_id, '{{about_label}}', about_id,
           %(metadata)s::jsonb || jsonb_build_object(
               'line', line, 'fields', (SELECT jsonb_agg(key) FROM jsonb_object_keys(changes) AS key)),
           %(at)s, %(at)s
      FROM imported_updates AS planned WHERE {CHUNK_SQL} ORDER BY number
"""


def apply_updates(cursor: CursorWrapper, planner: UpdatePlanner, last: int, **values: Any) -> Iterator[int]:
    """Write the planned changes of the rows up to number `last`. Yield the number of records of each chunk.

    `values` are the other parameters of the statements: the batch, the actor, the file and so on.
    """
    rules = planner.rules
    cursor.execute(CHANGED_COLUMNS_SQL)
    changed = {name for (name,) in cursor.fetchall()}
    changed |= {name for name, source in rules.derived.items() if source in changed}
    if not changed:
        return
    assignments = planned_assignments(rules, planner.expressions, changed)
    update = UPDATE_RECORDS_SQL.format(assignments=assignments, **rules.names)
    values["at"] = planner.values["at"]
    for after in range(0, last, STAGING_CHUNK_SIZE):
        chunk = {**values, "after": after, "upto": after + STAGING_CHUNK_SIZE}
        cursor.execute(INSERT_CHANGES_SQL.format(**rules.names), chunk)
        cursor.execute(update, chunk)
        updated = cursor.rowcount
        links = (link.insert for link in rules.links)
        for statement in (INSERT_LINES_SQL.format(**rules.names), *links, *rules.statements):
            cursor.execute(statement, chunk)
        yield updated
    if rules.finish:
        rules.finish(cursor, changed, values)


def planned_assignments(rules: UpdateRules, expressions: dict[str, str], changed: set[str]) -> str:
    """Return the assignments of the columns that change, and those that go with them."""
    own = [f"{name} = planned.new_{name}" for name in expressions if name in changed]
    further = [sql for name, sql in rules.assignments.items() if not name or name in changed]
    return ", ".join([*own, *further, "updated_at = %(at)s"])
