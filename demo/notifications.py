"""What the staff of the demo agency is told on the first day: what is due, and who has written lately."""

from datetime import datetime, timedelta

from crm.models import Notification, NotificationKind
from crm.records.notifications.due import notice_due
from crm.records.notifications.notify import Notice, notify_owners
from inbox.models import Thread

ANSWER_PERIOD = timedelta(days=3)


def add_notifications(now: datetime) -> None:
    """Tell the owners of conversations that were answered in the last days, and of tasks that are due."""
    notice_due(now)
    threads = Thread.objects.needs_reply().filter(owner__isnull=False, last_message_at__gt=now - ANSWER_PERIOD)
    written = list(threads.values_list("owner", "pk", "last_message_at"))
    notify_owners(NotificationKind.ANSWERED, Thread, [Notice(owner, thread) for owner, thread, _ in written])
    for _, thread, moment in written:
        Notification.objects.filter(target_id=thread, kind=NotificationKind.ANSWERED).update(changed_at=moment)
