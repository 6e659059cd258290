"""Leads and tasks in the report on who has what."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Count, Sum
from django.urls import reverse

from crm.models import User
from crm.records.local_time import agency_today
from crm.screens.reports import Unit
from crm.screens.reports.workload import WorkloadColumn, count_by_user
from leads.models import Lead, Task
from leads.models.task import DUE_SORT_KEY


def lead_columns(user: User, now: datetime) -> Iterator[WorkloadColumn]:
    """Yield the open leads of each owner, and their value."""
    if not user.has_perm("leads.view_lead"):
        return
    # Not a count of keys, which the index of these sums does not have.
    leads = Lead.objects.visible_to(user).open().order_by()
    sums = list(leads.values_list("assigned_to").annotate(count=Count("*"), value=Sum("estimated_value")))
    url = reverse("admin:leads_lead_changelist")
    yield WorkloadColumn("Open leads", {owner: count for owner, count, _ in sums}, url)
    yield WorkloadColumn("Their value", {owner: value or 0 for owner, _, value in sums}, unit=Unit.MONEY)


def late_task_column(user: User, now: datetime) -> Iterator[WorkloadColumn]:
    """Yield the unfinished tasks of each assignee that were due before today."""
    if not user.has_perm("leads.view_task"):
        return
    day = agency_today(now) - timedelta(days=1)
    late = Task.objects.visible_to(user).unfinished().alias(_due=DUE_SORT_KEY).filter(_due__lte=day)
    filters = {"due_to": day.isoformat()}
    url = reverse("admin:leads_task_changelist")
    yield WorkloadColumn("Late tasks", count_by_user(late, "assignee"), url, filters, "assignee")
