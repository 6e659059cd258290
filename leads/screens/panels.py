"""The panels of leads, tasks and policies on the pages of clients and contacts."""

from django.db.models import Q
from django.http import HttpRequest
from django.urls import reverse

from crm.models import Client, Contact
from crm.screens.panels import Panel, Place
from leads.forms import lead_schemas
from leads.models import Lead, Policy, Task
from leads.models.insurance_type import COLUMN_BY_LINE
from leads.models.policy import EXPIRY_SORT_KEY
from leads.screens.line_data import line_sections

MAX_PANEL_ROWS = 20
LINE_COLUMNS = (*COLUMN_BY_LINE.values(), "line_data")


def client_leads_panel(request: HttpRequest, client: Client) -> Panel | None:
    """Return the leads that became this client, and its unfinished tasks."""
    if not request.user.has_perm("leads.view_lead"):
        return None
    leads = Lead.objects.visible_to(request.user).filter(converted_to_client=client).select_related("status")
    tasks = Task.objects.visible_to(request.user).filter(client=client).unfinished().order_by("due_on", "id")
    content = {"leads": list(leads[:MAX_PANEL_ROWS]), "tasks": list(tasks[:MAX_PANEL_ROWS])}
    return Panel("Leads and tasks", "leads/client_panel.html", content, place=Place.SIDE)


def client_line_data_panel(request: HttpRequest, client: Client) -> Panel | None:
    """Return what the former leads say of lines that became no policy; None if they say nothing."""
    if not request.user.has_perm("leads.view_lead"):
        return None
    former = Lead.objects.visible_to(request.user).filter(converted_to_client=client)
    leads = list(former.exclude(**{column: {} for column in LINE_COLUMNS}, additional_insureds=[])[:MAX_PANEL_ROWS])
    if not leads:
        return None
    policies = Policy.objects.filter(lead__in=leads).values_list("lead", "insurance_type__code")
    insured, schemas = set(policies), lead_schemas()
    content = [
        (lead, section)
        for lead in leads
        for section in line_sections(lead, schemas)
        if section.node and (lead.pk, section.code) not in insured
    ]
    return Panel("Data of former leads", "leads/line_data_panel.html", content, place=Place.SIDE) if content else None


def client_policies_panel(request: HttpRequest, client: Client) -> Panel | None:
    """Return the policies of this client, the one that runs longest first, with a button that adds one."""
    if not request.user.has_perm("leads.view_policy"):
        return None
    policies = Policy.objects.filter(client=client).select_related("insurance_type")
    can_add = request.user.has_perm("leads.add_policy") and not client.is_deleted
    return Panel(
        "Policies",
        "leads/policies/panel.html",
        list(policies.order_by(EXPIRY_SORT_KEY.desc(), "-id")[:MAX_PANEL_ROWS]),
        url=f"{reverse('admin:leads_policy_add')}?client={client.pk}" if can_add else "",
        link_label="Add policy",
        button_icon="add_moderator" if can_add else "",
    )


def lead_policies_panel(request: HttpRequest, lead: Lead) -> Panel | None:
    """Return the policies that this lead became, and those whose renewal it is; None if there is none."""
    if not request.user.has_perm("leads.view_policy"):
        return None
    policies = Policy.objects.visible_to(request.user).filter(Q(lead=lead) | Q(renewal_lead=lead))
    rows = list(policies.select_related("insurance_type").order_by("-id")[:MAX_PANEL_ROWS])
    return Panel("Policies", "leads/policies/panel.html", rows, place=Place.SIDE) if rows else None


def contact_leads_panel(request: HttpRequest, contact: Contact) -> Panel | None:
    """Return the leads of which this contact is a stakeholder."""
    if not request.user.has_perm("leads.view_lead"):
        return None
    links = contact.lead_links.filter(lead__in=Lead.objects.visible_to(request.user)).select_related("lead__status")
    return Panel("Leads", "leads/contact_panel.html", list(links[:MAX_PANEL_ROWS]))
