"""Finds conversations by the words of their messages, the best match first.

A search reads a bounded part of the messages, however common its words are. It takes the first `MAX_RANKED_MESSAGES`
matches from the word index (the database function `messages_with`). If there are more, it searches all the messages of
the conversations in question where those are few, or else adds the matches among the newest messages.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

from django.contrib.postgres.search import SearchHeadline, SearchQuery
from django.core.exceptions import ValidationError
from django.db import connection, models
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Concat, Left

from crm.screens.filters import split_search_terms
from crm.screens.search.candidates import as_array, is_one_of
from crm.text.cleaning import strip_nul
from inbox.models import LAST_ACTIVITY, Message, Thread, ThreadQuerySet

SEARCH_CONFIG = "inbox_words"
# Limits: messages that are ranked, newest messages that are searched, and threads that are listed.
MAX_RANKED_MESSAGES, MAX_NEWEST_SCANNED, MAX_THREADS_LISTED = 2_000, 50_000, 500
MAX_THREADS_SEARCHED_WHOLE = 1_000
# Up to this many threads of an address are fetched; an address with more has some among the newest.
MAX_THREADS_PER_ADDRESS = 2_000
# Marks around a matched word. They are removed from the text first, so that a message cannot contain them.
HIGHLIGHT_START, HIGHLIGHT_END = "\ue000", "\ue001"
MAX_EXCERPT_SOURCE_LENGTH = 20_000
MAX_EXCERPT_PART_LENGTH = 200
# Excerpts from whole texts take long, so few are made at once, and only the start of a text is read.
MAX_WHOLE_TEXT_EXCERPTS, MAX_WHOLE_TEXT_LENGTH = 10, 200_000

TSQUERY_SQL = f"websearch_to_tsquery('{SEARCH_CONFIG}', %s)"
INDEX_SEARCH_SQL = f"SELECT thread_id, message_id, rank, sent_at FROM messages_with({TSQUERY_SQL}, %s)"
RANKED_COLUMNS_SQL = f"SELECT thread_id, message_id, ts_rank(words, {TSQUERY_SQL}, 1), sent_at"
IN_THREADS_SQL = f"""
    {RANKED_COLUMNS_SQL} FROM message_words
     WHERE thread_id = ANY(%s) AND words @@ {TSQUERY_SQL} ORDER BY sent_at DESC LIMIT %s
"""
BEST_IN_THREADS_SQL = f"""
    {RANKED_COLUMNS_SQL} FROM message_words
     WHERE thread_id = ANY(%s) AND words @@ {TSQUERY_SQL} ORDER BY 3 DESC, sent_at DESC LIMIT %s
"""
AMONG_NEWEST_SQL = f"""
    {RANKED_COLUMNS_SQL} FROM (SELECT * FROM message_words ORDER BY sent_at DESC, message_id DESC LIMIT %s) AS newest
     WHERE words @@ {TSQUERY_SQL} LIMIT %s
