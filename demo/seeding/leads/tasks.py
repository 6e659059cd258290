"""Seed tasks for a share of the leads."""

from typing import Any

from django.db.backends.utils import CursorWrapper

from demo.seeding.draws import Chunk, weighted_choice

# The tasks of an open lead are planned or late; those of a closed lead are done.
INSERT_TASKS_SQL = """
INSERT INTO tasks (id, created_at, updated_at, title, description, status, due_on, assignee_id, lead_id)
SELECT pg_temp.uuid7(at, 'task', n), at, at, pg_temp.pick(%(titles)s, pg_temp.draw(n, 'task')),
       CASE WHEN pg_temp.draw(n, 'described') < 0.3
            THEN pg_temp.pick(%(descriptions)s, pg_temp.draw(n, 'description')) ELSE '' END,
       CASE WHEN is_open THEN pg_temp.pick(%(ahead)s, %(ahead_shares)s, pg_temp.draw(n, 'task status'))
            ELSE pg_temp.pick('{DONE,DONE,DONE,ARCHIVED}', pg_temp.draw(n, 'task status')) END,
       CASE WHEN is_open THEN %(now)s::date + pg_temp.whole(-10, 30, pg_temp.draw(n, 'task due'))
            ELSE closed_at::date END,
       owner_id, id
  FROM (
    SELECT seeded.*, created_at + (coalesce(closed_at, %(now)s) - created_at) * pg_temp.draw(n, 'promised') AS at
      FROM seeded WHERE pg_temp.draw(n, 'tasks') < %(tasks)s
     OFFSET 0
  ) AS lead
"""
TASK_PARAMETERS: dict[str, Any] = {
    **weighted_choice("ahead", {"ON_DECK": 40, "IN_PROGRESS": 14, "BLOCKED": 6, "DONE": 36, "ARCHIVED": 4}),
    "titles": [
        "Call back about the quote",
        "Ask for the current declarations page",
        "Send the comparison of carriers",
        "Check the roof's year with the inspector",
        "Collect driver's license copies",
        "Ask the underwriter about the prior claim",
        "Prepare the certificate of insurance",
        "Confirm the mortgagee's address",
        "Follow up before the renewal date",
        "Request loss runs",
    ],
    "descriptions": [
        "They are easiest to reach in the morning.",
        "Two carriers have answered; the third promised an answer this week.",
        "Leave a message if there is no answer, and write afterwards.",
    ],
}


def insert_tasks(cursor: CursorWrapper, chunk: Chunk) -> int:
    """Insert one task for a share of `seeded`."""
    return chunk.run(cursor, INSERT_TASKS_SQL, TASK_PARAMETERS)
