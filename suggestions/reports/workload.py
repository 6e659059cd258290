"""Suggestions in the report on who has what."""

from collections.abc import Iterator
from datetime import datetime

from django.urls import reverse

from crm.models import User
from crm.screens.reports.workload import WorkloadColumn, count_by_user
from suggestions.models import Suggestion


def undecided_column(user: User, now: datetime) -> Iterator[WorkloadColumn]:
    """Yield the suggestions that wait for a decision, by the owner of what they are about."""
    if not user.has_perm("suggestions.view_suggestion"):
        return
    waiting = Suggestion.objects.visible_to(user).awaiting_decision(now)
    url = reverse("admin:suggestions_suggestion_changelist")
    yield WorkloadColumn("To decide", count_by_user(waiting, "owner"), url)
