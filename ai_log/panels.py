"""What the pages of leads and clients show of the AI log."""

from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse

from ai_log.models import AIInteraction
from crm.models import Client
from crm.screens.panels import Section
from leads.models import Lead

SHOWN = 8


def section(request: HttpRequest, interactions: QuerySet, query: str) -> Section | None:
    if not request.user.has_perm("ai_log.view_aiinteraction"):
        return None
    newest = interactions.visible_to(request.user).defer("content", "ai_response", "metadata").order_by("-id")
    url = reverse("admin:ai_log_aiinteraction_changelist") + query
    return Section("AI interactions", "ai_log/of_record.html", list(newest[:SHOWN]), url=url)


def of_lead(request: HttpRequest, lead: Lead) -> Section | None:
    """The newest answers about a lead."""
    return section(request, AIInteraction.objects.filter(lead=lead), f"?lead={lead.pk}")


def of_client(request: HttpRequest, client: Client) -> Section | None:
    """The newest answers about a client."""
    return section(request, AIInteraction.objects.filter(client=client), f"?client={client.pk}")
