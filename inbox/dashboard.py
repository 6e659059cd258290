"""What a person's day holds of conversations."""

from datetime import datetime

from django.urls import reverse

from crm.models import User
from crm.screens.dashboard import DashboardFigure
from crm.screens.paging import capped_count
from crm.screens.panels import Panel
from inbox.filters import with_unsent_messages
from inbox.models import Thread

MAX_OWED_THREADS = 6


def needs_reply_figure(user: User, now: datetime) -> DashboardFigure | None:
    if not user.has_perm("inbox.view_thread"):
        return None
    threads = Thread.objects.visible_to(user).needs_reply()
    return DashboardFigure.from_count("Replies owed", capped_count(threads), reverse("admin:inbox_thread_changelist"))


def failed_to_send_figure(user: User, now: datetime) -> DashboardFigure | None:
    """Only where there are any: it is something to be seen to."""
    if not user.has_perm("inbox.view_thread"):
        return None
    count = capped_count(with_unsent_messages(Thread.objects.visible_to(user)))
    url = f"{reverse('admin:inbox_thread_changelist')}?sent=no"
    return DashboardFigure.from_count("Mails not sent", count, url, "conversations to look at") if count else None


def needs_reply_panel(user: User, now: datetime) -> Panel | None:
    """The conversations that have waited for our answer longest."""
    if not user.has_perm("inbox.view_thread"):
        return None
    threads = Thread.objects.visible_to(user).needs_reply().select_related("lead", "client")[:MAX_OWED_THREADS]
    return Panel("Replies owed", "inbox/dashboard.html", list(threads), url=reverse("admin:inbox_thread_changelist"))
