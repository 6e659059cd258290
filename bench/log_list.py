"""The AI log at 5,000,000 calls, compared with the stock admin and with itself at 500,000."""

import sys
from datetime import timedelta

from django.contrib import admin
from django.db import connection
from django.utils import timezone

from ai_log.models import AIInteraction
from ai_log.usage.rollup import store_finished_days
from bench import lists
from bench.databases import prepare_database, use_database
from bench.lists import SCREEN_KEY, BenchSite, Listing, Question, bench_user
from demo.seeding.draws import create_sql_functions

LOG_SIZES = {"bench_log_500k": 500_000, "bench_log_5m": 5_000_000}
CALLS_PER_LEAD, CALLS_PER_BATCH = 50, 100_000
CHARTS_SCREEN, COMMON_WORD = "ai_log_aiinteraction_totals", "renewal"
QUESTIONS: dict[str, Question] = {
    "plain": ({}, {}),
    "of an agent": ({"agent": "follow-up writer"}, {"agent__exact": "follow-up writer"}),
    "of a rare agent": ({"agent": "auditor"}, {"agent__exact": "auditor"}),
    "of a model": ({"model": "our-own-model"}, {"model_used__exact": "our-own-model"}),
    "of a lead": ({"lead": "{lead}"}, {"lead__id__exact": "{lead}"}),
    "of an agent, one type": (
        {"agent": "lead chat", "type": "Chat"},
        {"agent__exact": "lead chat", "type__exact": "Chat"},
    ),
    "one type": ({"type": "Prediction"}, {"type__exact": "Prediction"}),
    "failed": ({"failed": "true"}, {"error_message__isempty": "0"}),
    "not helpful": ({"feedback": "down"}, {"feedback__exact": "down"}),
    "search (rare word)": ({"q": "{rare}"}, {"q": "{rare}"}),
    "search (common word)": ({"q": COMMON_WORD}, {"q": COMMON_WORD}),
    "search (two words)": ({"q": f"{COMMON_WORD} {{rare}}"}, {"q": f"{COMMON_WORD} {{rare}}"}),
    "one week, summed": ({"since": "{since}", "agent": "auditor"}, {"agent__exact": "auditor"}),
    "deep page (half way)": ({"after": "{half}"}, {"p": "{page}"}),
    "charts, 30 days": ({SCREEN_KEY: CHARTS_SCREEN}, {}),
    "charts, 90 days": ({SCREEN_KEY: CHARTS_SCREEN, "days": "90"}, {}),
    "charts of an agent, 90 days": (
        {SCREEN_KEY: CHARTS_SCREEN, "days": "90", "agent": "lead chat"},
        {"agent__exact": "lead chat"},
    ),
    "charts of a lead": ({SCREEN_KEY: CHARTS_SCREEN, "days": "90", "lead": "{lead}"}, {"lead__id__exact": "{lead}"}),
    "charts of a search": ({SCREEN_KEY: CHARTS_SCREEN, "days": "90", "q": COMMON_WORD}, {"q": COMMON_WORD}),
}
# Queries for which the stock admin cannot show the same rows.
NOT_COMPARABLE = frozenset({"one week, summed", *(name for name in QUESTIONS if name.startswith("charts"))})

