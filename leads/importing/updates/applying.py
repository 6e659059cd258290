"""Write the planned changes of an import: the leads, what they were before, stage history, signals and timeline."""

import json
from collections.abc import Iterator
from typing import Any

from django.db import connection
from django.db.backends.utils import CursorWrapper
from psycopg.types.json import Jsonb

from leads.importing.staging import STAGING_CHUNK_SIZE
from leads.importing.updates.planning import DERIVED_COLUMNS, UpdatePlanner
from leads.models import LeadStageHistory
from leads.scoring.stage_moves import WARNING_SIGNAL_TYPE, signals_after_move

CHUNK_SQL = "planned.number > %(after)s AND planned.number <= %(upto)s"
CHANGED_COLUMNS_SQL = "SELECT DISTINCT jsonb_object_keys(changes) FROM imported_updates"
INSERT_CHANGES_SQL = f"""
    INSERT INTO import_changes (batch_id, lead_id, line, changes)
    SELECT %(batch)s, lead_id, line, changes FROM imported_updates AS planned WHERE {CHUNK_SQL} ORDER BY number
"""
# A lead that moves goes on top of its column of the board.
RANK_SQL = """
    rank = CASE WHEN planned.status_id <> leads.status_id THEN -extract(epoch FROM %(at)s::timestamptz)
                ELSE leads.rank END
"""
UPDATE_LEADS_SQL = """
    UPDATE leads SET {columns}, updated_at = %(at)s, last_activity_at = greatest(leads.last_activity_at, %(at)s),
           next_look_at = CASE WHEN leads.closed_at IS NULL THEN %(at)s ELSE leads.next_look_at END
      FROM imported_updates AS planned WHERE leads.id = planned.lead_id AND {chunk}
"""
INSERT_MOVES_SQL = f"""
    INSERT INTO lead_stage_history (lead_id, from_status_id, to_status_id, at, by_id)
    SELECT lead_id, changes -> 'status_id' ->> 0, changes -> 'status_id' ->> 1, %(at)s, %(user)s
      FROM imported_updates AS planned WHERE changes ? 'status_id' AND {CHUNK_SQL}
"""
INSERT_LINES_SQL = f"""
    INSERT INTO activity_logs (id, actor_type, actor_id, verb, summary, target_type, target_id,
                               about_type, about_id, metadata, occurred_at, created_at)
    SELECT log_id, %(actor_type)s, %(user)s, 'changed',
           format('Updated from %%s, line %%s: %%s', %(file)s::text, line,
                  (SELECT string_agg(%(labels)s::jsonb ->> key, ', ' ORDER BY %(labels)s::jsonb ->> key)
                     FROM jsonb_object_keys(changes) AS key WHERE %(labels)s::jsonb ? key)),
           'leads.lead', lead_id, 'leads.lead', lead_id,
           %(metadata)s::jsonb || jsonb_build_object(
               'line', line, 'fields', (SELECT jsonb_agg(key) FROM jsonb_object_keys(changes) AS key)),
           %(at)s, %(at)s
      FROM imported_updates AS planned WHERE {CHUNK_SQL} ORDER BY number
"""
INSERT_MOVE_LINES_SQL = f"""
    INSERT INTO activity_logs (actor_type, actor_id, verb, summary, target_type, target_id,
                               about_type, about_id, metadata, occurred_at, created_at)
    SELECT %(actor_type)s, %(user)s, 'moved', format('Stage: %%s → %%s', was.label, now.label),
           'leads.lead', lead_id, 'leads.lead', lead_id,
           %(metadata)s::jsonb || jsonb_build_object('was', was.code, 'now', now.code), %(at)s, %(at)s
      FROM imported_updates AS planned
      JOIN lead_statuses AS was ON was.code = changes -> 'status_id' ->> 0
      JOIN lead_statuses AS now ON now.code = changes -> 'status_id' ->> 1
     WHERE {CHUNK_SQL}
"""
# The moves that add or remove a warning: the other leads keep their signals.
SELECT_WARNED_MOVES_SQL = """
    SELECT leads.id, leads.signals, move.id
      FROM imported_updates AS planned JOIN leads ON leads.id = planned.lead_id
      JOIN lead_stage_history AS move ON move.lead_id = leads.id AND move.at = %(at)s
      JOIN lead_statuses AS was ON was.code = move.from_status_id
      JOIN lead_statuses AS now ON now.code = move.to_status_id
     WHERE changes ? 'status_id' AND leads.closed_at IS NULL
       AND (now.category = 'paused' OR now.position < was.position
            OR leads.signals @> jsonb_build_array(jsonb_build_object('type', %(warning)s)))
"""
UPDATE_SIGNALS_SQL = """
    UPDATE leads SET signals = new.signals
      FROM unnest(%s::uuid[], %s::jsonb[]) AS new (id, signals) WHERE leads.id = new.id
"""
SIGNALS_CHUNK_SIZE = 1_000


def apply_updates(cursor: CursorWrapper, planner: UpdatePlanner, last: int, **values: Any) -> Iterator[int]:
    """Write the planned changes of the rows up to number `last`. Yield the number of leads of each chunk.

    `values` are the other parameters of the statements: the batch, the actor, the file and so on.
    """
    cursor.execute(CHANGED_COLUMNS_SQL)
    changed = {name for (name,) in cursor.fetchall()}
    changed |= {name for name, source in DERIVED_COLUMNS.items() if source in changed}
    columns = [f"{name} = planned.{name}" for name in planner.expressions if name in changed]
    columns += [RANK_SQL] if "status_id" in changed else []
    statements = [INSERT_CHANGES_SQL, UPDATE_LEADS_SQL.format(columns=", ".join(columns), chunk=CHUNK_SQL)]
    for after in range(0, last if changed else 0, STAGING_CHUNK_SIZE):
        chunk = {**values, "at": planner.values["at"], "after": after, "upto": after + STAGING_CHUNK_SIZE}
        for statement in statements:
            cursor.execute(statement, chunk)
        updated = cursor.rowcount
        for statement in (INSERT_MOVES_SQL, INSERT_LINES_SQL, INSERT_MOVE_LINES_SQL):
            cursor.execute(statement, chunk)
        yield updated
    if "status_id" in changed:
        update_warnings(planner, values["weights"].obj)


def update_warnings(planner: UpdatePlanner, weights: dict[str, Any]) -> None:
    """Add a warning to the leads that moved back, and remove it from those that moved on, as a move by hand does."""
    with connection.chunked_cursor() as moved:
        moved.execute(SELECT_WARNED_MOVES_SQL, {"at": planner.values["at"], "warning": WARNING_SIGNAL_TYPE})
        while rows := moved.fetchmany(SIGNALS_CHUNK_SIZE):
            moves = LeadStageHistory.objects.select_related("from_status", "to_status").in_bulk(row[2] for row in rows)
            signals = {key: (json.loads(old), moves[move]) for key, old, move in rows}
            after = {key: signals_after_move(old, move, weights) for key, (old, move) in signals.items()}
            changed = {key: new for key, new in after.items() if new != signals[key][0]}
            planner.cursor.execute(UPDATE_SIGNALS_SQL, [[*changed], [Jsonb(new) for new in changed.values()]])
