"""What a person's day holds of conversations."""

from datetime import datetime

from django.urls import reverse

from crm.models import User
from crm.paging import capped_count
from crm.sections import Section
from crm.today import Figure
from inbox.models import Thread

SHOWN = 6


def replies_owed(user: User, now: datetime) -> Figure | None:
    if not user.has_perm("inbox.view_thread"):
        return None
    owed = Thread.objects.visible_to(user).we_owe()
    return Figure.counted("Replies owed", capped_count(owed), reverse("admin:inbox_thread_changelist"))


def we_owe(user: User, now: datetime) -> Section | None:
    """The conversations that have waited for our answer longest."""
    if not user.has_perm("inbox.view_thread"):
        return None
    owed = Thread.objects.visible_to(user).we_owe().select_related("lead", "client")[:SHOWN]
    return Section("Replies owed", "inbox/today.html", list(owed), url=reverse("admin:inbox_thread_changelist"))
