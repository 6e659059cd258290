"""The search covers the whole text of a message, quoted lines too: what is forwarded may stand nowhere else."""

from django.db import migrations

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
WHO = """left(concat_ws(' ', {m}.from_name, {m}."from", array_to_string({m}."to", ' '), array_to_string({m}.cc, ' ')), 2000)"""
FILES = """left(jsonb_path_query_array({m}.attachments, '$[*].name')::text, 2000)"""
BEFORE = r"""regexp_replace(left({m}.body_text, 20000), '^[ \t]*>.*$', '', 'gn')"""
HEAD = f"""
    setweight(to_tsvector('inbox_words', left(coalesce(nullif({{m}}.subject, ''), {{t}}.subject), 1000)), 'A')
    || setweight(to_tsvector('inbox_words', concat_ws(' ', {WHO}, translate({WHO}, '@._+-', '     '))), 'B')
    || setweight(to_tsvector('inbox_words', left({{m}}.summary, 5000)), 'C')
"""
REST = f"""left({{m}}.media->>'transcript', 20000), {FILES}, translate({FILES}, '._-', '   ')"""
WORDS = f"""{HEAD} || message_body_words({{m}}.body_text) || to_tsvector('inbox_words', concat_ws(' ', {REST}))"""
WORDS_BEFORE = f"""{HEAD} || to_tsvector('inbox_words', concat_ws(' ', {BEFORE}, {REST}))"""
TEXTS = ("subject", "body_text", "from_name", '"from"', '"to"', "cc", "summary", "media", "attachments")


def insert(words: str, messages: str) -> str:
    return f"""
        INSERT INTO message_words (message_id, thread_id, sent_at, words)
        SELECT m.id, m.thread_id, m.sent_at, {words.format(m="m", t="t")}
          FROM {messages} AS m JOIN threads AS t ON t.id = m.thread_id
         WHERE m.deleted_at IS NULL
    """


REPLACE = """ON CONFLICT (message_id) DO UPDATE
            SET thread_id = excluded.thread_id, sent_at = excluded.sent_at, words = excluded.words"""


def functions(words: str) -> str:
    return f"""
    CREATE OR REPLACE FUNCTION messages_keep_new_words() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        {insert(words, "added")};
        RETURN NULL;
    END $$;

    CREATE OR REPLACE FUNCTION messages_keep_words() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.deleted_at IS NOT NULL THEN
            DELETE FROM message_words WHERE message_id = NEW.id;
        ELSIF OLD.deleted_at IS NULL
              AND ({", ".join(f"OLD.{name}" for name in TEXTS)})
                  IS NOT DISTINCT FROM ({", ".join(f"NEW.{name}" for name in TEXTS)}) THEN
            UPDATE message_words SET thread_id = NEW.thread_id, sent_at = NEW.sent_at WHERE message_id = NEW.id;
        ELSE
            {insert(words, "(SELECT NEW.*)")}
            {REPLACE};
        END IF;
        RETURN NULL;
    END $$;
    """


CHANGED = r"(length(m.body_text) > 20000 OR m.body_text ~ '(^|\n)[ \t]*>')"


class Migration(migrations.Migration):
    dependencies = [("inbox", "0009_message_sources_and_variants")]
    operations = [
        migrations.RunSQL(BODY_WORDS, "DROP FUNCTION message_body_words(text)"),
        migrations.RunSQL(functions(WORDS), functions(WORDS_BEFORE)),
        migrations.RunSQL(
            f"{insert(WORDS, 'messages')} AND {CHANGED} {REPLACE}",
            f"{insert(WORDS_BEFORE, 'messages')} AND {CHANGED} {REPLACE}",
        ),
    ]
