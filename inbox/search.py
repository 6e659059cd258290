"""Conversations found by the words of their messages, the best first.

However common a word is, a search reads a bounded part of what was said. Which words are common together nobody knows
beforehand, so the first `MOST` messages are taken from the index of words (the function `messages_with` of the
database). If that is not all of them, then either few conversations were asked about, and those are looked through
whole, or the newest messages of all are looked through as well.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.search import SearchHeadline, SearchQuery
from django.core.exceptions import ValidationError
from django.db import connection, models
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Concat, Left

from crm.filters import search_words
from crm.text.cleaning import without_nul
from inbox.models import LAST_SAID, Message, Thread, ThreadQuerySet

CONFIGURATION = "inbox_words"
# Messages whose rank is computed; of the newest of all, how many are looked through; conversations listed.
MOST, NEWEST, LISTED = 2_000, 50_000, 500
FEW = 1_000
# Conversations of an address that are all looked at; who has more has some among the newest of all.
MOST_OF_ADDRESS = 2_000
# What stands around a word that was found; no text from outside keeps these.
MARK, UNMARK = "\ue000", "\ue001"
LONGEST_EXCERPT = 20_000
LONGEST_PART = 200

QUERY = f"websearch_to_tsquery('{CONFIGURATION}', %s)"
FIRST = f"SELECT thread_id, message_id, rank, sent_at FROM messages_with({QUERY}, %s)"
RANKED = f"SELECT thread_id, message_id, ts_rank(words, {QUERY}, 1), sent_at"
IN_THREADS = f"""
    {RANKED} FROM message_words WHERE thread_id = ANY(%s) AND words @@ {QUERY} ORDER BY sent_at DESC LIMIT %s
"""
BEST_IN_THREADS = f"""
    {RANKED} FROM message_words WHERE thread_id = ANY(%s) AND words @@ {QUERY} ORDER BY 3 DESC, sent_at DESC LIMIT %s
"""
AMONG_NEWEST = f"""
    {RANKED} FROM (SELECT * FROM message_words ORDER BY sent_at DESC, message_id DESC LIMIT %s) AS newest
     WHERE words @@ {QUERY} LIMIT %s
"""


@dataclass(frozen=True)
class Found:
    """What a search has found: conversations, the best first, and for some the message that fits best.

    `whole` tells whether everything was looked through, `more` whether there are conversations beyond those listed.
    """

    threads: list[UUID] = field(default_factory=list)
    best: dict[UUID, UUID] = field(default_factory=dict)
    whole: bool = True
    more: bool = False

    def narrow(self, threads: ThreadQuerySet) -> ThreadQuerySet:
        """Those of `threads` that were found, each with its `place`."""
        place = models.Func(
            as_array(self.threads), models.F("pk"), function="array_position", output_field=models.IntegerField()
        )
        return threads.filter(is_one_of(self.threads)).annotate(place=place)


def as_array(threads: Iterable[UUID]) -> models.Value:
    """`threads` as one parameter: a statement with one for each takes longer to write than to answer."""
    return models.Value(list(threads), output_field=ArrayField(models.UUIDField()))


def is_one_of(threads: Iterable[UUID]) -> models.Func:
    """The condition that a conversation is one of `threads`."""
    return models.Func(
        models.F("pk"),
        as_array(threads),
        template="%(expressions)s)",
        arg_joiner=" = ANY(",
        output_field=models.BooleanField(),
    )


def of_address(threads: ThreadQuerySet, address: str) -> ThreadQuerySet:
    """Those live ones of `threads` in which `address` takes part.

    How many these are the planner does not know, but what it takes them for decides whether it goes through all of the
    newest first. So they are fetched by their index here; only whoever takes part in very many is left to it.
    """
    found = Thread.objects.filter(participant_emails__contains=[address.strip().lower()])
    few = list(found.values_list("pk", flat=True)[: MOST_OF_ADDRESS + 1])
    if len(few) <= MOST_OF_ADDRESS:
        return threads.filter(is_one_of(few))
    return threads.filter(participant_emails__contains=[address.strip().lower()])


def can_be_found(text: str) -> None:
    """Refuse a search that says only what there should not be.

    Raises:
        ValidationError: it does.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT querytree({QUERY})", [without_nul(text)])
        if cursor.fetchone()[0] == "T":
            raise ValidationError("Write a word to look for, too.")


