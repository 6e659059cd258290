"""The panels of AI interactions on the pages of leads and clients."""

from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse

from ai_log.models import AIInteraction
from crm.models import Client
from crm.screens.panels import Panel
from leads.models import Lead

MAX_INTERACTIONS_SHOWN = 8


def interactions_panel(request: HttpRequest, interactions: QuerySet, query: str) -> Panel | None:
    if not request.user.has_perm("ai_log.view_aiinteraction"):
        return None
    newest = interactions.visible_to(request.user).defer("content", "ai_response", "metadata").order_by("-id")
    url = reverse("admin:ai_log_aiinteraction_changelist") + query
    rows = list(newest[:MAX_INTERACTIONS_SHOWN])
    return Panel("AI interactions", "ai_log/panel.html", rows, url=url)


def lead_interactions_panel(request: HttpRequest, lead: Lead) -> Panel | None:
    """Return the newest interactions about a lead."""
    return interactions_panel(request, AIInteraction.objects.filter(lead=lead), f"?lead={lead.pk}")


def client_interactions_panel(request: HttpRequest, client: Client) -> Panel | None:
    """Return the newest interactions about a client."""
    return interactions_panel(request, AIInteraction.objects.filter(client=client), f"?client={client.pk}")
