"""Tell owners once what is due today or overdue. Each app registers how its due records are found."""

from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import models

from crm.models import Notification, NotificationKind
from crm.records.notifications.notify import Notice, notify_owners

# What became due earlier is not told any more: a task that was left for long is no news.
DUE_PERIOD = timedelta(days=7)
MAX_DUE_AT_ONCE = 1_000

# Functions of the time that return the records with an `owner` that are due, each annotated with its `due_moment`.
DUE_SOURCES: list[Callable[[datetime], models.QuerySet]] = []


def notice_due(now: datetime) -> int:
    """Tell the owners of records that have become due; return how many notices there were."""
    count = 0
    for source in DUE_SOURCES:
        while noticed := notice_some(source(now)):
            count += noticed
    return count


def notice_some(due: models.QuerySet) -> int:
    """Tell of at most a thousand of `due` that have not been told yet."""
    told = Notification.objects.filter(
        target_id=models.OuterRef("pk"),
        target_type=due.model._meta.label_lower,
        reader=models.OuterRef("owner"),
        due_at=models.OuterRef("due_moment"),
    )
    rows = due.filter(~models.Exists(told), owner__is_active=True).order_by("due_moment", "pk")
    rows = rows.values_list("owner", "pk", "due_moment")[:MAX_DUE_AT_ONCE]
    notices = [Notice(owner, pk, due_at=due_at) for owner, pk, due_at in rows]
    return notify_owners(NotificationKind.DUE, due.model, notices)
