"""Seed AI interactions about a share of the leads."""

from typing import Any

from django.db.backends.utils import CursorWrapper

from demo.seeding.draws import Chunk, weighted_choice

# One call in fifty failed, without answer, tokens and cost. Prices are in US dollars per million tokens.
INSERT_INTERACTIONS_SQL = """
INSERT INTO ai_interactions (id, created_at, lead_id, type, source, agent, content, ai_response, summary,
                             model_used, temperature, metadata, prompt_tokens, completion_tokens, cost_usd,
                             latency_ms, error_message, conversation_id, feedback)
SELECT pg_temp.uuid7(at, 'interaction', n), at, id, type, source, agent, content,
       CASE WHEN failed THEN '' ELSE answer END, CASE WHEN failed THEN '' ELSE left(answer, 60) END,
       model, 0.2,
       jsonb_build_object('gen_ai.operation.name', 'chat', 'gen_ai.request.model', model),
       asked, answered, round((asked * 0.4 + answered * 1.6)::numeric / 1e6, 6),
       CASE WHEN failed THEN 30000 ELSE pg_temp.whole(350, 9000, power(pg_temp.draw(n, 'latency'), 2)) END,
       CASE WHEN failed THEN 'The provider did not answer within 30 seconds.' ELSE '' END,
       CASE WHEN type = 'Chat' THEN 'lead-' || n ELSE '' END,
       CASE WHEN NOT failed AND pg_temp.draw(n, 'rated') < 0.15
            THEN pg_temp.pick('{up,up,up,down}', pg_temp.draw(n, 'rating')) ELSE '' END
  FROM (
    SELECT drawn.*, CASE WHEN failed THEN NULL ELSE pg_temp.whole(300, 4000, pg_temp.draw(n, 'asked')) END AS asked,
           CASE WHEN failed THEN NULL ELSE pg_temp.whole(20, 600, pg_temp.draw(n, 'answered')) END AS answered,
           pg_temp.pick(%(questions)s, pg_temp.draw(n, 'question')) || ' Lead: ' || name || ', '
             || coalesce(nullif(line_code, ''), 'no line yet') || ', stage ' || status_id || '.' AS content,
           pg_temp.pick(%(answers)s, pg_temp.draw(n, 'answer')) AS answer
      FROM (
        SELECT n, seeded.id, name, line_code, status_id,
               created_at + (coalesce(closed_at, %(now)s) - created_at) * pg_temp.draw(n, 'asked at') AS at,
               pg_temp.pick(%(types)s, %(types_shares)s, pg_temp.draw(n, 'type')) AS type,
               pg_temp.pick(%(callers)s, pg_temp.draw(n, 'caller')) AS source,
               pg_temp.pick('{scorer,follow-up writer,summarizer,inbox reader}', pg_temp.draw(n, 'agent'))
                 AS agent,
               pg_temp.pick('{small-model-1,small-model-1,large-model-2}', pg_temp.draw(n, 'model')) AS model,
               pg_temp.draw(n, 'failed') < 0.02 AS failed
          FROM seeded WHERE pg_temp.draw(n, 'interactions') < %(interactions)s
      ) AS drawn
     OFFSET 0
  ) AS called
"""
INTERACTION_PARAMETERS: dict[str, Any] = {
    **weighted_choice("types", {"Summary": 34, "Follow-Up": 26, "Prediction": 18, "PromptResponse": 12, "Chat": 10}),
    "callers": ["Agent UI", "AI Assistant", "Backend Middleware", "Backend Middleware", "Marketing Automation"],
    "questions": [
        "Summarize the conversation in two sentences.",
        "Draft a friendly reminder about the open proposal.",
        "How likely is this lead to close within sixty days, and why?",
        "Which information is missing for a complete quote?",
        "List the objections that were raised.",
        "What should be done next?",
    ],
    "answers": [
        "They compare two offers and decide after the renewal notice arrives. The deductible matters most.",
        "Thank you for your time last week. Have you had a chance to look at the comparison?",
        "Likely: a date of renewal is known, the budget was named and answers come within a day.",
        "Missing: the year of the roof and the drivers' dates of birth.",
        "The price and the switch in the middle of the term.",
        "Call before the end of the week, because the current policy renews in three weeks.",
        "Less likely: no answer for two weeks and another carrier was mentioned.",
    ],
}


def insert_interactions(cursor: CursorWrapper, chunk: Chunk) -> int:
    """Insert one interaction for a share of `seeded`. Delete the daily sums, which the next nightly job restores."""
    cursor.execute("DELETE FROM ai_call_days")
    return chunk.run(cursor, INSERT_INTERACTIONS_SQL, INTERACTION_PARAMETERS)
