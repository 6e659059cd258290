"""Conversations in the report on who has what."""

from collections.abc import Iterator
from datetime import datetime

from django.urls import reverse

from crm.filters import OUR_TURN
from crm.models import User
from crm.screens.reports.workload import WorkloadColumn, count_by_user
from inbox.models import Thread


def unanswered_column(user: User, now: datetime) -> Iterator[WorkloadColumn]:
    """Yield the conversations of each owner that need a reply."""
    if not user.has_perm("inbox.view_thread"):
        return
    waiting = Thread.objects.visible_to(user).needs_reply()
    url = reverse("admin:inbox_thread_changelist")
    yield WorkloadColumn("Need a reply", count_by_user(waiting, "owner"), url, {"turn": OUR_TURN})
