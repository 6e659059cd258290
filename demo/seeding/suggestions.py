"""Seed suggestions for a share of the leads, with their decisions."""

from typing import Any

from django.db.backends.utils import CursorWrapper

from demo.seeding.draws import Chunk, weighted_choice

# A dormant lead has a pending or rejected suggestion to move it to "On ice". A lead that is on ice got there by an
# approved suggestion. Every other lead has a suggested task.
SUGGESTIONS_TABLE_SQL = """
CREATE TEMP TABLE seeded_suggestions ON COMMIT DROP AS
SELECT proposed.*, -- like `suggestions.policy.priority`; a task that is not due and a stage change have the urgency 1
       least(length(trunc(coalesce(value, 1000))::text), 9) AS priority, pg_temp.uuid7(at, 'suggestion', n) AS id,
       at + (least(%(now)s, at + interval '2 days') - at) * pg_temp.draw(n, 'decided') AS decided_at,
       (at + interval '1 day' * pg_temp.whole(1, 9, pg_temp.draw(n, 'proposed due')))::date AS due_on
  FROM (
    SELECT n, seeded.id AS lead_id, value, owner_id, coalesce(owner, '') AS assignee, is_open, status_id,
           pg_temp.pick(%(titles)s, pg_temp.draw(n, 'title')) AS title,
           CASE WHEN status_id = 'ON_ICE' THEN 'ACTIVE' WHEN tier = 'dormant' THEN status_id END AS move_from,
           CASE WHEN status_id = 'ON_ICE' THEN 'APPROVED'
                WHEN tier = 'dormant'
                THEN pg_temp.pick('{PENDING,PENDING,PENDING,REJECTED}', pg_temp.draw(n, 'fate'))
                WHEN is_open THEN pg_temp.pick(%(fates)s, %(fates_shares)s, pg_temp.draw(n, 'fate'))
                ELSE pg_temp.pick(%(past_fates)s, %(past_fates_shares)s, pg_temp.draw(n, 'fate'))
           END AS status,
           CASE WHEN status_id = 'ON_ICE' THEN greatest(created_at, staged_at - interval '3 hours')
                WHEN is_open
                THEN %(now)s - least(%(now)s - created_at, interval '9 days') * pg_temp.draw(n, 'proposed')
                ELSE created_at + (closed_at - created_at) * pg_temp.draw(n, 'proposed') END AS at
      FROM seeded WHERE pg_temp.draw(n, 'suggestions') < %(suggestions)s
     OFFSET 0
  ) AS proposed
"""
# Formatted like `content_digest` does, with sorted keys and without spaces, so that the hash of the text is right.
STAGE_CHANGE_CONTENT_SQL = (
    """'{"fromStatus":' || to_json(move_from) || ',"lossNotes":"","lossReason":"","status":"ON_ICE"}'"""
)
TASK_CONTENT_SQL = """'{"assignee":' || to_json(assignee) || ',"description":"","dueOn":' || to_json(due_on)
          || ',"title":' || to_json(title) || '}'"""
