"""Suggestions on the dashboard and in the navigation."""

from datetime import datetime, timedelta

from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, JsonResponse
from django.urls import reverse
from django.utils import timezone

from crm.models import User
from crm.records.owners.branches import first_rows
from crm.screens.notifications.badges import MAX_BADGE_COUNT, format_badge
from crm.screens.paging import capped_count
from crm.screens.panels import CountedFigure, DashboardFigure, Panel
from suggestions.choices import LabelCache
from suggestions.models import UNDECIDED_STATUSES, Suggestion, SuggestionStatus
from suggestions.screens.presenters import build_suggestion_line

VIEW_SUGGESTIONS = "suggestions.view_suggestion"
MAX_APPROVALS_SHOWN = 5
ACCEPTANCE_PERIOD = timedelta(days=30)
# Hardly any suggestion is decided later than this, and it limits the rows read.
MAX_SUGGESTION_AGE = timedelta(days=60)
MAX_DECISIONS_READ = 1_000


def queue_url() -> str:
    return reverse("admin:suggestions_suggestion_changelist")


def waiting_figure(user: User, now: datetime) -> CountedFigure | None:
    if not user.has_perm(VIEW_SUGGESTIONS):
        return None
    waiting_rows = Suggestion.objects.visible_to(user).awaiting_decision(now)
    return CountedFigure.of_rows("Approvals waiting", waiting_rows, queue_url())


def acceptance_figure(user: User, now: datetime) -> DashboardFigure | None:
    """Approved ÷ decided in the last 30 days, over the latest thousand that `user` sees.

    A failed one counts as approved, because a person approved it.
    """
    if not user.has_perm(VIEW_SUGGESTIONS):
        return None
    decided = Suggestion.objects.visible_to(user).exclude(status__in=UNDECIDED_STATUSES)
    decided = decided.filter(created_at__gte=now - MAX_SUGGESTION_AGE, reviewed_at__gte=now - ACCEPTANCE_PERIOD)
    latest = decided.order_by("-created_at", "-id").values("pk")[:MAX_DECISIONS_READ]
    counts = Suggestion.objects.filter(pk__in=latest).aggregate(
        decided=Count("pk"), rejected=Count("pk", filter=Q(status=SuggestionStatus.REJECTED))
    )
    total = counts["decided"]
    share = f"{100 * (total - counts['rejected']) / total:.0f} %" if total else "—"
    latest_of = "the latest " if total == MAX_DECISIONS_READ else ""
    note = f"of {latest_of}{total:,} decided in 30 days" if total else "nothing decided in 30 days"
    return DashboardFigure("Suggestions accepted", share, f"{queue_url()}?state=approved", note)


def approvals_panel(user: User, now: datetime) -> Panel | None:
    """The most urgent waiting suggestions, to be decided on the dashboard."""
    if not user.has_perm(VIEW_SUGGESTIONS):
        return None
    rows = Suggestion.objects.visible_to(user).awaiting_decision(now).order_by("-priority", "-created_at", "-id")
    rows = rows.select_related("lead__assigned_to", "client__assigned_to", "thread", "ticket").defer(
        "evidence", "result"
    )
    names = LabelCache(user)
    shown = [build_suggestion_line(row, names, user) for row in first_rows(rows, MAX_APPROVALS_SHOWN)]
    return Panel("Waiting for you", "suggestions/dashboard.html", shown, url=queue_url())


def waiting_view(request: HttpRequest) -> JsonResponse:
    """Return the number of waiting suggestions, for the navigation of an open page."""
    if not request.user.has_perm(VIEW_SUGGESTIONS):
        raise PermissionDenied
    return JsonResponse({"waiting": waiting_badge(request)}, headers={"Cache-Control": "no-store"})


def waiting_rows(user: User) -> QuerySet[Suggestion] | None:
    """Return the waiting suggestions that the navigation counts."""
    visible = Suggestion.objects.visible_to(user)
    return visible.awaiting_decision(timezone.now()) if user.has_perm(VIEW_SUGGESTIONS) else None


def waiting_badge(request: HttpRequest) -> str:
    """Return the number of waiting suggestions for the navigation; empty if there are none."""
    rows = waiting_rows(request.user)
    return "" if rows is None else format_badge(capped_count(rows, MAX_BADGE_COUNT), MAX_BADGE_COUNT)