def search(text: str, among: ThreadQuerySet) -> Found:
    """Those of `among` in which something was said that `text` asks for, as people ask search engines.

    Words in quotes stand next to each other, "or" is one of two, a minus is without. Plain words are looked for in
    subjects by their letters as well, and what is found so comes last.
    """
    among = among.order_by()
    rows, whole = messages_with(text, among)
    keys = {row[0] for row in rows}
    seen = set(among.filter(is_one_of(keys)).values_list("pk", flat=True)) if keys else set()
    best: dict[UUID, tuple[float, Any, UUID]] = {}
    for thread, message, rank, sent_at in rows:
        if thread in seen:
            best[thread] = max(best.get(thread, (rank, sent_at, message)), (rank, sent_at, message))
    threads = sorted(best, key=best.__getitem__, reverse=True)
    if len(threads) <= LISTED and is_plain(text):
        threads += in_subjects(text, among.exclude(is_one_of(threads)))
    listed = threads[:LISTED]
    return Found(listed, {key: best[key][2] for key in listed if key in best}, whole, len(threads) > LISTED)


def messages_with(text: str, among: ThreadQuerySet) -> tuple[list[tuple[Any, ...]], bool]:
    """Thread, key, rank and date of messages, and whether those are all that there are in `among`."""
    with connection.cursor() as cursor:
        cursor.execute(FIRST, [text, MOST + 1])
        rows = cursor.fetchall()
        if len(rows) <= MOST:
            return rows, True
        few = list(among.values_list("pk", flat=True)[: FEW + 1])
        if len(few) <= FEW:
            cursor.execute(IN_THREADS, [text, few, text, MOST + 1])
            rows = cursor.fetchall()
            return rows, len(rows) <= MOST
        cursor.execute(AMONG_NEWEST, [text, NEWEST, text, MOST])
        return rows + cursor.fetchall(), False


def messages_in(threads: list[UUID], text: str, most: int) -> list[UUID]:
    """Up to `most` messages of `threads` in which `text` is said, the best first."""
    with connection.cursor() as cursor:
        cursor.execute(BEST_IN_THREADS, [text, threads, text, most])
        return [row[1] for row in cursor.fetchall()]


def is_plain(text: str) -> bool:
    """Whether `text` is nothing but words."""
    words = text.casefold().split()
    return '"' not in text and "or" not in words and not any(word.startswith("-") for word in words)


def in_subjects(text: str, among: ThreadQuerySet) -> list[UUID]:
    """Conversations whose subject holds the letters of every word, the newest first."""
    for word in search_words(text):
        among = among.filter(search_text__contains=word)
    return list(among.order_by(LAST_SAID.desc(), "-id").values_list("pk", flat=True)[: LISTED + 1])


def excerpts(text: str, messages: Iterable[UUID]) -> dict[UUID, list[tuple[str, bool]]]:
    """Where in each of `messages` stands what was looked for: pieces of text, each with whether it is that."""
    said = models.Func(
        Left("body_text", LONGEST_EXCERPT),
        models.Value(r"^[ \t]*>.*$"),
        models.Value(""),
        models.Value("gn"),
        function="regexp_replace",
    )
    transcript = Left(KeyTextTransform("transcript", "media"), LONGEST_EXCERPT)
    whole = Concat("summary", models.Value("\n"), said, models.Value("\n"), transcript, output_field=models.TextField())
    unmarked = models.Func(
        whole, models.Value(MARK + UNMARK), models.Value(""), function="translate", output_field=models.TextField()
    )
    query = SearchQuery(text, config=CONFIGURATION, search_type="websearch")
    shown = SearchHeadline(
        unmarked,
        query,
        config=CONFIGURATION,
        start_sel=MARK,
        stop_sel=UNMARK,
        max_words=24,
        min_words=12,
        short_word=0,
        max_fragments=2,
        fragment_delimiter=" … ",
    )
    rows = Message.objects.filter(pk__in=list(messages)).annotate(shown=shown).values_list("pk", "shown")
    return {key: pieces(shown) for key, shown in rows if MARK in shown}


def pieces(shown: str) -> list[tuple[str, bool]]:
    """`shown` taken apart at its marks."""
    found = []
    for part in " ".join(shown.split()).split(MARK):
        marked, _, after = part.rpartition(UNMARK)
        found += [(marked[:LONGEST_PART], True), (after[:LONGEST_PART], False)]
    return [(text, is_marked) for text, is_marked in found if text]
