"""The figures of leads on the first page, and the panel that is fetched after it."""

from datetime import datetime, timedelta

from django.db.models import Count, Sum
from django.urls import reverse

from crm.models import User
from crm.screens.panels import CountedFigure, DashboardFigure, Panel
from leads.models import OPEN_CATEGORIES, Lead, LeadStatus, StageCategory, Tier

PERIOD = timedelta(days=7)


def hot_leads_figure(user: User, now: datetime) -> CountedFigure | None:
    if not user.has_perm("leads.view_lead"):
        return None
    hot = Lead.objects.visible_to(user).open().of_tier(Tier.HOT)
    return CountedFigure.of_rows("Hot leads", hot, reverse("admin:leads_lead_changelist") + "?tier=hot")


def won_figure(user: User, now: datetime) -> DashboardFigure | None:
    """Return how many leads were won in the last seven days, with their value."""
    if not user.has_perm("leads.view_lead"):
        return None
    closed = Lead.objects.visible_to(user).filter(closed_at__gte=now - PERIOD)
    sums = closed.filter(status__category=StageCategory.WON).aggregate(won=Count("*"), value=Sum("estimated_value"))
    url = reverse("admin:leads_lead_changelist") + "?state=closed"
    note = f"${sums['value']:,.0f} in 7 days" if sums["value"] else "in 7 days"
    return DashboardFigure.from_count("Won", sums["won"], url, note)


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
    return Panel("Pipeline", "leads/pipeline.html", content, url=url, link_label="All leads")
