"""What a person's day holds of suggestions."""

from datetime import datetime, timedelta

from django.db.models import Count, Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from crm.models import User
from crm.screens.dashboard import Figure
from crm.screens.paging import capped_count
from crm.screens.panels import Section
from suggestions.choices import Names
from suggestions.models import Suggestion, SuggestionStatus
from suggestions.screens.presenters import line_of

VIEW = "suggestions.view_suggestion"
SHOWN = 5
MOST_IN_BADGE = 99
LATELY = timedelta(days=30)
# What is decided now was hardly ever suggested longer ago than this; it bounds what is read.
WAITS_AT_MOST = timedelta(days=60)
MOST_DECIDED = 1_000
UNDECIDED = (SuggestionStatus.DRAFT, SuggestionStatus.PENDING)


def queue() -> str:
    return reverse("admin:suggestions_suggestion_changelist")


def waiting(user: User, now: datetime) -> Figure | None:
    if not user.has_perm(VIEW):
        return None
    waits = Suggestion.objects.visible_to(user).waiting(now)
    return Figure.counted("Approvals waiting", capped_count(waits), queue())


def acceptance(user: User, now: datetime) -> Figure | None:
    """Approved ÷ decided in the last 30 days, over the latest thousand that `user` sees.

    What failed counts as approved: a person had let it through.
    """
    if not user.has_perm(VIEW):
        return None
    decided = Suggestion.objects.visible_to(user).exclude(status__in=UNDECIDED)
    decided = decided.filter(created_at__gte=now - WAITS_AT_MOST, reviewed_at__gte=now - LATELY)
    latest = decided.order_by("-created_at", "-id").values("pk")[:MOST_DECIDED]
    counted = Suggestion.objects.filter(pk__in=latest).aggregate(
        decided=Count("pk"), rejected=Count("pk", filter=Q(status=SuggestionStatus.REJECTED))
    )
    total = counted["decided"]
    share = f"{100 * (total - counted['rejected']) / total:.0f} %" if total else "—"
    latest_of = "the latest " if total == MOST_DECIDED else ""
    note = f"of {latest_of}{total:,} decided in 30 days" if total else "nothing decided in 30 days"
    return Figure("Suggestions accepted", share, f"{queue()}?state=approved", note)


def approvals(user: User, now: datetime) -> Section | None:
    """The latest that wait, to be decided on the spot."""
    if not user.has_perm(VIEW):
        return None
    rows = Suggestion.objects.visible_to(user).waiting(now).order_by("-created_at", "-id")
    rows = rows.select_related("lead__assigned_to", "client__assigned_to", "thread", "ticket").defer(
        "evidence", "result"
    )
    names = Names()
    shown = [line_of(row, names, user) for row in rows[:SHOWN]]
    return Section("Waiting for you", "suggestions/today.html", shown, url=queue())


def waiting_badge(request: HttpRequest) -> str:
    """How many wait, for the navigation; empty when none do."""
    if not request.user.has_perm(VIEW):
        return ""
    waits = Suggestion.objects.visible_to(request.user).waiting(timezone.now())
    count = waits.order_by().values("pk")[: MOST_IN_BADGE + 1].count()
    return f"{MOST_IN_BADGE}+" if count > MOST_IN_BADGE else str(count or "")
