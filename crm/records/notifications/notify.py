"""The way to tell members of staff what happened, in the transaction in which it happens."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from uuid_utils.compat import uuid7

from crm.models import NotificationKind, NotificationSetting, User
from crm.records.activity import Actor
from crm.records.base import Record
from crm.records.notifications.staff import load_readers, may_open, may_view
from crm.records.notifications.tables import require_words

# Where a kind goes unless its reader has chosen otherwise: always to the page, and these to the daily email, too.
EMAILED_BY_DEFAULT = frozenset({NotificationKind.MENTIONED, NotificationKind.FAILED, NotificationKind.ESCALATED})
# The columns of the user who works on a record.
ASSIGNEE_FIELDS = ("assigned_to", "assignee")
# The order is that of the index, so that two transactions lock the same rows in one order.
STORE_SQL = """
    INSERT INTO notifications (id, reader_id, target_id, count, in_page, by_email, due_at, kind, target_type, actor_id)
    SELECT *, %s::text, %s::text, %s::uuid
      FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::integer[], %s::boolean[], %s::boolean[], %s::timestamptz[])
"""
ADD_UP_SQL = """
    ON CONFLICT (reader_id, kind, target_type, target_id) WHERE read_at IS NULL AND due_at IS NULL
    DO UPDATE SET count = notifications.count + excluded.count, actor_id = excluded.actor_id,
                  in_page = excluded.in_page, by_email = excluded.by_email, changed_at = statement_timestamp()
"""
ONCE_SQL = """
    ON CONFLICT (reader_id, target_type, target_id, due_at) WHERE due_at IS NOT NULL DO NOTHING
"""


@dataclass(frozen=True, order=True)
class Notice:
    """What to tell one reader about a record: what happened `count` times, or when the record is due."""

    reader: UUID
    target: UUID
    count: int = 1
    due_at: datetime | None = None


@dataclass(frozen=True)
class Ways:
    """How a reader learns of a kind."""

    in_page: bool
    by_email: bool


def default_ways(kind: str) -> Ways:
    return Ways(in_page=True, by_email=kind in EMAILED_BY_DEFAULT)


def notify(kind: NotificationKind, record: Record, readers: Iterable[User | None], *, by: Actor | User) -> list[User]:
    """Tell those of `readers` who may open `record` that `by` did it. Return them; `by` is not told.

    Call it in the transaction of what happened, once that is written: who may open the record depends on it.
    """
    require_words(kind, record._meta.label_lower)
    actor = Actor.of(by).user
    keys = {reader.pk for reader in readers if reader is not None and reader != actor}
    readers_by_key = load_readers(keys) if keys else {}
    # The database keeps the owner of some tables, so the record is read as it is now.
    current = type(record)._base_manager.filter(pk=record.pk).first() if readers_by_key else None
    told = [reader for reader in readers_by_key.values() if current is not None and may_open(reader, current)]
    store(kind, record._meta.label_lower, [Notice(reader.pk, record.pk) for reader in told], actor=actor)
    return told


def notify_owners(kind: NotificationKind, model: type[Record], notices: Collection[Notice]) -> int:
    """Tell the owners of many records of a table, who see these; return how many notices there were.

    Left out are owners who are inactive or may not view the table.
    """
    require_words(kind, model._meta.label_lower)
    readers = load_readers(notice.reader for notice in notices) if notices else {}
    told = {key for key, reader in readers.items() if may_view(reader, model._meta)}
    return store(kind, model._meta.label_lower, [one for one in notices if one.reader in told], actor=None)


def notify_assigned(record: Any, *, by: Actor | User) -> None:
    """Tell the user who works on `record` from now on."""
    assignee = next((getattr(record, name) for name in ASSIGNEE_FIELDS if hasattr(record, name)), None)
    if assignee is not None:
        notify(NotificationKind.ASSIGNED, record, [assignee], by=by)


def store(kind: NotificationKind, label: str, notices: Collection[Notice], *, actor: User | None) -> int:
    """Store `notices` as their readers want to learn of them; return how many there were.

    What is due is stored also for a reader who does not want to know: it is told once, or never.
    """
    if not notices:
        return 0
    ways = load_ways(kind, {one.reader for one in notices})
    is_due = kind == NotificationKind.DUE
    wanted = [one for one in sorted(notices) if is_due or ways[one.reader].in_page or ways[one.reader].by_email]
    if wanted:
        columns = [
            [uuid7() for _ in wanted],
            [one.reader for one in wanted],
            [one.target for one in wanted],
            [one.count for one in wanted],
            [ways[one.reader].in_page for one in wanted],
            [ways[one.reader].by_email for one in wanted],
            [one.due_at for one in wanted],
        ]
        with connection.cursor() as cursor:
            statement = STORE_SQL + (ONCE_SQL if is_due else ADD_UP_SQL)
            cursor.execute(statement, [kind, label, actor.pk if actor else None, *columns])
    return len(wanted)


def load_ways(kind: str, readers: Collection[UUID]) -> dict[UUID, Ways]:
    """Return how each of `readers` learns of `kind`."""
    chosen = NotificationSetting.objects.filter(kind=kind, user__in=readers).values_list("user", "in_page", "by_email")
    return dict.fromkeys(readers, default_ways(kind)) | {user: Ways(page, email) for user, page, email in chosen}