"""


class SearchLimits(NamedTuple):
    """How much a search reads: messages that are ranked, newest messages, and threads that are searched or listed."""

    ranked: int
    newest: int
    whole_threads: int
    listed: int


# For an answer while a person types.
QUICK_LIMITS = SearchLimits(ranked=300, newest=5_000, whole_threads=100, listed=150)


def list_limits() -> SearchLimits:
    """Return how much the search of the list reads."""
    return SearchLimits(MAX_RANKED_MESSAGES, MAX_NEWEST_SCANNED, MAX_THREADS_SEARCHED_WHOLE, MAX_THREADS_LISTED)


@dataclass(frozen=True)
class SearchResult:
    """The result of a search: threads, the best first, and the best message of some of them.

    `is_complete` says whether every message was searched, `has_more` whether there are threads beyond those listed.
    """

    threads: list[UUID] = field(default_factory=list)
    best_messages: dict[UUID, UUID] = field(default_factory=dict)
    is_complete: bool = True
    has_more: bool = False

    def filter_threads(self, threads: ThreadQuerySet) -> ThreadQuerySet:
        """Return the `threads` that were found, each with its `place`."""
        place = models.Func(
            as_array(self.threads), models.F("pk"), function="array_position", output_field=models.IntegerField()
        )
        return threads.filter(is_one_of(self.threads)).annotate(place=place)


def filter_by_participant(threads: ThreadQuerySet, address: str) -> ThreadQuerySet:
    """Return the `threads` with `address` as a participant.

    The planner cannot estimate how many these are, and a wrong guess makes it read all threads, newest first. So the
    keys are fetched by their index here; only an address with very many threads is left to the planner.
    """
    matching = Thread.objects.filter(participant_emails__contains=[address.strip().lower()])
    thread_ids = list(matching.values_list("pk", flat=True)[: MAX_THREADS_PER_ADDRESS + 1])
    if len(thread_ids) <= MAX_THREADS_PER_ADDRESS:
        return threads.filter(is_one_of(thread_ids))
    return threads.filter(participant_emails__contains=[address.strip().lower()])


def validate_search_text(text: str) -> None:
    """Check that a search names a word to find.

    Raises:
        ValidationError: it only excludes words.
    """
    if "-" not in text:  # the sign that excludes
        return
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT querytree({TSQUERY_SQL})", [strip_nul(text)])
        if cursor.fetchone()[0] == "T":
            raise ValidationError("Add a word to search for.")


def search_threads(text: str, queryset: ThreadQuerySet, limits: SearchLimits) -> SearchResult:
    """Return the threads of `queryset` with a message that matches `text`, a query as for a search engine.

    Words in quotation marks must follow each other, "or" means either, and a minus excludes a word. Plain words are
    also searched for as parts of subjects; those matches come last.
    """
    queryset = queryset.order_by()
    rows, is_complete = rank_messages(text, queryset, limits)
    keys = {row[0] for row in rows}
    visible_ids = set(queryset.filter(is_one_of(keys)).values_list("pk", flat=True)) if keys else set()
    best_by_thread: dict[UUID, tuple[float, Any, UUID]] = {}
    for thread, message, rank, sent_at in rows:
        if thread in visible_ids:
            best_by_thread[thread] = max(best_by_thread.get(thread, (rank, sent_at, message)), (rank, sent_at, message))
    threads = sorted(best_by_thread, key=best_by_thread.__getitem__, reverse=True)
    if len(threads) <= limits.listed and is_plain(text):
        threads += find_threads_by_subject(text, queryset.exclude(is_one_of(threads)), limits.listed)
    listed = threads[: limits.listed]
    return SearchResult(
        listed,
        {key: best_by_thread[key][2] for key in listed if key in best_by_thread},
        is_complete,
        len(threads) > limits.listed,
    )


def rank_messages(text: str, queryset: ThreadQuerySet, limits: SearchLimits) -> tuple[list[tuple[Any, ...]], bool]:
    """Return thread, key, rank and date of the matches, and whether they are all the matches in `queryset`."""
    with connection.cursor() as cursor:
        cursor.execute(INDEX_SEARCH_SQL, [text, limits.ranked + 1])
        rows = cursor.fetchall()
        if len(rows) <= limits.ranked:
            return rows, True
        thread_ids = list(queryset.values_list("pk", flat=True)[: limits.whole_threads + 1])
        if len(thread_ids) <= limits.whole_threads:
            cursor.execute(IN_THREADS_SQL, [text, thread_ids, text, limits.ranked + 1])
            rows = cursor.fetchall()
            return rows, len(rows) <= limits.ranked
        cursor.execute(AMONG_NEWEST_SQL, [text, limits.newest, text, limits.ranked])
        return rows + cursor.fetchall(), False


def find_messages_in_threads(threads: list[UUID], text: str, limit: int) -> list[UUID]:
    """Return up to `limit` messages of `threads` that match `text`, the best first."""
    with connection.cursor() as cursor:
        cursor.execute(BEST_IN_THREADS_SQL, [text, threads, text, limit])
        return [row[1] for row in cursor.fetchall()]


def is_plain(text: str) -> bool:
    """Return whether `text` is only words, without operators."""
    words = text.casefold().split()
    return '"' not in text and "or" not in words and not any(word.startswith("-") for word in words)


def find_threads_by_subject(text: str, queryset: ThreadQuerySet, limit: int) -> list[UUID]:
    """Return the threads with every word of `text` in their subject, also as part of a word; newest first.

    One more than `limit` is returned if there are more.
    """
    for word in split_search_terms(text):
        queryset = queryset.filter(search_text__contains=word)
    return list(queryset.order_by(LAST_ACTIVITY.desc(), "-id").values_list("pk", flat=True)[: limit + 1])


def build_excerpts(text: str, messages: Iterable[UUID]) -> dict[UUID, list[tuple[str, bool]]]:
    """Return an excerpt of each of `messages` in pieces, each with whether it is a match.

    Excerpts come from what its writer wrote; where nothing there matches, from the whole text.
    """
    own_text = models.Func(
        Left("body_text", MAX_EXCERPT_SOURCE_LENGTH),
        models.Value(r"^[ \t]*>.*$"),
        models.Value(""),
        models.Value("gn"),
        function="regexp_replace",
    )
    messages = list(messages)
    found = highlight(text, messages, own_text)
    missing = [key for key in messages if key not in found][:MAX_WHOLE_TEXT_EXCERPTS]
    return found | (highlight(text, missing, Left("body_text", MAX_WHOLE_TEXT_LENGTH)) if missing else {})


def highlight(text: str, messages: list[UUID], body: models.Expression) -> dict[UUID, list[tuple[str, bool]]]:
    """Return excerpts of the summaries, transcripts and `body` of `messages`, of those that match."""
    transcript = Left(KeyTextTransform("transcript", "media"), MAX_EXCERPT_SOURCE_LENGTH)
    full_text = Concat(
        "summary", models.Value("\n"), body, models.Value("\n"), transcript, output_field=models.TextField()
    )
    unmarked = models.Func(
        full_text,
        models.Value(HIGHLIGHT_START + HIGHLIGHT_END),
        models.Value(""),
        function="translate",
        output_field=models.TextField(),
    )
    query = SearchQuery(text, config=SEARCH_CONFIG, search_type="websearch")
    headline = SearchHeadline(
        unmarked,
        query,
        config=SEARCH_CONFIG,
        start_sel=HIGHLIGHT_START,
        stop_sel=HIGHLIGHT_END,
        max_words=24,
        min_words=12,
        short_word=0,
        max_fragments=2,
        fragment_delimiter=" … ",
    )
    rows = Message.objects.filter(pk__in=messages).annotate(headline=headline).values_list("pk", "headline")
    return {key: split_highlights(headline) for key, headline in rows if HIGHLIGHT_START in headline}


def split_highlights(headline: str) -> list[tuple[str, bool]]:
    """Return `headline` in pieces, each with whether it stood between marks."""
    parts = []
    for part in " ".join(headline.split()).split(HIGHLIGHT_START):
        marked, _, after = part.rpartition(HIGHLIGHT_END)
        parts += [(marked[:MAX_EXCERPT_PART_LENGTH], True), (after[:MAX_EXCERPT_PART_LENGTH], False)]
    return [(text, is_marked) for text, is_marked in parts if text]