LATER_TASK_CONTENT_SQL = TASK_CONTENT_SQL.replace("due_on", "due_on + 7")
INSERT_SUGGESTIONS_SQL = f"""
INSERT INTO suggestions (id, created_at, updated_at, type, status, lead_id, priority, confidence,
                         reasoning, agent, ai_model_version, suggested_content, approved_content, content_hash,
                         reviewed_by_id, reviewed_at, review_note, reject_code, executed_at, result, error_message)
SELECT id, at, greatest(at, reviewed_at), CASE WHEN move_from IS NULL THEN 'TASK' ELSE 'CHANGE_STATUS' END,
       status, lead_id, priority, round((0.5 + 0.48 * pg_temp.draw(n, 'confidence'))::numeric, 2),
       CASE WHEN move_from IS NULL THEN pg_temp.pick(%(reasons)s, pg_temp.draw(n, 'reason'))
            ELSE 'No contact in either direction for more than 30 days.' END,
       CASE WHEN move_from IS NULL THEN 'next best action' ELSE 'silence' END,
       CASE WHEN move_from IS NULL THEN 'small-model-1' ELSE '' END,
       suggested::jsonb, approved::jsonb,
       CASE WHEN approved IS NULL THEN '' ELSE encode(sha256(convert_to(approved, 'UTF8')), 'hex') END,
       CASE WHEN reviewed_at IS NOT NULL THEN owner_id END, reviewed_at,
       CASE WHEN status = 'REJECTED' THEN pg_temp.pick(%(refusals)s, pg_temp.draw(n, 'refusal')) ELSE '' END,
       CASE WHEN status = 'REJECTED' THEN pg_temp.pick(%(codes)s, pg_temp.draw(n, 'refusal')) ELSE '' END,
       CASE WHEN approved IS NOT NULL AND status <> 'FAILED' THEN reviewed_at END,
       CASE WHEN approved IS NULL OR status = 'FAILED' THEN NULL
            WHEN move_from IS NULL
            THEN jsonb_build_object('task', pg_temp.uuid7(decided_at, 'proposed task', n))
            ELSE jsonb_build_object('lead', lead_id, 'was', move_from, 'now', 'ON_ICE') END,
       CASE WHEN status = 'FAILED' THEN 'The database was not reachable.' ELSE '' END
  FROM (
    SELECT seeded_suggestions.*,
           CASE WHEN move_from IS NULL THEN {TASK_CONTENT_SQL} ELSE {STAGE_CHANGE_CONTENT_SQL} END AS suggested,
           CASE WHEN status IN ('PENDING', 'REJECTED') THEN NULL
                WHEN move_from IS NOT NULL THEN {STAGE_CHANGE_CONTENT_SQL}
                WHEN status = 'MODIFIED' THEN {LATER_TASK_CONTENT_SQL}
                ELSE {TASK_CONTENT_SQL} END AS approved,
           CASE WHEN status <> 'PENDING' THEN decided_at END AS reviewed_at
      FROM seeded_suggestions
     OFFSET 0
  ) AS decided
"""
INSERT_SUGGESTED_TASKS_SQL = """
INSERT INTO tasks (id, created_at, updated_at, title, status, due_on, assignee_id, lead_id)
SELECT pg_temp.uuid7(decided_at, 'proposed task', n), decided_at, decided_at, title,
       CASE WHEN is_open AND pg_temp.draw(n, 'task done') < 0.5 THEN 'ON_DECK' ELSE 'DONE' END,
       due_on + CASE WHEN status = 'MODIFIED' THEN 7 ELSE 0 END, owner_id, lead_id
  FROM seeded_suggestions WHERE move_from IS NULL AND status IN ('APPROVED', 'MODIFIED')
"""
INSERT_EXECUTIONS_SQL = """
INSERT INTO suggestion_executions (id, suggestion_id, attempt, state, idempotency_key, error, ordered_by_id,
                                   created_at, run_after, started_at, finished_at)
SELECT pg_temp.uuid7(reviewed_at, 'execution', drawn.n), drawn.id, 1,
       CASE WHEN suggestions.status = 'FAILED' THEN 'FAILED' ELSE 'SUCCEEDED' END,
       drawn.id || '.' || left(content_hash, 16), error_message, reviewed_by_id,
       reviewed_at, reviewed_at, reviewed_at, reviewed_at
  FROM seeded_suggestions AS drawn JOIN suggestions USING (id)
 WHERE approved_content IS NOT NULL
"""
SUGGESTION_PARAMETERS: dict[str, Any] = {
    **weighted_choice("fates", {"PENDING": 40, "APPROVED": 36, "MODIFIED": 7, "REJECTED": 15, "FAILED": 2}),
    **weighted_choice("past_fates", {"APPROVED": 74, "MODIFIED": 9, "REJECTED": 17}),
    "titles": [
        "Ask for the declarations page",
        "Call about the open question on the deductible",
        "Send the certificate to the landlord",
        "Check whether the prior claim is closed",
        "Offer an umbrella policy with the renewal",
        "Confirm the date of the closing",
        "Ask who else decides",
        "Prepare a comparison before Thursday",
    ],
    "reasons": [
        "Their last message asks for it.",
        "The quote cannot be finished without it.",
        "The renewal is less than a month away.",
        "A budget was named, and the message has no reply yet.",
        "The proposal was opened twice without an answer.",
    ],
    "refusals": [
        "Done already by phone.",
        "They asked not to be contacted this month.",
        "Too early.",
        "Not what they meant.",
    ],
    # In the order of `refusals`.
    "codes": ["ALREADY_DONE", "BAD_TIMING", "BAD_TIMING", "WRONG_FACTS"],
}


def insert_suggestions(cursor: CursorWrapper, chunk: Chunk) -> int:
    """Insert one suggestion for a share of `seeded`, and the tasks and executions of the approved ones."""
    cursor.execute("DROP TABLE IF EXISTS pg_temp.seeded_suggestions")
    chunk.run(cursor, SUGGESTIONS_TABLE_SQL, SUGGESTION_PARAMETERS)
    suggestion_count = chunk.run(cursor, INSERT_SUGGESTIONS_SQL, SUGGESTION_PARAMETERS)
    chunk.run(cursor, INSERT_SUGGESTED_TASKS_SQL, SUGGESTION_PARAMETERS)
    chunk.run(cursor, INSERT_EXECUTIONS_SQL, SUGGESTION_PARAMETERS)
    return suggestion_count
