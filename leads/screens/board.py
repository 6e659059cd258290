"""The board: one lane for each stage, one card for each lead, moved by dragging, by keys or by the link on the card.

It shows the open leads that the filters of the list let through. A lane loads further cards as it is scrolled.
"""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from crm.exceptions import ActionRefused, InvalidInput
from crm.models import SavedView, User
from crm.records.owners.branches import owner_branches
from crm.screens.lists import AFTER_PARAM, LIST_PARAMS, KeysetChangeList
from crm.screens.paging import CappedCount, Order, Page, QueryTooSlow, fetch_page
from crm.templatetags.crm import money
from leads.filters import LeadFilter
from leads.models import Lead, LeadStatus, StageCategory
from leads.transitions import change_status, place_on_board

CARDS_PER_LOAD = 20
LANE_PARAM = "lane"
CARD_ORDER = Order("By place", {"rank": models.F("rank"), "id": models.F("id")}, descending=False)
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
TOO_SLOW = "These filters take too long for the board. Narrow them down, or use the list."


@dataclass
class Lane:
    """A stage with its number of leads, their value and its first cards; a closed stage has none of these."""

    stage: LeadStatus
    leads: int = 0
    total: str = ""
    cards: list[Lead] = field(default_factory=list)
    # Where the next cards begin; empty at the end of the lane.
    after: str = ""


class BoardList(KeysetChangeList):
    """The filters, chips and saved views of the list of leads, without its rows."""

    own_params = LIST_PARAMS | {LANE_PARAM}

    def get_results(self, request: HttpRequest) -> None:
        self.page, self.result_list, self.links = Page(), [], ()
        self.result_total, self.tabs = CappedCount(0), []
        self.result_count = self.full_result_count = 0
        self.show_full_result_count = self.can_show_all = self.multi_page = False
        self.paginator = self.formset = None
        self.order_name = ""
        self.views = list(
            SavedView.objects.visible_to(request.user).filter(table=self.opts.label_lower).order_by("name", "id")[:50]
        )

    def read_lanes(self, request: HttpRequest) -> list[Lane]:
        """Return the lanes of the board; without cards if the filters take too long."""
        try:
            with self.time_limit():
                return load_lanes(self.queryset.filter(closed_at__isnull=True, deleted_at__isnull=True))
        except QueryTooSlow:
            messages.error(request, TOO_SLOW)
            return [Lane(stage) for stage in LeadStatus.objects.all()]


def load_lanes(leads: QuerySet) -> list[Lane]:
    """Return a lane for each stage, in two statements whatever the number of stages."""
    stages, sums = list(LeadStatus.objects.all()), leads.sums_by_stage()
    cards: dict[str, list[Lead]] = {}
    for lead in first_cards(leads, [stage for stage in stages if stage.is_open and stage.pk in sums]):
        cards.setdefault(lead.status_id, []).append(lead)
    return [make_lane(stage, sums.get(stage.pk, NO_LEADS), cards.get(stage.pk, [])) for stage in stages]


def make_lane(stage: LeadStatus, totals: dict[str, Any], found: list[Lead]) -> Lane:
    if not stage.is_open:
        return Lane(stage)
    cards = found[:CARDS_PER_LOAD]
    after = CARD_ORDER.make_cursor(cards[-1], len(cards)) if len(found) > len(cards) else ""
    return Lane(stage, totals["leads"], total_text(totals), cards, after)


def first_cards(leads: QuerySet, stages: list[LeadStatus]) -> QuerySet:
    """Return the first cards of each of `stages`, and one more of each that has more, in one statement."""
    if not stages:
        return leads.none()
    sorted_leads = CARD_ORDER.sort(CARD_ORDER.annotate_keys(leads.order_by()))
    keys = [
        branch.values("pk")[: CARDS_PER_LOAD + 1]
        for stage in stages
        for branch in owner_branches(sorted_leads.filter(status=stage))
    ]
    found = Lead.objects.filter(pk__in=keys[0].union(*keys[1:]) if len(keys) > 1 else keys[0])
    return with_card_fields(CARD_ORDER.sort(CARD_ORDER.annotate_keys(found)))


def with_card_fields(leads: QuerySet) -> QuerySet:
    return leads.select_related("assigned_to").only(*CARD_FIELDS, *CARD_OWNER_FIELDS)


def total_text(totals: dict[str, Any]) -> str:
    """Return the heading of a lane: `12 · $48,000`."""
    return f"{totals['leads']:,} · {money(totals['value'])}"


def leads_on_board(request: HttpRequest) -> QuerySet:
    """Return the open leads that the filters of the board let through."""
    leads = LeadFilter(request.GET, Lead.objects.visible_to(request.user), request=request).qs
    return leads.filter(closed_at__isnull=True)


def board_context(request: HttpRequest, board_list: BoardList) -> dict[str, Any]:
    lanes = board_list.read_lanes(request)
    query = board_list.address_query()
    return {
        "title": "Board",
        "cl": board_list,
        "lanes": [lane for lane in lanes if lane.stage.is_open],
        "zones": [lane.stage for lane in lanes if not lane.stage.is_open],
        "query": query,
        **card_links(query),
    }


def card_links(query: str) -> dict[str, str]:
    """Return what the links of the cards on a board with the filters of `query` need."""
    parts = f"{query}&" if query else ""
    board_url = reverse("admin:leads_lead_board") + (f"?{query}" if query else "")
    return {
        "cards_url": f"{reverse('admin:leads_lead_board_cards')}?{parts}",
        "list_url": f"{reverse('admin:leads_lead_changelist')}?{parts}",
        "next_query": urlencode({"next": board_url}),
    }


def more_cards(request: HttpRequest) -> HttpResponse:
    """Return the next cards of the lane that the request names, with the link to those after them."""
    stage = LeadStatus.objects.filter(pk=request.GET.get(LANE_PARAM, "")).first()
    leads = with_card_fields(leads_on_board(request).filter(status=stage))
    try:
        page = fetch_page(leads, CARD_ORDER, size=CARDS_PER_LOAD, after=request.GET.get(AFTER_PARAM))
    except InvalidInput:
        return HttpResponse("The board has changed. Reload it.", status=409, content_type="text/plain; charset=utf-8")
    pairs = [(name, value) for name, values in request.GET.lists() for value in values]
    query = urlencode([pair for pair in pairs if pair[0] not in {LANE_PARAM, AFTER_PARAM}])
    lane = Lane(stage, cards=page.rows, after=page.next or "")
    return TemplateResponse(request, "leads/board_cards.html", {"lane": lane, **card_links(query)})


def move_card(request: HttpRequest, user: User) -> HttpResponse:
    """Handle a dropped card: the request names `lead`, `stage`, and the cards now `before` and `after` it.

    On success the JSON response holds `totals`, the headings of the open columns. It holds `ask` (the URL of a page) if
    the stage needs more input, or `error` (a message, with status 409) if the move is refused.
    """
    try:
        lead, stage, before, after = read_drop(request, user)
        if stage.category == StageCategory.LOST:
            form_url = reverse("admin:leads_lead_do", args=[lead.pk, "stage"])
            board_url = reverse("admin:leads_lead_board") + (f"?{query}" if (query := request.GET.urlencode()) else "")
            return JsonResponse({"ask": f"{form_url}?{urlencode({'stage': stage.pk, 'next': board_url})}"})
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
