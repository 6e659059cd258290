"""What the pages of leads and clients show of tickets."""

from urllib.parse import urlencode

from django.db.models import Case, IntegerField, Value, When
from django.http import HttpRequest
from django.urls import reverse

from crm.models import Client
from crm.screens.panels import Section
from leads.models import Lead
from support.models import SupportTicket, TicketQuerySet, TicketStatus

SHOWN = 8


def of_lead(request: HttpRequest, lead: Lead) -> Section | None:
    """The tickets of a lead; one can be opened once there is a client to open it for."""
    known = {"client": lead.converted_to_client_id} if lead.converted_to_client_id else {}
    section = tickets(request, SupportTicket.objects.filter(lead=lead), {"lead": lead.pk, **known})
    return section if section and (known or section.shown["tickets"]) else None


def of_client(request: HttpRequest, client: Client) -> Section | None:
    return tickets(request, SupportTicket.objects.filter(client=client), {"client": client.pk})


def tickets(request: HttpRequest, rows: TicketQuerySet, whose: dict[str, object]) -> Section | None:
    """The newest tickets, the unresolved ones first."""
    if not request.user.has_perm("support.view_supportticket"):
        return None
    done = Case(When(status=TicketStatus.RESOLVED, then=Value(1)), default=Value(0), output_field=IntegerField())
    newest = rows.visible_to(request.user).defer("issue_description", "notes", "search_text").order_by(done, "-id")
    asked = urlencode(whose)
    shown = {
        "tickets": list(newest[:SHOWN]),
        "all": f"{reverse('admin:support_supportticket_changelist')}?{urlencode(list(whose.items())[:1])}",
    }
    may_open = request.user.has_perm("support.add_supportticket")
    url = f"{reverse('admin:support_supportticket_add')}?{asked}" if may_open else ""
    return Section("Tickets", "support/of_record.html", shown, side=True, url=url, link="Open a ticket")
