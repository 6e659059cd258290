"""What a person's day holds of conversations."""

from datetime import datetime

from django.urls import reverse

from crm.models import User
from crm.screens.dashboard import Figure
from crm.screens.paging import capped_count
from crm.screens.panels import Section
from inbox.filters import not_sent
from inbox.models import Thread

SHOWN = 6


def replies_owed(user: User, now: datetime) -> Figure | None:
    if not user.has_perm("inbox.view_thread"):
        return None
    owed = Thread.objects.visible_to(user).we_owe()
    return Figure.counted("Replies owed", capped_count(owed), reverse("admin:inbox_thread_changelist"))


def mails_not_sent(user: User, now: datetime) -> Figure | None:
    """Only where there are any: it is something to be seen to."""
    if not user.has_perm("inbox.view_thread"):
        return None
    count = capped_count(not_sent(Thread.objects.visible_to(user)))
    url = f"{reverse('admin:inbox_thread_changelist')}?sent=no"
    return Figure.counted("Mails not sent", count, url, "conversations to look at") if count else None


def we_owe(user: User, now: datetime) -> Section | None:
    """The conversations that have waited for our answer longest."""
    if not user.has_perm("inbox.view_thread"):
        return None
    owed = Thread.objects.visible_to(user).we_owe().select_related("lead", "client")[:SHOWN]
    return Section("Replies owed", "inbox/today.html", list(owed), url=reverse("admin:inbox_thread_changelist"))
