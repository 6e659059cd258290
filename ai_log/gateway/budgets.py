"""How much may be asked in a day: read from the log itself, before a call."""

from datetime import datetime

from django.conf import settings
from django.db.models import Count, Sum
from django.utils import timezone

from ai_log.models import AIInteraction, AIInteractionQuerySet
from crm.models import User


def budget_exceeded_reason(by: User | None, now: datetime) -> str:
    """Why nothing may be asked for `by` any more on the day of `now`, in a sentence; empty while it may.

    Calls under way are not in the log yet: as many as run at once may come on top.
    """
    midnight = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    today = AIInteraction.objects.filter(created_at__gte=midnight).sent_to_model()
    total_limits = (settings.AI_DAILY_CALLS, settings.AI_DAILY_DOLLARS)
    used_up = used_up_budget(today, *total_limits)
    if used_up:
        return f"Not asked: the day's budget of {used_up} is used up."
    user_limits = (settings.AI_DAILY_CALLS_EACH, settings.AI_DAILY_DOLLARS_EACH)
    used_up = used_up_budget(today.filter(asked_by=by), *user_limits) if by else ""
    return f"Not asked: the day's budget of {used_up} for {by} is used up." if used_up else ""


def used_up_budget(rows: AIInteractionQuerySet, max_calls: int, max_dollars: object) -> str:
    """Which of the two budgets `rows` have used up, in words; empty if neither."""
    sums = rows.aggregate(calls=Count("pk"), dollars=Sum("cost_usd", default=0))
    if sums["calls"] >= max_calls:
        return f"{max_calls:,} calls"
    return f"${max_dollars}" if sums["dollars"] >= max_dollars else ""
