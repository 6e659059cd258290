"""The inbox list at 1,000,000 messages, compared with the stock admin and with itself at 100,000."""

from django.contrib import admin
from django.db import connection

from bench import lists
from bench.databases import prepare_database, use_database
from bench.lists import RECORD_KEY, BenchSite, Listing, Question
from inbox.models import LAST_ACTIVITY, Message, Thread
from leads.models import Lead

NEEDS_REPLY_FILTER = {"status__exact": "OPEN", "last_direction__exact": "in"}
COMMON_WORD = "policy"
QUESTIONS: dict[str, Question] = {
    "needs reply": ({"turn": "ours"}, NEEDS_REPLY_FILTER),
    "waiting on them": ({"turn": "theirs"}, {"status__exact": "OPEN", "awaiting_reply__exact": "1"}),
    "unmatched": ({"linked": "no"}, {"status__exact": "OPEN", "lead__isempty": "1", "client__isempty": "1"}),
    "all open": ({"status": "OPEN"}, {"status__exact": "OPEN"}),
    "of an address": ({"participant": "{address}"}, {"address": "{address}"}),
    "search (rare word)": ({"q": "{rare}", "order": "newest"}, {"q": "{rare}"}),
    "search (common word)": ({"q": COMMON_WORD}, {"q": COMMON_WORD}),
    "search (two common words)": ({"q": "premium discount"}, {"q": "premium discount"}),
    "deep page (half way)": ({"status": "RESOLVED", "after": "{half}"}, {"status__exact": "RESOLVED", "p": "{page}"}),
    "a conversation of 2,000": ({RECORD_KEY: "{long}"}, {RECORD_KEY: "{long}"}),
}
# Orders that the stock admin lacks, and a page that is not a list.
NOT_COMPARABLE = frozenset({"search (common word)", "search (two common words)", "a conversation of 2,000"})
# A word's frequency among all messages, and among the new ones.
RARE_WORD_COUNT, RARE_WORD_SAMPLE = 150, 20_000
RARE_WORD_SQL = """
    SELECT word FROM ts_stat(format('SELECT words FROM message_words ORDER BY message_id DESC LIMIT %%s', %(among)s))
     WHERE word ~ '^[a-p]{7}$' ORDER BY abs(ndoc - %(found)s), word LIMIT 1
"""
LONG_THREAD_SUBJECT, LONG_THREAD_LENGTH = "A conversation of 2,000 messages", 2_000

# Copies of the seeded conversations, each a little earlier. Their texts end with 40 words from a vocabulary of
# 50,000, of which a few are common and most are rare.
COPIED_THREADS_SQL = """
    CREATE TEMPORARY TABLE again AS
    SELECT id AS was, gen_random_uuid() AS id, random() * interval '300 days' AS earlier
      FROM threads WHERE deleted_at IS NULL AND message_count BETWEEN 1 AND 100 LIMIT %s
"""
INSERT_THREADS_SQL = """
    INSERT INTO threads (id, created_at, updated_at, source, subject, status, lead_id, participant_emails,
                         last_message_at, last_direction, message_count, awaiting_reply, sentiment)
    SELECT again.id, created_at - earlier, updated_at, source, subject, status,
           CASE WHEN random() > 0.02 THEN lead_id END, participant_emails,
           last_message_at - earlier, last_direction, message_count, awaiting_reply, sentiment
      FROM threads JOIN again ON was = threads.id
"""
INSERT_MESSAGES_SQL = """
    INSERT INTO messages (id, created_at, updated_at, thread_id, direction, state, "from", "to", subject, body_text,
                          snippet, sent_at, is_read, media, summary)
    SELECT gen_random_uuid(), created_at - earlier, updated_at, again.id, direction, state, "from", "to", subject,
           body_text || E'\n' || said, snippet, sent_at - earlier, is_read, media, summary
      FROM messages JOIN again ON was = thread_id CROSS JOIN LATERAL (
        SELECT string_agg(translate(substr(md5(floor(power(random(), 4) * 50000)::text), 1, 7), '0123456789',
                                    'ghijklmnop'), ' ') AS said
          FROM generate_series(1, 40) WHERE messages.id IS NOT NULL
      ) AS drawn
"""
INSERT_LONG_THREAD_SQL = """
    WITH thread AS (
        INSERT INTO threads (source, subject, status, lead_id, last_message_at, last_direction, message_count)
        VALUES ('EMAIL', %(subject)s, 'OPEN', %(lead)s, now(), 'in', %(length)s) RETURNING id
    )
    INSERT INTO messages (thread_id, direction, state, "from", subject, body_text, snippet, sent_at, is_read)
    SELECT thread.id, CASE WHEN n %% 2 = 0 THEN 'in' ELSE 'out' END,
           CASE WHEN n %% 2 = 0 THEN 'RECEIVED' ELSE 'SENT' END,
           'someone@example.com', %(subject)s, repeat('What was said, line by line. ', 20) || E'\n\n> ' ||
           repeat('What was said before. ', 20), 'What was said', now() - n * interval '1 hour', true
      FROM thread, generate_series(1, %(length)s) AS n
"""


