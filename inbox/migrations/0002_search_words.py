"""The database keeps the words of each message.

A word is reduced to its stem as English does it, and none is left out for being common. Of another language a word is
reduced the same way wherever it stands, so that it always finds itself; in English it finds its other forms too.
Accents do not count.
"""

from django.db import migrations

# A word before its stem is unaccented; addresses and file names are found by their parts, too.
CONFIGURATION = """
    CREATE TEXT SEARCH DICTIONARY inbox_stem (TEMPLATE = snowball, Language = english);
    CREATE TEXT SEARCH CONFIGURATION inbox_words (COPY = simple);
    ALTER TEXT SEARCH CONFIGURATION inbox_words
        ALTER MAPPING FOR asciiword, asciihword, hword_asciipart, word, hword, hword_part WITH unaccent, inbox_stem;
"""
NO_CONFIGURATION = """
    DROP TEXT SEARCH CONFIGURATION inbox_words;
    DROP TEXT SEARCH DICTIONARY inbox_stem;
"""
# Bounds in characters. What a mail quotes line by line was said in another one.
SAID = r"""regexp_replace(left({m}.body_text, 20000), '^[ \t]*>.*$', '', 'gn')"""
WHO = """left(concat_ws(' ', {m}.from_name, {m}."from", array_to_string({m}."to", ' '), array_to_string({m}.cc, ' ')), 2000)"""
FILES = """left(jsonb_path_query_array({m}.attachments, '$[*].name')::text, 2000)"""
WORDS = f"""
    setweight(to_tsvector('inbox_words', left(coalesce(nullif({{m}}.subject, ''), {{t}}.subject), 1000)), 'A')
    || setweight(to_tsvector('inbox_words', concat_ws(' ', {WHO}, translate({WHO}, '@._+-', '     '))), 'B')
    || setweight(to_tsvector('inbox_words', left({{m}}.summary, 5000)), 'C')
    || to_tsvector('inbox_words', concat_ws(' ', {SAID}, left({{m}}.media->>'transcript', 20000),
                                            {FILES}, translate({FILES}, '._-', '   ')))
"""
TEXTS = ("subject", "body_text", "from_name", '"from"', '"to"', "cc", "summary", "media", "attachments")
ALL = (*TEXTS, "thread_id", "sent_at", "deleted_at")
INSERTED = f"""
    INSERT INTO message_words (message_id, thread_id, sent_at, words)
    SELECT m.id, m.thread_id, m.sent_at, {WORDS.format(m="m", t="t")}
      FROM {{messages}} AS m JOIN threads AS t ON t.id = m.thread_id
     WHERE m.deleted_at IS NULL
"""
KEPT = f"""
    CREATE FUNCTION messages_keep_new_words() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        {INSERTED.format(messages="added")};
        RETURN NULL;
    END $$;
    CREATE TRIGGER messages_keep_new_words AFTER INSERT ON messages REFERENCING NEW TABLE AS added
        FOR EACH STATEMENT EXECUTE FUNCTION messages_keep_new_words();

    CREATE FUNCTION messages_keep_words() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.deleted_at IS NOT NULL THEN
            DELETE FROM message_words WHERE message_id = NEW.id;
        ELSIF OLD.deleted_at IS NULL
              AND ({", ".join(f"OLD.{name}" for name in TEXTS)})
                  IS NOT DISTINCT FROM ({", ".join(f"NEW.{name}" for name in TEXTS)}) THEN
            UPDATE message_words SET thread_id = NEW.thread_id, sent_at = NEW.sent_at WHERE message_id = NEW.id;
        ELSE
            {INSERTED.format(messages="(SELECT NEW.*)")}
            ON CONFLICT (message_id) DO UPDATE
            SET thread_id = excluded.thread_id, sent_at = excluded.sent_at, words = excluded.words;
        END IF;
        RETURN NULL;
    END $$;
    CREATE TRIGGER messages_keep_words AFTER UPDATE OF {", ".join(ALL)} ON messages
        FOR EACH ROW WHEN (({", ".join(f"OLD.{name}" for name in ALL)})
                           IS DISTINCT FROM ({", ".join(f"NEW.{name}" for name in ALL)}))
        EXECUTE FUNCTION messages_keep_words();
"""
NOT_KEPT = """
    DROP TRIGGER messages_keep_words ON messages;
    DROP FUNCTION messages_keep_words();
    DROP TRIGGER messages_keep_new_words ON messages;
    DROP FUNCTION messages_keep_new_words();
"""
# Read from the index of the words whatever the planner thinks: how many have two words in common it cannot know.
FOUND = """
    CREATE FUNCTION messages_with(wanted tsquery, most integer)
    RETURNS TABLE (message_id uuid, thread_id uuid, sent_at timestamptz, rank real) LANGUAGE sql STABLE
    SET enable_seqscan = off SET enable_indexscan = off AS $$
        SELECT message_id, thread_id, sent_at, ts_rank(words, wanted, 1)
          FROM message_words WHERE words @@ wanted LIMIT most
    $$;
"""


class Migration(migrations.Migration):
    dependencies = [("inbox", "0001_initial")]
    operations = [
        migrations.RunSQL(CONFIGURATION, NO_CONFIGURATION),
        migrations.RunSQL(KEPT, NOT_KEPT),
        migrations.RunSQL(FOUND, "DROP FUNCTION messages_with(tsquery, integer)"),
    ]
