"""The panels of leads and tasks on the pages of clients and contacts."""

from django.http import HttpRequest

from crm.models import Client, Contact
from crm.screens.panels import Panel
from leads.models import Lead, Task

MAX_PANEL_ROWS = 20


def client_leads_panel(request: HttpRequest, client: Client) -> Panel | None:
    """Return the leads that became this client, and its unfinished tasks."""
    if not request.user.has_perm("leads.view_lead"):
        return None
    leads = Lead.objects.visible_to(request.user).filter(converted_to_client=client).select_related("status")
    tasks = Task.objects.visible_to(request.user).filter(client=client).unfinished().order_by("due_on", "id")
    content = {"leads": list(leads[:MAX_PANEL_ROWS]), "tasks": list(tasks[:MAX_PANEL_ROWS])}
    return Panel("Leads and tasks", "leads/client_panel.html", content, in_side_column=True)


def contact_leads_panel(request: HttpRequest, contact: Contact) -> Panel | None:
    """Return the leads of which this contact is a stakeholder."""
    if not request.user.has_perm("leads.view_lead"):
        return None
    links = contact.lead_links.filter(lead__in=Lead.objects.visible_to(request.user)).select_related("lead__status")
    return Panel("Leads", "leads/contact_panel.html", list(links[:MAX_PANEL_ROWS]))
