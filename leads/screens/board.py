"""The board: one column for each stage, one card for each lead, moved by dragging or by the link on the card."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse

from crm.exceptions import ActionRefused, InvalidInput
from crm.models import User
from crm.screens.filters import owner_choices
from crm.templatetags.crm import money
from leads.filters import LeadFilter
from leads.models import Lead, LeadStatus, StageCategory
from leads.transitions import change_status, place_on_board

MAX_CARDS_PER_COLUMN = 40
CARD_FIELDS = (
    "id",
    "contact_name",
    "company_name",
    "priority_tier",
    "overall_score",
    "estimated_value",
    "rank",
    "status",
    "assigned_to",
    "last_contact_at",
)


NO_LEADS = {"leads": 0, "value": 0}
CARD_OWNER_FIELDS = ("assigned_to__first_name", "assigned_to__last_name", "assigned_to__username")


def load_board_columns(leads: QuerySet) -> list[dict[str, Any]]:
    """Return each stage with its number of leads, their value and the first cards.

    Closed stages have no cards: they are only drop targets.
    """
    sums = leads.sums_by_stage()
    stage_columns = []
    for stage in LeadStatus.objects.all():
        cards = (
            leads.filter(status=stage)
            .select_related("assigned_to")
            .only(*CARD_FIELDS, *CARD_OWNER_FIELDS)
            .order_by("rank", "id")
        )
        totals = sums.get(stage.pk, NO_LEADS)
        stage_columns.append(
            {
                **totals,
                "stage": stage,
                "total": total_text(totals),
                "cards": list(cards[:MAX_CARDS_PER_COLUMN]) if stage.is_open else [],
            }
        )
    return stage_columns


def total_text(totals: dict[str, Any]) -> str:
    """Return the heading of a column: `12 · $48,000`."""
    return f"{totals['leads']:,} · {money(totals['value'])}"


def leads_on_board(request: HttpRequest) -> QuerySet:
    """Return the open leads that the filters of the board let through."""
    return LeadFilter(request.GET, Lead.objects.visible_to(request.user).open(), request=request).qs


def board_context(request: HttpRequest) -> dict[str, Any]:
    return {
        "title": "Board",
        "columns": load_board_columns(leads_on_board(request)),
        "owners": owner_choices(),
        "max_cards": MAX_CARDS_PER_COLUMN,
    }


def move_card(request: HttpRequest, user: User) -> HttpResponse:
    """Handle a dropped card: the request names `lead`, `stage`, and the cards now `before` and `after` it.

    On success the JSON response holds `totals`, the headings of the open columns. It holds `ask` (the URL of a page) if
    the stage needs more input, or `error` (a message, with status 409) if the move is refused.
    """
    try:
        lead, stage, before, after = read_drop(request, user)
        if stage.category == StageCategory.LOST:
            form_url = reverse("admin:leads_lead_do", args=[lead.pk, "stage"])
            return JsonResponse({"ask": f"{form_url}?stage={stage.pk}"})
        if stage.category == StageCategory.WON:
            return JsonResponse({"ask": reverse("admin:leads_lead_convert", args=[lead.pk])})
        if lead.status_id != stage.pk:
            change_status(lead, stage, by=user, expected=request.POST.get("from") or None)
        if stage.is_open and (before or after):
            place_on_board(lead, before=before, after=after, by=user)
    except ActionRefused as error:
        return JsonResponse({"error": str(error)}, status=409)
    sums = leads_on_board(request).sums_by_stage()
    return JsonResponse(
        {
            "totals": {
                stage.pk: total_text(sums.get(stage.pk, NO_LEADS))
                for stage in LeadStatus.objects.all()
                if stage.is_open
            }
        }
    )


def read_drop(request: HttpRequest, user: User) -> tuple[Lead, LeadStatus, Lead | None, Lead | None]:
    """Return the lead, the stage and the two neighbours that the request names.

    Raises:
        InvalidInput: the lead or the stage does not exist, or `user` may not see the lead.
    """
    leads = Lead.objects.visible_to(user)
    lead = find_visible_lead(leads, request.POST.get("lead"))
    stage = LeadStatus.objects.filter(pk=request.POST.get("stage", "")).first()
    if lead is None or stage is None:
        raise InvalidInput("This lead or stage no longer exists. Reload the board.")
    return (
        lead,
        stage,
        find_visible_lead(leads, request.POST.get("before")),
        find_visible_lead(leads, request.POST.get("after")),
    )


def find_visible_lead(leads: QuerySet, key: str | None) -> Lead | None:
    """Return the lead with this `key`, or None if there is none."""
    try:
        return leads.filter(pk=models.UUIDField().to_python(key)).first() if key else None
    except ValidationError as error:
        raise InvalidInput(f"“{str(key)[:60]}” is not the ID of a lead. Reload the board.") from error
