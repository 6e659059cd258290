"""The panels of tickets on the pages of leads and clients."""

from urllib.parse import urlencode

from django.db.models import Case, IntegerField, Value, When
from django.http import HttpRequest
from django.urls import reverse

from crm.models import Client
from crm.records.timeline import load_timeline
from crm.screens.panels import Panel, Place
from leads.models import Lead
from support.models import SupportTicket, TicketQuerySet, TicketStatus

MAX_TICKETS_SHOWN = MAX_RECENT_ACTIVITY_SHOWN = 8


def lead_tickets_panel(request: HttpRequest, lead: Lead) -> Panel | None:
    """Return the tickets of a lead; without any, only where the lead became a client."""
    client_prefill = {"client": lead.converted_to_client_id} if lead.converted_to_client_id else {}
    panel = tickets_panel(request, SupportTicket.objects.filter(lead=lead), {"lead": lead.pk, **client_prefill})
    return panel if panel and (client_prefill or panel.content["tickets"]) else None


def client_tickets_panel(request: HttpRequest, client: Client) -> Panel | None:
    return tickets_panel(request, SupportTicket.objects.filter(client=client), {"client": client.pk})


def customer_activity_panel(request: HttpRequest, ticket: SupportTicket) -> Panel | None:
    """Return the newest lines on the timeline of the customer; none if the user may not see the customer."""
    customer, lines = ticket.customer, []
    if customer.is_visible_to(request.user):
        lines = load_timeline(request.user, customer, size=MAX_RECENT_ACTIVITY_SHOWN).lines
    return Panel("Recent customer activity", "support/customer_activity.html", lines, place=Place.SIDE)


def tickets_panel(request: HttpRequest, rows: TicketQuerySet, prefill: dict[str, object]) -> Panel | None:
    """Return a panel of the newest tickets, unresolved ones first, with a link that opens a new ticket."""
    if not request.user.has_perm("support.view_supportticket"):
        return None
    is_resolved = Case(When(status=TicketStatus.RESOLVED, then=Value(1)), default=Value(0), output_field=IntegerField())
    newest = (
        rows.visible_to(request.user).defer("issue_description", "notes", "search_text").order_by(is_resolved, "-id")
    )
    query = urlencode(prefill)
    content = {
        "tickets": list(newest[:MAX_TICKETS_SHOWN]),
        "all_url": f"{reverse('admin:support_supportticket_changelist')}?{urlencode(list(prefill.items())[:1])}",
    }
    can_open = request.user.has_perm("support.add_supportticket")
    url = f"{reverse('admin:support_supportticket_add')}?{query}" if can_open else ""
    return Panel("Tickets", "support/panel.html", content, place=Place.SIDE, url=url, link_label="Open ticket")
