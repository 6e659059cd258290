"""Tickets in the report on who has what."""

from collections.abc import Iterator
from datetime import datetime

from django.urls import reverse

from crm.models import User
from crm.screens.reports.workload import WorkloadColumn, count_by_user
from support.models import SupportTicket


def ticket_columns(user: User, now: datetime) -> Iterator[WorkloadColumn]:
    """Yield the unresolved tickets of each assignee, and those of them that are late."""
    if not user.has_perm("support.view_supportticket"):
        return
    tickets = SupportTicket.objects.visible_to(user)
    url = reverse("admin:support_supportticket_changelist")
    yield WorkloadColumn("Tickets", count_by_user(tickets.unresolved(), "assigned_to"), url, {}, "assignee")
    late = count_by_user(tickets.due(now), "assigned_to")
    yield WorkloadColumn("Late tickets", late, url, {"late": "true"}, "assignee")
