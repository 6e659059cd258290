"""Suggestions on the first page and in the navigation."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial

from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, JsonResponse
from django.urls import reverse
from django.utils import timezone

from crm.models import User
from crm.records.owners.branches import first_rows
from crm.screens.notifications.badges import MAX_BADGE_COUNT, format_badge
from crm.screens.paging import capped_count
from crm.screens.panels import DashboardFigure
from crm.screens.today.items import Candidate, TodayAction, TodayItem, TodaySource, Urgency
from suggestions.choices import LabelCache
from suggestions.models import UNDECIDED_STATUSES, Suggestion, SuggestionStatus, SuggestionType
from suggestions.models.suggestion import MOST_URGENT_FIRST
from suggestions.screens.presenters import build_suggestion_line
from suggestions.transitions.state import DECIDE_PERMISSION

VIEW_SUGGESTIONS = "suggestions.view_suggestion"
# Urgency 3 for a lead worth at least 10,000 (`suggestions/policy/priority.py`).
PRESSING_PRIORITY = 15
EXPIRES_SOON = timedelta(days=1)
RELATED = ("lead__assigned_to", "client__assigned_to", "thread", "ticket")
UNSHOWN_COLUMNS = ("evidence", "result", "reasoning", "findings", "acknowledged")
ACCEPTANCE_PERIOD = timedelta(days=30)
# Hardly any suggestion is decided later than this, and it limits the rows read.
MAX_SUGGESTION_AGE = timedelta(days=60)
MAX_DECISIONS_READ = 1_000


def queue_url() -> str:
    return reverse("admin:suggestions_suggestion_changelist")


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


def decide_source(user: User, now: datetime) -> TodaySource | None:
    """Return the suggestions that wait for a decision, the most urgent and valuable first."""
    if not user.has_perm(VIEW_SUGGESTIONS):
        return None
    waiting = Suggestion.objects.visible_to(user).awaiting_decision(now)

    def load(size: int) -> Iterator[Candidate]:
        names, rows = LabelCache(user), waiting.order_by(*MOST_URGENT_FIRST).select_related(*RELATED)
        for row in first_rows(rows.defer(*UNSHOWN_COLUMNS), size):
            value = row.lead.estimated_value if row.lead else None
            is_pressing = row.priority >= PRESSING_PRIORITY or expires_soon(row, now)
            urgency = Urgency.NOW if is_pressing else Urgency.TODAY
            # A reply and the conversation that it answers are one thing to do.
            about = row.thread_id if row.type == SuggestionType.REPLY else None
            yield Candidate(urgency, value, row.created_at, partial(build_decision, row, user, names), about)

    return TodaySource("decide", "Decide", "task_alt", queue_url(), waiting, load)


def expires_soon(row: Suggestion, now: datetime) -> bool:
    return row.expires_at is not None and row.expires_at <= now + EXPIRES_SOON


def build_decision(row: Suggestion, user: User, names: LabelCache) -> TodayItem:
    """Return `row` with the button that approves it, or that opens what has to be written first."""
    line, customer = build_suggestion_line(row, names, user), row.lead or row.client
    page = f"{reverse('admin:suggestions_suggestion_change', args=[row.pk])}?next=/"
    action = None
    if line.is_approvable:
        url = reverse("admin:suggestions_suggestion_do", args=[row.pk, "approve"])
        action = TodayAction("Approve", url, is_form=True, fields={"version": str(row.version)})
    elif line.parts_to_write and user.has_perm(DECIDE_PERMISSION):
        action = TodayAction("Write" if line.parts_to_write[0] == "your reply" else "Fill in", f"{page}#approve")
    is_open = customer is not None and customer.is_visible_to(user)
    return TodayItem(
        person=customer.name_for(user) if customer else "",
        text=line.sentence,
        url=page,
        icon=line.icon,
        action=action,
        since=row.created_at,
        since_label="suggested",
        value=row.lead.estimated_value if is_open and row.lead else None,
    )


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
