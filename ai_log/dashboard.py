"""What a person's day holds of AI: what it has cost."""

from datetime import datetime
from decimal import Decimal

from django.urls import reverse
from django.utils import timezone

from ai_log.usage.rollup import between, cells_of, sets, summed, told_apart
from crm.models import User
from crm.records.base import sees_everyone
from crm.screens.dashboard import Figure

MOST_READ = 10_000
TENTH_OF_A_CENT = Decimal("0.001")


def spend(user: User, now: datetime) -> Figure | None:
    """Dollars spent since midnight, with the month so far; answers of unknown cost are counted, not guessed."""
    if not user.has_perm("ai_log.view_aiinteraction"):
        return None
    today = timezone.localdate(now)
    first = today.replace(day=1)
    if sees_everyone(user):
        found = sets(first, today, by=["day"])["day"]
    else:
        newest = between(first, today).visible_to(user).order_by("-created_at", "-id")
        found = told_apart(cells_of(newest[:MOST_READ]))["day"]
    month, day = summed(found), summed(cell for cell in found if cell.day == today)
    note = f"{cost(month.cost, month.priced) if month.priced else '$0'} this month"
    if month.calls > month.priced:
        note += f"; {month.calls - month.priced:,} of unknown cost"
    if month.calls == MOST_READ and not sees_everyone(user):
        note += f"; of the newest {MOST_READ:,} calls"
    return Figure("AI spend today", dollars(day.cost), reverse("admin:ai_log_aiinteraction_totals"), note)


def dollars(amount: Decimal | None) -> str:
    """Small sums to the tenth of a cent: `$0.004`, `$12.30`; smaller ones than that as such."""
    if not amount:
        return "$0"
    if amount < TENTH_OF_A_CENT:
        return f"< ${TENTH_OF_A_CENT}"
    return f"${amount:,.2f}" if amount >= 1 else f"${amount:.3f}"


def cost(amount: Decimal, known: int) -> str:
    """What `known` calls cost; unknown if it is of none."""
    return dollars(amount) if known else "unknown"
