"""The daily budgets for AI calls, checked against the log before each call."""

from datetime import datetime

from django.conf import settings
from django.db.models import Count, Sum
from django.template.defaultfilters import pluralize

from ai_log.models import AIInteraction, AIInteractionQuerySet
from crm.models import User
from crm.records.local_time import agency_today, start_of_agency_day


def budget_exceeded_reason(by: User | None, now: datetime) -> str:
    """Return why `by` may make no more calls on the day of `now`; empty while calls are allowed.

    Running calls are not in the log yet, so the budget can be exceeded by the number of simultaneous calls.
    """
    midnight = start_of_agency_day(agency_today(now))
    today = AIInteraction.objects.filter(created_at__gte=midnight).sent_to_model()
    total_limits = (settings.AI_DAILY_CALLS, settings.AI_DAILY_DOLLARS)
    used_up = used_up_budget(today, *total_limits)
    if used_up:
        return f"Not sent: the daily budget of {used_up} is used up."
    user_limits = (settings.AI_DAILY_CALLS_EACH, settings.AI_DAILY_DOLLARS_EACH)
    used_up = used_up_budget(today.filter(asked_by=by), *user_limits) if by else ""
    return f"Not sent: the daily budget of {used_up} for {by} is used up." if used_up else ""


def used_up_budget(rows: AIInteractionQuerySet, max_calls: int, max_dollars: object) -> str:
    """Return the budget that `rows` have used up, as text; empty if neither."""
    sums = rows.aggregate(calls=Count("pk"), dollars=Sum("cost_usd", default=0))
    if sums["calls"] >= max_calls:
        return f"{max_calls:,} call{pluralize(max_calls)}"
    return f"${max_dollars}" if sums["dollars"] >= max_dollars else ""