# Calls number `first` to `last` of `total`, spread over two years, with more of them recent. The words at the end of
# a question come from a vocabulary of 50,000, of which a few are common and most are rare.
INSERT_CALLS_SQL = """
INSERT INTO ai_interactions (id, created_at, lead_id, type, source, agent, content, ai_response, summary, model_used,
                             temperature, metadata, prompt_tokens, completion_tokens, cost_usd, latency_ms,
                             error_message, conversation_id, feedback)
SELECT pg_temp.uuid7(at, 'logged', n), at, lead, CASE agent WHEN 'lead chat' THEN 'Chat' ELSE type END, source, agent,
       content, CASE WHEN failed THEN '' ELSE answer END, CASE WHEN failed THEN '' ELSE left(answer, 90) END, model,
       round(pg_temp.draw(n, 'temperature')::numeric, 1),
       jsonb_build_object('gen_ai.operation.name', 'chat', 'gen_ai.request.model', model,
                          'crm.outside_spans', jsonb_build_array(jsonb_build_array(20, 60))),
       CASE WHEN NOT failed THEN asked END, CASE WHEN NOT failed THEN answered END,
       CASE WHEN NOT failed AND model <> 'our-own-model'
            THEN round((asked * 0.4 + answered * 1.6)::numeric / 1e6, 6) END,
       CASE WHEN failed THEN 30000
            ELSE (400 * exp(1.6 * pg_temp.draw(n, 'latency') + 1.2 * pg_temp.draw(n, 'slower')))::int END,
       CASE WHEN failed THEN 'The provider did not answer within 30 seconds.' ELSE '' END,
       CASE WHEN agent = 'lead chat' AND lead IS NOT NULL THEN 'lead-' || lead ELSE '' END,
       CASE WHEN NOT failed AND pg_temp.draw(n, 'rated') < 0.03
            THEN pg_temp.pick('{up,up,up,down}', pg_temp.draw(n, 'rating')) ELSE '' END
  FROM (
    SELECT n, %(now)s - interval '730 days' * (1 - power(n::float8 / %(total)s, 0.7)) AS at,
           CASE WHEN pg_temp.draw(n, 'about') < 0.85 THEN numbered.id END AS lead,
           pg_temp.pick('{Summary,Summary,Follow-Up,Follow-Up,Prediction,PromptResponse}', pg_temp.draw(n, 'type'))
             AS type,
           pg_temp.pick('{Agent UI,AI Assistant,Backend Middleware,Backend Middleware,Marketing Automation}',
                        pg_temp.draw(n, 'caller')) AS source,
           CASE WHEN pg_temp.draw(n, 'rare agent') < 0.0005 THEN 'auditor' ELSE
           pg_temp.pick('{inbox reader,inbox reader,inbox reader,follow-up writer,summarizer,triage,lead chat,'
                        'next best action}', pg_temp.draw(n, 'agent')) END AS agent,
           pg_temp.pick('{small-model-1,small-model-1,small-model-2,large-model-2,our-own-model}',
                        pg_temp.draw(n, 'model')) AS model,
           pg_temp.draw(n, 'failed') < 0.02 AS failed,
           pg_temp.pick(%(questions)s, pg_temp.draw(n, 'question')) || ' ' || said AS content,
           pg_temp.pick(%(answers)s, pg_temp.draw(n, 'answer')) AS answer,
           pg_temp.whole(300, 4000, pg_temp.draw(n, 'asked')) AS asked,
           pg_temp.whole(20, 600, pg_temp.draw(n, 'answered')) AS answered
      FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
      JOIN numbered ON numbered.nth = pg_temp.whole(1, %(leads)s, power(pg_temp.draw(n, 'lead'), 2))
     CROSS JOIN LATERAL (
        SELECT string_agg(translate(substr(md5(floor(power(pg_temp.draw(n, 'word' || word), 4) * 50000)::text), 1, 7),
                                    '0123456789', 'ghijklmnop'), ' ') AS said
          FROM generate_series(1, 12) AS word
      ) AS drawn
  ) AS called
"""
NUMBERED_LEADS_SQL = (
    "CREATE TEMPORARY TABLE numbered AS SELECT id, row_number() OVER (ORDER BY id)::int AS nth FROM leads"
)
# One call in twenty-five led to a suggestion.
INSERT_SUGGESTIONS_SQL = """
INSERT INTO suggestions (id, created_at, updated_at, type, status, lead_id, agent, ai_model_version, interaction_id,
                         suggested_content, approved_content, content_hash, reviewed_at, reject_code, reviewed_by_id)
SELECT gen_random_uuid(), created_at, created_at, 'TASK', fate, lead_id, agent, model_used, id, '{"title": "Call"}',
       CASE WHEN fate IN ('APPROVED', 'MODIFIED') THEN '{"title": "Call"}'::jsonb END,
       CASE WHEN fate IN ('APPROVED', 'MODIFIED') THEN repeat('0', 64) ELSE '' END,
       CASE WHEN fate <> 'PENDING' THEN least(%(now)s, created_at + random() * interval '2 days') END,
       CASE WHEN fate = 'REJECTED' THEN 'NOT_NEEDED' ELSE '' END,
       CASE WHEN fate <> 'PENDING' THEN %(who)s::uuid END
  FROM (
    SELECT *, (ARRAY['APPROVED', 'APPROVED', 'APPROVED', 'APPROVED', 'MODIFIED', 'REJECTED', 'REJECTED',
                     CASE WHEN created_at < %(now)s - interval '20 days' THEN 'APPROVED' ELSE 'PENDING' END]
              )[1 + floor(random() * 8)::int] AS fate
      FROM ai_interactions WHERE error_message = '' AND lead_id IS NOT NULL AND hashtext(id::text) %% 25 = 0
  ) AS drawn
"""
OTHER_INDEXES_SQL = """
SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
 WHERE indrelid = 'ai_interactions'::regclass AND NOT indisprimary
"""
CALL_PARAMETERS = {
    "questions": [
        "Summarize what the customer wrote about the renewal of the policy in two sentences.",
        "Draft a friendly reminder about the open proposal for the house and the car.",
        "How likely is this lead to close within sixty days, and why?",
        "Which information is missing for a complete quote? Look at the roof, the drivers and the mileage.",
        "List the objections that were raised about price and deductible.",
        "What should be done next, and by whom?",
    ],
    "answers": [
        "They compare two offers and decide after the renewal notice arrives. The deductible matters most.",
        "Thank you for your time last week. Have you had a chance to look at the comparison?",
        "Likely: a date of renewal is known, the budget was named and answers come within a day.",
        "Missing: the year of the roof and the drivers' dates of birth.",
        "The price and the switch in the middle of the term.",
        "Call before the end of the week, because the current policy runs out in three weeks.",
    ],
}


