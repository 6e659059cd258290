"""What a person's day holds of tickets."""

from datetime import datetime, time

from django.urls import reverse
from django.utils import timezone

from crm.models import User
from crm.screens.dashboard import Figure
from crm.screens.paging import capped, capped_count
from crm.screens.panels import Section
from support.models import SupportTicket

SHOWN = 6


def tickets_due(user: User, now: datetime) -> Figure | None:
    """Unresolved tickets due by the end of the day, with how many are late already."""
    if not user.has_perm("support.view_supportticket"):
        return None
    tickets = SupportTicket.objects.visible_to(user)
    tonight = datetime.combine(timezone.localdate(now), time.max, tzinfo=timezone.get_current_timezone())
    late = capped_count(tickets.due(now))
    note = f"{capped(late)} late" if late else ""
    url = reverse("admin:support_supportticket_changelist")
    return Figure.counted("Tickets due today", capped_count(tickets.due(tonight)), url, note)


def next_due(user: User, now: datetime) -> Section | None:
    """The unresolved tickets that are due first."""
    if not user.has_perm("support.view_supportticket"):
        return None
    tickets = SupportTicket.objects.visible_to(user).unresolved().order_by("resolve_due_at", "id")
    shown = tickets.select_related("client").defer("issue_description", "notes", "search_text")[:SHOWN]
    url = reverse("admin:support_supportticket_changelist")
    return Section("Tickets due next", "support/today.html", list(shown), url=url)
