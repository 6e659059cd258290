"""Conversations that a mail, or a person, shows to be one."""

from collections.abc import Sequence

from django.db import connection
from django.utils import timezone

from crm.models import User
from crm.records.activity import SYSTEM_ACTOR, Actor, build_entry, save_entries
from inbox.models import MERGED_INTO_KEY, Thread, ThreadStatus
from inbox.thread_state import load_first_messages, recount_threads, timeline_owner_of

MAX_PARTICIPANTS, MAX_SPLIT_THREADS = 200, 200
# What apps to the right hang on a conversation, by the names under which it knows them.
RELATED_NAMES = ("tickets", "suggestions")
PAIRS_SQL = "unnest(%(gone)s::uuid[], %(kept)s::uuid[]) AS pair (gone, kept)"
# One mail may lie in several of them, each time out of another mailbox: in one conversation it stands once.
DELETE_DUPLICATES_SQL = f"""
UPDATE messages SET deleted_at = statement_timestamp(), updated_at = statement_timestamp()
 WHERE id IN (
    SELECT id FROM (
        SELECT id, row_number() OVER (
                   PARTITION BY coalesce(pair.kept, thread_id), message_id ORDER BY pair.kept IS NOT NULL, id) AS place
          FROM messages LEFT JOIN {PAIRS_SQL} ON thread_id = pair.gone
         WHERE (thread_id = ANY(%(gone)s) OR thread_id = ANY(%(kept)s)) AND deleted_at IS NULL AND message_id <> ''
    ) AS ranked WHERE place > 1
 )
"""
MOVE_MESSAGES_SQL = f"""
UPDATE messages SET thread_id = pair.kept, updated_at = statement_timestamp()
  FROM {PAIRS_SQL} WHERE thread_id = pair.gone
"""
# One draft of each author goes along; what would be their second one there becomes a new mail.
MOVE_DRAFTS_SQL = f"""
UPDATE drafts SET thread_id = CASE WHEN place = 1 THEN kept END, updated_at = statement_timestamp()
  FROM (
    SELECT drafts.id, kept, row_number() OVER (
               PARTITION BY author_id, coalesce(kept, thread_id) ORDER BY kept IS NOT NULL, drafts.id) AS place
      FROM drafts LEFT JOIN {PAIRS_SQL} ON thread_id = pair.gone
     WHERE (thread_id = ANY(%(gone)s) OR thread_id = ANY(%(kept)s)) AND deleted_at IS NULL
  ) AS ranked
 WHERE drafts.id = ranked.id AND ranked.kept IS NOT NULL
"""
MOVE_KEYS_SQL = f"UPDATE thread_keys SET thread_id = pair.kept FROM {PAIRS_SQL} WHERE thread_id = pair.gone"


def merge_threads(pairs: Sequence[tuple[Thread, Thread]], *, by: Actor | User = SYSTEM_ACTOR, reason: str) -> None:
    """Make the second of each pair part of the first, of which none is the second of another, and say `reason`.

    The caller holds the rows, and calls `store` and `contacted` for those that stay.
    """
    if not pairs:
        return
    first_messages = load_first_messages({thread.pk for pair in pairs for thread in pair})
    params = {"kept": [kept.pk for kept, _ in pairs], "gone": [gone.pk for _, gone in pairs]}
    with connection.cursor() as cursor:
        for statement in (DELETE_DUPLICATES_SQL, MOVE_MESSAGES_SQL, MOVE_DRAFTS_SQL, MOVE_KEYS_SQL):
            cursor.execute(statement, params)
    lines = []
    for kept, gone in pairs:
        absorb_thread(kept, gone)
        if gone.pk in first_messages and (
            kept.pk not in first_messages or first_messages[gone.pk] < first_messages[kept.pk]
        ):
            first_messages[kept.pk], kept.subject = first_messages[gone.pk], gone.subject
        summary = f"Conversation “{gone}” is one with “{kept}”: {reason}"
        lines.append(
            build_entry(
                kept, "merged", timeline_owner=timeline_owner_of(kept), by=by, summary=summary, other=str(gone.pk)
            )
        )
        gone.metadata = {**gone.metadata, MERGED_INTO_KEY: str(kept.pk)}
        for name in RELATED_NAMES:
            getattr(gone, name).update(thread=kept)
    Thread.everything.bulk_update([gone for _, gone in pairs], ["metadata"])
    emptied = {"message_count": 0, "last_message_at": None, "last_direction": "", "awaiting_reply": False}
    Thread.objects.filter(pk__in=params["gone"]).update(deleted_at=timezone.now(), **emptied)
    recount_threads({kept.pk: kept for kept, _ in pairs}.values())
    save_entries(lines)


def absorb_thread(kept: Thread, gone: Thread) -> None:
    """What `kept` has of `gone` besides its messages, from whom it was taken apart too; in memory."""
    people = [*kept.participant_emails, *gone.participant_emails]
    kept.participant_emails = list(dict.fromkeys(people))[:MAX_PARTICIPANTS]
    for name in ("lead", "client", "project", "assigned_to"):
        if getattr(kept, f"{name}_id") is None:
            setattr(kept, name, getattr(gone, name))
    split_from = [*kept.metadata.get("apart_from", []), *gone.metadata.get("apart_from", [])]
    if split_from:
        kept.metadata = {**kept.metadata, "apart_from": list(dict.fromkeys(split_from))[-MAX_SPLIT_THREADS:]}
    if gone.status == ThreadStatus.OPEN:
        kept.status = ThreadStatus.OPEN