def fill_database(name: str, size: int) -> None:
    """Fill `name` with `size` calls and about a fiftieth as many leads, once, in batches."""
    prepare_database(name, size // CALLS_PER_LEAD)
    with use_database(name), connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM ai_interactions")
        if cursor.fetchone()[0] >= size:
            return
        sys.stdout.write(f"{name}: {size:,} calls are being created; this happens once.\n")
        create_sql_functions(cursor, seed=1)
        cursor.execute(NUMBERED_LEADS_SQL)
        cursor.execute("SELECT count(*) FROM numbered")
        parameters = {**CALL_PARAMETERS, "now": timezone.now(), "total": size, "leads": cursor.fetchone()[0]}
        # Created at the end, indexes take a fraction of the time.
        cursor.execute(OTHER_INDEXES_SQL)
        indexes = cursor.fetchall()
        for index, _ in indexes:
            cursor.execute(f"DROP INDEX {index}")
        for first in range(1, size + 1, CALLS_PER_BATCH):
            cursor.execute(
                INSERT_CALLS_SQL, {**parameters, "first": first, "last": min(first + CALLS_PER_BATCH - 1, size)}
            )
        for _, definition in indexes:
            cursor.execute(definition)
        cursor.execute(INSERT_SUGGESTIONS_SQL, {**parameters, "who": bench_user().pk})
        cursor.execute("VACUUM (ANALYZE) ai_interactions, suggestions")


def look_up_values(site: BenchSite) -> dict[str, str]:
    """Return a lead with calls, a rare word, a week and a middle page of this database."""
    model_admin = admin.site.get_model_admin(AIInteraction)
    order, rows = model_admin.orders["newest"], AIInteraction.objects.all()
    pages = rows.count() // 2 // model_admin.list_per_page
    half = order.sort(order.annotate_keys(rows))[pages * model_admin.list_per_page - 1]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT word FROM ts_stat('SELECT to_tsvector(''english'', content) FROM ai_interactions"
            " ORDER BY created_at DESC LIMIT 20000') WHERE ndoc = 1 AND word ~ '^[a-p]{7}$' ORDER BY word LIMIT 1"
        )
        rare = cursor.fetchone()[0]
    # A nightly job sums up each day.
    for _ in store_finished_days(timezone.now()):
        pass
    return {
        "lead": str(rows.filter(lead__isnull=False).order_by("-created_at").values_list("lead", flat=True)[1000]),
        "rare": rare,
        "since": str(timezone.localdate() - timedelta(days=6)),
        "half": order.make_cursor(half, pages * model_admin.list_per_page),
        "page": str(pages + 1),
    }


LISTING = Listing(
    __doc__, AIInteraction, QUESTIONS, look_up_values, fill_database, NOT_COMPARABLE, LOG_SIZES, max_growth=None
)


def run(repeat: int) -> bool:
    return lists.run(LISTING, repeat)


def plans() -> None:
    lists.plans(LISTING)
