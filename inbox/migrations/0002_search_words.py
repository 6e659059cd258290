"""The database keeps the words of each message.

A word is reduced to its stem as English does it, and none is left out for being common. Of another language a word is
reduced the same way wherever it stands, so that it always finds itself; in English it finds its other forms too.
Accents do not count. The whole text is kept, quoted lines too: what is forwarded may stand nowhere else.
"""

from django.db import migrations

# A word before its stem is unaccented; addresses and file names are found by their parts, too.
CONFIGURATION = """
    CREATE TEXT SEARCH DICTIONARY inbox_stem (TEMPLATE = snowball, Language = english);
    CREATE TEXT SEARCH CONFIGURATION inbox_words (COPY = simple);
    ALTER TEXT SEARCH CONFIGURATION inbox_words
        ALTER MAPPING FOR asciiword, asciihword, hword_asciipart, word, hword, hword_part WITH unaccent, inbox_stem;
"""
# A vector holds about a megabyte. Of a longer text the places of the words are left out, then its end.
BODY_WORDS = """
    CREATE FUNCTION message_body_words(body text) RETURNS tsvector LANGUAGE plpgsql STABLE AS $$
    DECLARE
        part text := body;
        found tsvector;
    BEGIN
        IF length(body) <= 50000 THEN
            RETURN to_tsvector('inbox_words', body);
        END IF;
        LOOP
            BEGIN
                found := to_tsvector('inbox_words', part);
                IF pg_column_size(found) <= 800000 THEN
                    RETURN found;
                ELSIF pg_column_size(strip(found)) <= 800000 THEN
                    RETURN strip(found);
                END IF;
            EXCEPTION WHEN program_limit_exceeded THEN
                NULL;
            END;
            part := left(part, length(part) / 2);
        END LOOP;
    END $$;
"""
# Bounds in characters.
PEOPLE = (
    """left(concat_ws(' ', m.from_name, m."from", array_to_string(m."to", ' '), array_to_string(m.cc, ' ')), 2000)"""
)
FILES = """left(jsonb_path_query_array(m.attachments, '$[*].name')::text, 2000)"""
WORDS = f"""
    setweight(to_tsvector('inbox_words', left(coalesce(nullif(m.subject, ''), t.subject), 1000)), 'A')
    || setweight(to_tsvector('inbox_words', concat_ws(' ', {PEOPLE}, translate({PEOPLE}, '@._+-', '     '))), 'B')
    || setweight(to_tsvector('inbox_words', left(m.summary, 5000)), 'C')
    || message_body_words(m.body_text)
    || to_tsvector('inbox_words', concat_ws(' ', left(m.media->>'transcript', 20000), {FILES}, translate({FILES}, '._-', '   ')))
"""
TEXTS = ("subject", "body_text", "from_name", '"from"', '"to"', "cc", "summary", "media", "attachments")
WATCHED = (*TEXTS, "thread_id", "sent_at", "deleted_at")


def old_and_new(columns: tuple[str, ...], comparison: str) -> str:
    old, new = (", ".join(f"{row}.{column}" for column in columns) for row in ("OLD", "NEW"))
    return f"({old}) {comparison} ({new})"


def insert_from(messages: str) -> str:
    return f"""
        INSERT INTO message_words (message_id, thread_id, sent_at, words)
        SELECT m.id, m.thread_id, m.sent_at, {WORDS}
          FROM {messages} AS m JOIN threads AS t ON t.id = m.thread_id
         WHERE m.deleted_at IS NULL
    """


TRIGGERS = f"""
    CREATE FUNCTION messages_keep_new_words() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        {insert_from("added")};
        RETURN NULL;
    END $$;
    CREATE TRIGGER messages_keep_new_words AFTER INSERT ON messages REFERENCING NEW TABLE AS added
        FOR EACH STATEMENT EXECUTE FUNCTION messages_keep_new_words();

    CREATE FUNCTION messages_keep_words() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.deleted_at IS NOT NULL THEN
            DELETE FROM message_words WHERE message_id = NEW.id;
        ELSIF OLD.deleted_at IS NULL AND {old_and_new(TEXTS, "IS NOT DISTINCT FROM")} THEN
            UPDATE message_words SET thread_id = NEW.thread_id, sent_at = NEW.sent_at WHERE message_id = NEW.id;
        ELSE
            {insert_from("(SELECT NEW.*)")}
            ON CONFLICT (message_id) DO UPDATE
            SET thread_id = excluded.thread_id, sent_at = excluded.sent_at, words = excluded.words;
        END IF;
        RETURN NULL;
    END $$;
    CREATE TRIGGER messages_keep_words AFTER UPDATE OF {", ".join(WATCHED)} ON messages
        FOR EACH ROW WHEN ({old_and_new(WATCHED, "IS DISTINCT FROM")})
        EXECUTE FUNCTION messages_keep_words();
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
    dependencies = [("inbox", "0001_tables")]
    operations = [
        migrations.RunSQL(CONFIGURATION),
        migrations.RunSQL(BODY_WORDS),
        migrations.RunSQL(TRIGGERS),
        migrations.RunSQL(FOUND),
    ]
