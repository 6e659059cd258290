"""The conversations on the dashboard."""

from datetime import datetime

from django.urls import reverse

from crm.models import User
from crm.records.owners.branches import first_rows
from crm.screens.panels import CountedFigure, DashboardFigure, Panel
from inbox.filters import with_unsent_messages
from inbox.models import Thread

MAX_DASHBOARD_THREADS = 6


def needs_reply_figure(user: User, now: datetime) -> CountedFigure | None:
    if not user.has_perm("inbox.view_thread"):
        return None
    threads = Thread.objects.visible_to(user).needs_reply()
    return CountedFigure.of_rows("Needs reply", threads, reverse("admin:inbox_thread_changelist"))


def failed_to_send_figure(user: User, now: datetime) -> CountedFigure | None:
    """Return the number of conversations with unsent messages; no figure if there are none."""
    if not user.has_perm("inbox.view_thread"):
        return None
    return CountedFigure({"count": with_unsent_messages(Thread.objects.visible_to(user))}, make_failed_to_send_figure)


def make_failed_to_send_figure(count: int) -> DashboardFigure | None:
    url = f"{reverse('admin:inbox_thread_changelist')}?sent=no"
    note = "conversation" if count == 1 else "conversations"
    return DashboardFigure.from_count("Failed to send", count, url, note) if count else None


def needs_reply_panel(user: User, now: datetime) -> Panel | None:
    """Return the conversations that have waited longest for our reply."""
    if not user.has_perm("inbox.view_thread"):
        return None
    threads = Thread.objects.visible_to(user).needs_reply().select_related("lead", "client")
    shown = list(first_rows(threads, MAX_DASHBOARD_THREADS))
    return Panel("Needs reply", "inbox/dashboard.html", shown, url=reverse("admin:inbox_thread_changelist"))
