"""What readers do with their notifications, and what a job deletes."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from django.db import models, transaction

from crm.exceptions import InvalidInput, NotPermitted
from crm.models import Notification, NotificationDigest, NotificationKind, NotificationSetting, User
from crm.records.notifications.notify import Ways, default_ways

# What was read, and what is too old to be read.
READ_RETENTION, UNREAD_RETENTION = timedelta(days=30), timedelta(days=90)
MAX_DELETED_AT_ONCE = 5_000


def mark_read(user: User, key: UUID, now: datetime) -> bool:
    """Mark a notification of `user` as read; return whether it was unread."""
    return Notification.objects.filter(reader=user, pk=key).unread().update(read_at=now) == 1


def mark_all_read(user: User, now: datetime, *, kind: str = "", until: datetime | None = None) -> int:
    """Mark the unread notifications on the page of `user` as read, those of one `kind` if given; return how many.

    What came after `until`, when the page was loaded, stays unread.
    """
    rows = Notification.objects.shown_to(user).unread()
    rows = rows.filter(kind=kind) if kind else rows
    return (rows.filter(changed_at__lte=until) if until else rows).order_by().update(read_at=now)


@transaction.atomic
def save_ways(user: User, ways: Mapping[str, Ways], *, hour: int, by: User) -> None:
    """Save how `user` learns of each kind, and the hour of the agency's day at which the daily email leaves.

    Raises:
        NotPermitted: `by` is another user.
        InvalidInput: there is no such kind or hour.
    """
    if by.pk != user.pk:
        raise NotPermitted(f"{by} may not change the settings of {user}.")
    if set(ways) - set(NotificationKind.values):
        raise InvalidInput("This kind of notification does not exist.")
    if not 0 <= hour <= 23:
        raise InvalidInput("The hour of the email must lie between 0 and 23.")
    NotificationSetting.objects.filter(user=user).delete()
    changed = {kind: chosen for kind, chosen in ways.items() if chosen != default_ways(kind)}
    NotificationSetting.objects.bulk_create(
        NotificationSetting(user=user, kind=kind, in_page=one.in_page, by_email=one.by_email)
        for kind, one in changed.items()
    )
    NotificationDigest.objects.update_or_create(user=user, defaults={"hour": hour})


def load_own_ways(user: User) -> dict[str, Ways]:
    """Return how `user` learns of each kind."""
    chosen = {one.kind: Ways(one.in_page, one.by_email) for one in NotificationSetting.objects.filter(user=user)}
    return {kind: chosen.get(kind) or default_ways(kind) for kind in NotificationKind.values}


def delete_old(now: datetime) -> int:
    """Delete a part of the old notifications; return how many."""
    is_old = models.Q(changed_at__lt=now - READ_RETENTION, read_at__isnull=False)
    is_old |= models.Q(changed_at__lt=now - READ_RETENTION, in_page=False)
    is_old |= models.Q(changed_at__lt=now - UNREAD_RETENTION)
    old = Notification.objects.filter(is_old).order_by("changed_at").values("pk")[:MAX_DELETED_AT_ONCE]
    return Notification.objects.filter(pk__in=list(old.values_list("pk", flat=True))).delete()[0]
