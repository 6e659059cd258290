"""What a person's day holds of AI: what it has cost."""

from datetime import datetime
from decimal import Decimal

from django.db.models import Count, Q, Sum
from django.urls import reverse
from django.utils import timezone

from ai_log.models import AIInteraction
from crm.models import User
from crm.today import Figure


def spend(user: User, now: datetime) -> Figure | None:
    """Dollars spent since midnight, with the month so far; answers of unknown cost are counted, not guessed."""
    if not user.has_perm("ai_log.view_aiinteraction"):
        return None
    midnight = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    sums = (
        AIInteraction.objects.visible_to(user)
        .filter(created_at__gte=midnight.replace(day=1))
        .aggregate(
            month=Sum("cost_usd"),
            today=Sum("cost_usd", filter=Q(created_at__gte=midnight)),
            unknown=Count("pk", filter=Q(cost_usd__isnull=True)),
        )
    )
    note = f"{dollars(sums['month'])} this month"
    if sums["unknown"]:
        note += f"; {sums['unknown']:,} of unknown cost"
    return Figure("AI spend today", dollars(sums["today"]), reverse("admin:ai_log_aiinteraction_changelist"), note)


def dollars(amount: Decimal | None) -> str:
    """Small sums to the tenth of a cent: `$0.004`, `$12.30`."""
    if not amount:
        return "$0"
    return f"${amount:,.2f}" if amount >= 1 else f"${amount:.3f}"
