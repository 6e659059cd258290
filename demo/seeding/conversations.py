"""Seed conversations with a share of the leads, which end with the last contact of the lead."""

from typing import Any

from django.db.backends.utils import CursorWrapper

from demo.seeding.draws import Chunk, weighted_choice

# The last message is the last contact of the lead, and its direction decides who has to reply.
THREADS_TABLE_SQL = """
CREATE TEMP TABLE seeded_threads ON COMMIT DROP AS
SELECT n, lead_id, first_name, name, email, owner, our_email, topic, source, is_open, last_contact_at, awaiting,
       started_at, pg_temp.uuid7(started_at, 'thread', n) AS id,
       1 + width_bucket(pg_temp.draw(n, 'messages'), %(lengths)s) AS length
  FROM (
    SELECT n, seeded.id AS lead_id, first_name, name, email, is_open, last_contact_at, awaiting,
           coalesce(owner, 'office') AS owner, coalesce(owner, 'office') || '@example.com' AS our_email,
           coalesce(line_name, 'insurance') AS topic,
           CASE WHEN email = '' THEN pg_temp.pick('{CALL,CALL,SMS}', pg_temp.draw(n, 'channel'))
                ELSE pg_temp.pick(%(sources)s, %(sources_shares)s, pg_temp.draw(n, 'channel')) END AS source,
           greatest(created_at, last_contact_at - interval '30 days' * pg_temp.draw(n, 'length'))
             AS started_at
      FROM seeded
      LEFT JOIN (SELECT code, lower(name) AS line_name FROM insurance_types) AS line ON code = line_code
     WHERE last_contact_at IS NOT NULL AND pg_temp.draw(n, 'threads') < %(threads)s
     OFFSET 0
  ) AS talked
"""
INSERT_THREADS_SQL = """
INSERT INTO threads (id, created_at, updated_at, source, subject, status, lead_id, participant_emails,
                     last_message_at, last_direction, message_count, processed_at, awaiting_reply, sentiment)
SELECT id, started_at, last_contact_at, source,
       replace(pg_temp.pick(%(subjects)s, pg_temp.draw(n, 'subject')), '{topic}', topic),
       CASE WHEN awaiting OR is_open AND pg_temp.draw(n, 'thread open') < 0.35 THEN 'OPEN'
            ELSE pg_temp.pick('{RESOLVED,RESOLVED,RESOLVED,ARCHIVED}', pg_temp.draw(n, 'thread done')) END,
       lead_id, array_remove(ARRAY[email, our_email], ''), last_contact_at,
       CASE WHEN awaiting THEN 'out' ELSE 'in' END, length, %(now)s, awaiting,
       CASE WHEN pg_temp.draw(n, 'read') < 0.9
            THEN pg_temp.pick(%(moods)s, %(moods_shares)s, pg_temp.draw(n, 'mood')) END
  FROM seeded_threads
"""
INSERT_MESSAGES_SQL = """
INSERT INTO messages (id, created_at, updated_at, thread_id, direction, state, message_id, in_reply_to,
                      "from", "to", subject, body_text, snippet, sent_at, is_read, opened_at, media, summary)
SELECT pg_temp.uuid7(sent_at, 'message', n), sent_at, sent_at, thread_id, direction,
       CASE WHEN direction = 'in' THEN 'RECEIVED' ELSE 'SENT' END,
       CASE WHEN source = 'EMAIL' THEN '<' || n || '@mail.example.com>' ELSE '' END,
       CASE WHEN source = 'EMAIL' AND place > 1
            THEN '<' || n - 1 || '@mail.example.com>' ELSE '' END,
       CASE WHEN direction = 'in' THEN email ELSE our_email END,
       array_remove(ARRAY[CASE WHEN direction = 'in' THEN our_email ELSE email END], ''),
       CASE WHEN source <> 'EMAIL' THEN ''
            ELSE CASE WHEN place > 1 THEN 'Re: ' ELSE '' END
              || replace(pg_temp.pick(%(subjects)s, pg_temp.draw(thread_n, 'subject')), '{topic}', topic) END,
       body, left(replace(body, E'\\n', ' '), 200), sent_at, direction = 'out' OR place < length OR NOT is_open,
       CASE WHEN direction = 'out' AND source = 'EMAIL' AND pg_temp.draw(n, 'opened') < 0.5
            THEN sent_at + (%(now)s - sent_at) * power(pg_temp.draw(n, 'opening'), 8) END,
       CASE WHEN source = 'CALL'
            THEN jsonb_build_object('duration_seconds', pg_temp.whole(20, 1500, pg_temp.draw(n, 'call')))
            ELSE '{}' END,
       CASE WHEN source IN ('CALL', 'MEETING') THEN split_part(body, E'\\n\\n', 2) ELSE '' END
  FROM (
    SELECT drafted.*,
           CASE WHEN direction = 'in'
                THEN 'Hi ' || initcap(split_part(owner, '.', 1)) || E',\\n\\n'
                  || pg_temp.pick(%(theirs)s, pg_temp.draw(n, 'first')) || ' '
                  || pg_temp.pick(%(theirs)s, pg_temp.draw(n, 'second')) || E'\\n\\nThanks,\\n' || name
                ELSE 'Hello ' || first_name || E',\\n\\n'
                  || pg_temp.pick(%(ours)s, pg_temp.draw(n, 'first')) || ' '
                  || pg_temp.pick(%(ours)s, pg_temp.draw(n, 'second')) || E'\\n\\nBest regards,\\n'
                  || initcap(replace(owner, '.', ' ')) END AS body
      FROM (
        SELECT thread.n * 8 + place AS n, thread.n AS thread_n, thread.id AS thread_id, place, length, source,
               topic, first_name, name, email, owner, our_email, is_open,
               started_at + (last_contact_at - started_at) * (place::float8 / length) AS sent_at,
               CASE WHEN awaiting = (mod(length - place, 2) = 0) THEN 'out' ELSE 'in' END AS direction
          FROM seeded_threads AS thread CROSS JOIN generate_series(1, length) AS place
      ) AS drafted
     OFFSET 0
  ) AS message
"""
CONVERSATION_PARAMETERS: dict[str, Any] = {
    **weighted_choice("sources", {"EMAIL": 72, "CALL": 12, "SMS": 7, "FORM": 4, "CHAT": 3, "MEETING": 2}),
    **weighted_choice("moods", {"neutral": 55, "positive": 30, "negative": 11, "urgent": 4}),
    "lengths": [0.2, 0.5, 0.72, 0.86, 0.95],
    "subjects": [
        "Quote for {topic}",
        "Your {topic} policy",
        "Question about {topic} cover",
        "Renewal of our {topic} policy",
        "{topic}: documents you asked for",
        "Switching carriers",
        "Comparison for {topic}",
        "Appointment this week",
        "Deductible and limits",
        "Certificate needed",
        "New address",
        "Changes to our {topic} policy",
    ],
    "theirs": [
        "Our policy renews next month and the premium went up again.",
        "Could you send me a quote with a higher deductible?",
        "I attached the declarations page you asked for.",
        "My neighbor recommended you.",
        "We are closing on the house in three weeks.",
        "I would like to know whether flood damage is included.",
        "Please call me, it is easier to explain on the phone.",
        "We have two drivers, one of them is seventeen.",
        "The lender needs proof of insurance by Friday.",
        "We hired four more people this spring.",
        "I got an offer from another company that is a little lower.",
        "What would it cost to add an umbrella policy?",
        "That sounds good, please go ahead.",
        "We need to think about it until the end of the month.",
        "Is there a discount if we bring both cars?",
        "I have not had a claim in nine years.",
        "The roof was replaced in the fall, does that help?",
        "Can we pay by the month?",
        "I did not understand the part about replacement cost.",
        "We are not in a hurry.",
    ],
    "ours": [
        "Thank you for getting in touch.",
        "I have asked three carriers and expect their answers tomorrow.",
        "Attached is the comparison we spoke about.",
        "To finish the quote I only need the year of the roof.",
        "The second offer has the same limits at a lower price.",
        "Would Thursday at ten suit you for a call?",
        "I have put the vehicle on the quote as well.",
        "The certificate is on its way to your landlord.",
        "With both policies in one place you would save about eleven percent.",
        "Please look at page two, where the deductible stands.",
        "The offer holds until the end of the month.",
        "I wanted to ask whether you had time to read the proposal.",
        "Flood is a policy of its own; I can quote it with the rest.",
        "Your current carrier has confirmed the date of the renewal.",
        "If anything is unclear, call me at any time.",
        "The underwriter asks about the claim two years ago.",
        "I have noted the new address.",
        "Monthly payments are possible without a fee.",
    ],
}


def insert_conversations(cursor: CursorWrapper, chunk: Chunk) -> int:
    """Insert conversations with messages for a share of `seeded`. Return the number of conversations."""
    cursor.execute("DROP TABLE IF EXISTS pg_temp.seeded_threads")
    chunk.run(cursor, THREADS_TABLE_SQL, CONVERSATION_PARAMETERS)
    thread_count = chunk.run(cursor, INSERT_THREADS_SQL, CONVERSATION_PARAMETERS)
    chunk.run(cursor, INSERT_MESSAGES_SQL, CONVERSATION_PARAMETERS)
    return thread_count
