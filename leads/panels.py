"""What the pages of clients and contacts show of leads."""

from django.http import HttpRequest

from crm.models import Client, Contact
from crm.screens.panels import Section
from leads.models import Lead, Task

SHOWN = 20


def of_client(request: HttpRequest, client: Client) -> Section | None:
    """The leads that became this client, and what is to be done for it."""
    if not request.user.has_perm("leads.view_lead"):
        return None
    leads = Lead.objects.visible_to(request.user).filter(converted_to_client=client).select_related("status")
    tasks = Task.objects.visible_to(request.user).filter(client=client).unfinished().order_by("due_on", "id")
    shown = {"leads": list(leads[:SHOWN]), "tasks": list(tasks[:SHOWN])}
    return Section("Leads and tasks", "leads/of_client.html", shown, side=True)


def of_contact(request: HttpRequest, contact: Contact) -> Section | None:
    """The leads in which this contact has a say."""
    if not request.user.has_perm("leads.view_lead"):
        return None
    links = contact.lead_links.filter(lead__in=Lead.objects.visible_to(request.user)).select_related("lead__status")
    return Section("Leads", "leads/of_contact.html", list(links[:SHOWN]))
