"""Merge threads that an email or a person has shown to be one conversation."""

from collections.abc import Sequence

from django.db import connection
from django.utils import timezone

from crm.models import User
from crm.records.activity import SYSTEM_ACTOR, Actor, build_entry, save_entries
from inbox.models import MERGED_INTO_KEY, Thread, ThreadStatus
from inbox.thread_state import load_first_messages, recount_threads, timeline_owner_of

MAX_PARTICIPANTS, MAX_SPLIT_THREADS = 200, 200
# The related names of records that other apps attach to a thread.
RELATED_NAMES = ("tickets", "suggestions", "submissions")
PAIRS_SQL = "unnest(%(gone)s::uuid[], %(kept)s::uuid[]) AS pair (gone, kept)"
# Several mailboxes may have delivered the same email; a thread keeps it once.
DELETE_DUPLICATES_SQL = f"""
UPDATE messages SET deleted_at = statement_timestamp(), updated_at = statement_timestamp()
 WHERE id IN (
    SELECT id FROM (
        SELECT id, row_number() OVER (
                   PARTITION BY coalesce(pair.kept, thread_id), message_id, variant
                   ORDER BY pair.kept IS NOT NULL, id) AS place
          FROM messages LEFT JOIN {PAIRS_SQL} ON thread_id = pair.gone
         WHERE (thread_id = ANY(%(gone)s) OR thread_id = ANY(%(kept)s)) AND deleted_at IS NULL AND message_id <> ''
    ) AS ranked WHERE place > 1
 )
"""
MOVE_MESSAGES_SQL = f"""
UPDATE messages SET thread_id = pair.kept, updated_at = statement_timestamp()
  FROM {PAIRS_SQL} WHERE thread_id = pair.gone
"""
# A thread holds one draft per author; a second one becomes the draft of a new email.
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
    """Merge the second thread of each pair into the first, and record `reason`.

    No thread may be the first of one pair and the second of another. The caller holds the row locks and calls
    `store_threads` and `update_contact_dates` for the threads that remain.
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
        summary = f"Conversation “{gone}” merged into “{kept}”: {reason}"
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
    """Copy participants, links and split history from `gone` to `kept`, in memory. Messages are moved in SQL."""
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
    if not gone.is_snoozed:
        kept.end_snooze()