def fill_database(name: str, size: int) -> None:
    """Fill `name` up to at least `size` messages, and one long conversation."""
    prepare_database(name, size)
    with use_database(name), connection.cursor() as cursor:
        grown = False
        while (missing := size - Message.objects.count()) > 0:
            cursor.execute("DROP TABLE IF EXISTS again")
            cursor.execute(COPIED_THREADS_SQL, [missing // 2])
            cursor.execute(INSERT_THREADS_SQL)
            cursor.execute(INSERT_MESSAGES_SQL)
            grown = True
        add_long_thread()
        if grown:
            cursor.execute("VACUUM (ANALYZE) threads, messages, message_words")


def add_long_thread() -> Thread:
    """Return the long conversation of this database, with an unassigned lead; create it if it is missing."""
    rows = Thread.objects.filter(search_text__contains=LONG_THREAD_SUBJECT.lower())
    if not rows.exists():
        lead = Lead.objects.filter(assigned_to=None).open().latest("pk")
        parameters = {"subject": LONG_THREAD_SUBJECT, "length": LONG_THREAD_LENGTH, "lead": lead.pk}
        with connection.cursor() as cursor:
            cursor.execute(INSERT_LONG_THREAD_SQL, parameters)
    return rows.get()


def look_up_values(site: BenchSite) -> dict[str, str]:
    """Return an address, a rare word, a middle page and the long conversation of this database."""
    model_admin = admin.site.get_model_admin(Thread)
    order, rows = model_admin.orders["newest"], Thread.objects.filter(status="RESOLVED")
    pages = rows.count() // 2 // model_admin.list_per_page
    half = order.sort(order.annotate_keys(rows))[pages * model_admin.list_per_page - 1]
    newest = Thread.objects.filter(lead__isnull=False, source="EMAIL").order_by(LAST_ACTIVITY.desc())[0]
    with connection.cursor() as cursor:
        # Equally rare in both databases, because more matches mean more rows to show.
        cursor.execute(
            RARE_WORD_SQL,
            {"among": RARE_WORD_SAMPLE, "found": RARE_WORD_COUNT * RARE_WORD_SAMPLE / Message.objects.count()},
        )
        rare = cursor.fetchone()[0]
    return {
        "address": newest.participant_emails[0],
        "rare": rare,
        "half": order.make_cursor(half, pages * model_admin.list_per_page),
        "page": str(pages + 1),
        "long": str(add_long_thread().pk),
    }


LISTING = Listing(__doc__, Thread, QUESTIONS, look_up_values, fill_database, NOT_COMPARABLE)


def run(repeat: int) -> bool:
    return lists.run(LISTING, repeat)


def plans() -> None:
    lists.plans(LISTING)
