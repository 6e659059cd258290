"""How much may be asked in a day: read from the log itself, before a call."""

from datetime import datetime

from django.conf import settings
from django.db.models import Count, Sum
from django.utils import timezone

from ai_log.models import AIInteraction, AIInteractionQuerySet
from crm.models import User


def exceeded(by: User | None, now: datetime) -> str:
    """Why nothing may be asked for `by` any more on the day of `now`, in a sentence; empty while it may.

    Calls under way are not in the log yet: as many as run at once may come on top.
    """
    midnight = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    today = AIInteraction.objects.filter(created_at__gte=midnight).were_sent()
    house = (settings.AI_DAILY_CALLS, settings.AI_DAILY_DOLLARS)
    spent = over(today, *house)
    if spent:
        return f"Not asked: the day's budget of {spent} is used up."
    each = (settings.AI_DAILY_CALLS_EACH, settings.AI_DAILY_DOLLARS_EACH)
    spent = over(today.filter(asked_by=by), *each) if by else ""
    return f"Not asked: the day's budget of {spent} for {by} is used up." if spent else ""


def over(rows: AIInteractionQuerySet, most_calls: int, most_dollars: object) -> str:
    """Which of the two budgets `rows` have used up, in words; empty if neither."""
    sums = rows.aggregate(calls=Count("pk"), dollars=Sum("cost_usd", default=0))
    if sums["calls"] >= most_calls:
        return f"{most_calls:,} calls"
    return f"${most_dollars}" if sums["dollars"] >= most_dollars else ""
