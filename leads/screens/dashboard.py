"""The figures and panels of leads and tasks on the dashboard."""

from datetime import datetime

from django.urls import reverse

from crm.models import User
from crm.records.local_time import agency_today
from crm.records.owners.branches import first_rows
from crm.screens.panels import CountedFigure, Panel
from leads.models import OPEN_CATEGORIES, Lead, LeadStatus, Task, Tier
from leads.models.lead_queryset import PRIORITY_SORT_KEYS
from leads.models.task import DUE_SORT_KEY

MAX_DASHBOARD_ROWS = 6


def hot_leads_figure(user: User, now: datetime) -> CountedFigure | None:
    if not user.has_perm("leads.view_lead"):
        return None
    hot = Lead.objects.visible_to(user).open().of_tier(Tier.HOT)
    return CountedFigure.of_rows("Hot leads", hot, reverse("admin:leads_lead_changelist") + "?tier=hot")


def tasks_due_figure(user: User, now: datetime) -> CountedFigure | None:
    if not user.has_perm("leads.view_task"):
        return None
    today = agency_today(now)
    due = Task.objects.visible_to(user).due(today)
    url = reverse("admin:leads_task_changelist") + f"?due_to={today:%Y-%m-%d}"
    return CountedFigure.of_rows("Tasks due", due, url)


def hot_leads_panel(user: User, now: datetime) -> Panel | None:
    """Return the hottest open leads."""
    if not user.has_perm("leads.view_lead"):
        return None
    leads = Lead.objects.visible_to(user).open().filter(priority_tier=Tier.HOT).select_related("status")
    leads = leads.annotate(**PRIORITY_SORT_KEYS).order_by("-urgency", "-score_or_less", "-id")
    url = reverse("admin:leads_lead_changelist") + "?tier=hot"
    return Panel("Hot leads", "leads/dashboard_leads.html", list(first_rows(leads, MAX_DASHBOARD_ROWS)), url=url)


def my_tasks_panel(user: User, now: datetime) -> Panel | None:
    """Return the user's unfinished tasks, next due first."""
    if not user.has_perm("leads.view_task"):
        return None
    my_tasks = Task.objects.unfinished().filter(assignee=user).alias(_due=DUE_SORT_KEY).order_by("_due", "id")
    my_tasks = my_tasks.select_related("lead", "client")
    url = reverse("admin:leads_task_changelist") + "?assignee=me"
    return Panel("My tasks", "leads/task_list.html", list(my_tasks[:MAX_DASHBOARD_ROWS]), url=url)


def pipeline_panel(user: User, now: datetime) -> Panel | None:
    """Return value and weighted value by stage of the open leads that the user may see."""
    if not user.has_perm("leads.view_lead"):
        return None
    stages = {stage.pk: stage for stage in LeadStatus.objects.filter(category__in=OPEN_CATEGORIES)}
    sums = Lead.objects.visible_to(user).open().sums_by_stage()
    rows = [{"stage": stage, **sums.get(pk, {"leads": 0, "value": 0, "weighted": 0})} for pk, stage in stages.items()]
    largest_value = max((row["value"] for row in rows), default=0) or 1
    for row in rows:
        row["share"] = round(100 * float(row["value"] / largest_value), 1)
        row["weighted_share"] = round(100 * float(row["weighted"] / largest_value), 1)
    total = sum(row["value"] for row in rows)
    content = {"rows": rows, "total": total, "weighted": sum(row["weighted"] for row in rows)}
    url = reverse("admin:leads_lead_changelist")
    return Panel("Pipeline", "leads/pipeline.html", content, url=url, link_label="All leads", is_wide=True)
