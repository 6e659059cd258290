"""Seed the stage history of leads, and the same moves on their timelines."""

from typing import Any

from django.db.backends.utils import CursorWrapper

from crm.records.activity import SYSTEM_ACTOR
from demo.seeding.draws import Chunk

# The path of stages to each stage. One lost lead in three is lost before a proposal.
STAGE_PATHS = {
    "NEW_OPPORTUNITIES": ["NEW_OPPORTUNITIES"],
    "ACTIVE": ["NEW_OPPORTUNITIES", "ACTIVE"],
    "PROPOSAL_SENT": ["NEW_OPPORTUNITIES", "ACTIVE", "PROPOSAL_SENT"],
    "ON_ICE": ["NEW_OPPORTUNITIES", "ACTIVE", "ON_ICE"],
    "CLOSED_WON": ["NEW_OPPORTUNITIES", "ACTIVE", "PROPOSAL_SENT", "CLOSED_WON"],
    "CLOSED_LOST": ["NEW_OPPORTUNITIES", "ACTIVE", "PROPOSAL_SENT", "CLOSED_LOST"],
    "lost early": ["NEW_OPPORTUNITIES", "CLOSED_LOST"],
    "CLOSED_UNQUALIFIED": ["NEW_OPPORTUNITIES", "CLOSED_UNQUALIFIED"],
}
STAGE_MOVES_SQL = """
CREATE TEMP TABLE seeded_moves ON COMMIT DROP AS
SELECT lead.n * 8 + step AS n, lead.id AS lead_id, lead.name, lead.company, lead.owner_id, was, now_in,
       created_at + (staged_at - created_at) * part AS at
  FROM seeded AS lead
  JOIN unnest(%(paths)s::text[], %(steps)s::int[], %(was)s::text[], %(now_in)s::text[], %(parts)s::float8[])
       AS move (path, step, was, now_in, part)
    ON path = CASE WHEN status_id = 'CLOSED_LOST' AND pg_temp.draw(n, 'lost early') < 0.33 THEN 'lost early'
                   ELSE status_id END
"""
INSERT_HISTORY_SQL = """
INSERT INTO lead_stage_history (id, created_at, updated_at, lead_id, from_status_id, to_status_id, at, by_id)
SELECT pg_temp.uuid7(at, 'move', n), at, at, lead_id, was, now_in, at, owner_id FROM seeded_moves
"""
INSERT_ACTIVITY_SQL = """
INSERT INTO activity_logs (id, actor_type, actor_id, verb, summary, target_type, target_id, about_type,
                           about_id, metadata, occurred_at, created_at)
SELECT pg_temp.uuid7(at, 'activity', n), CASE WHEN owner_id IS NULL THEN 'system' ELSE 'user' END, owner_id,
       CASE WHEN was IS NULL THEN 'created' ELSE 'moved' END,
       CASE WHEN was IS NULL
            THEN 'Created lead “' || name || CASE WHEN company = '' THEN '' ELSE ' · ' || company END || '”'
            ELSE 'Stage: ' || left_stage.label || ' → ' || stage.label END,
       'leads.lead', lead_id, 'leads.lead', lead_id,
       CASE WHEN was IS NULL THEN jsonb_build_object('status', now_in)
            ELSE jsonb_build_object('was', was, 'now', now_in) END
         || CASE WHEN owner_id IS NULL THEN jsonb_build_object('name', %(program)s::text) ELSE '{}' END,
       at, at
  FROM seeded_moves
  JOIN lead_statuses AS stage ON stage.code = now_in
  LEFT JOIN lead_statuses AS left_stage ON left_stage.code = was
"""


def _stage_moves() -> dict[str, list[Any]]:
    """Return each move of each path: its number, from, to, and its time as a share of the time to the last move."""
    rows = [
        (path, step, stages[step - 1] if step else None, stage, step / max(len(stages) - 1, 1))
        for path, stages in STAGE_PATHS.items()
        for step, stage in enumerate(stages)
    ]
    return dict(zip(("paths", "steps", "was", "now_in", "parts"), map(list, zip(*rows, strict=True)), strict=True))


STAGE_MOVE_PARAMETERS = {**_stage_moves(), "program": SYSTEM_ACTOR.name}


def insert_stage_moves(cursor: CursorWrapper, chunk: Chunk) -> int:
    """Insert every move of the leads of `seeded` as stage history and as activity. Return the number of moves."""
    cursor.execute("DROP TABLE IF EXISTS pg_temp.seeded_moves")
    chunk.run(cursor, STAGE_MOVES_SQL, STAGE_MOVE_PARAMETERS)
    chunk.run(cursor, INSERT_HISTORY_SQL, STAGE_MOVE_PARAMETERS)
    return chunk.run(cursor, INSERT_ACTIVITY_SQL, STAGE_MOVE_PARAMETERS)
