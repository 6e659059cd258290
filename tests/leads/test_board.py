"""Tests of the board."""

import re
from html import unescape
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from crm.exceptions import IllegalTransition
from crm.records.transitions import save_view
from leads.models import Lead, LeadStatus
from leads.screens.board import CARDS_PER_LOAD
from leads.transitions import place_on_board
from tests.cast import browser, copy_record, make_lead, page_text

pytestmark = pytest.mark.django_db
URL, MOVE = "/leads/lead/board/", "/leads/lead/board/move/"


def board_order() -> list[str]:
    return list(Lead.objects.order_by("rank", "id").values_list("contact_name", flat=True))


def test_newest_lead_is_first_and_card_can_be_placed_between(ann):
    a, b, c = (make_lead(contact_name=name) for name in "abc")
    assert board_order() == ["c", "b", "a"]
    place_on_board(a, before=c, after=b, by=ann)
    assert board_order() == ["c", "a", "b"]
    place_on_board(c, before=b, after=None, by=ann)
    assert board_order() == ["a", "b", "c"]


def test_repeated_placement_in_one_gap_keeps_order(ann):
    first, second, third = make_lead(), make_lead(), make_lead()
    Lead.objects.filter(pk=first.pk).update(rank=0)
    Lead.objects.filter(pk=second.pk).update(rank=1)
    low, high, moving = first, second, third
    for _ in range(80):
        low.refresh_from_db(), high.refresh_from_db()
        place_on_board(moving, before=low, after=high, by=ann)
        assert low.rank < moving.rank < high.rank or Lead.objects.get(pk=low.pk).rank < moving.rank
        high, moving = moving, high
    ranks = list(Lead.objects.order_by("rank").values_list("rank", flat=True))
    assert len(set(ranks)) == 3


def test_stale_neighbour_refuses_the_drop(ann):
    lead, neighbour = make_lead(), make_lead()
    Lead.objects.filter(pk=neighbour.pk).update(status="ACTIVE")
    with pytest.raises(IllegalTransition, match="The board has changed"):
        place_on_board(lead, before=neighbour, after=None, by=ann)


def test_drop_changes_stage_and_position(as_ann, ann):
    lead, active_lead = make_lead(assigned_to=ann), make_lead(status_id="ACTIVE", assigned_to=ann)
    answer = as_ann.post(
        MOVE, {"lead": lead.pk, "stage": "ACTIVE", "from": lead.status_id, "before": active_lead.pk, "after": ""}
    )
    assert answer.status_code == 200
    assert board_order() == [active_lead.contact_name, lead.contact_name]


def test_drop_returns_the_totals_of_the_board_as_it_is_filtered(as_max, ann, bob):
    lead = make_lead(assigned_to=ann, estimated_value=1_500)
    make_lead(assigned_to=ann, estimated_value=2_000), make_lead(status_id="ACTIVE", assigned_to=bob)
    moved = {"lead": lead.pk, "stage": "ACTIVE", "from": lead.status_id}
    totals = as_max.post(f"{MOVE}?owner={ann.pk}", moved).json()["totals"]
    assert (totals[lead.status_id], totals["ACTIVE"], totals["ON_ICE"]) == ("1 · $2,000", "1 · $1,500", "0 · $0")
    page = as_max.get(f"{URL}?owner={ann.pk}").content.decode()
    assert f'data-total="ACTIVE">{totals["ACTIVE"]}<' in page and f"board/move/?owner={ann.pk}" in page


def test_drop_on_lost_asks_for_reason(as_ann, ann):
    lead = make_lead(assigned_to=ann)
    answer = as_ann.post(MOVE, {"lead": lead.pk, "stage": "CLOSED_LOST"})
    assert answer.json() == {
        "ask": f"/leads/lead/{lead.pk}/do/stage/?stage=CLOSED_LOST&next=%2Fleads%2Flead%2Fboard%2F"
    }
    page = as_ann.get(answer.json()["ask"])
    assert '<option value="CLOSED_LOST" selected>' in page.content.decode()


@pytest.mark.parametrize("data", [{}, {"lead": "x", "stage": "ACTIVE"}, {"lead": "", "stage": ""}])
def test_invalid_drop_is_refused(as_ann, data):
    answer = as_ann.post(MOVE, data)
    assert answer.status_code == 409
    assert answer.json()["error"].endswith(".")


def test_colleagues_lead_is_hidden_and_cannot_be_moved(as_ann, bob):
    lead = make_lead(assigned_to=bob, contact_name="Bobs own")
    assert "Bobs own" not in as_ann.get(URL).content.decode()
    assert as_ann.post(MOVE, {"lead": lead.pk, "stage": "ACTIVE"}).status_code == 409
    lead.refresh_from_db()
    assert lead.status_id == "NEW_OPPORTUNITIES"


def test_viewer_can_see_board_but_not_move(vera):
    lead = make_lead()
    assert browser(vera).get(URL).status_code == 200
    assert browser(vera).post(MOVE, {"lead": lead.pk, "stage": "ACTIVE"}).status_code == 403


def names_on(response) -> list[str]:
    return re.findall(r'draggable="false">([^<]*)</a>', response.content.decode())


def make_lane(count: int, **kw) -> list[str]:
    """Fill the first lane with `count` leads; return their names in its order."""
    lead = make_lead(contact_name="N000", **kw)
    copy_record(
        lead,
        count - 1,
        lambda n: {"contact_name": f"N{n + 1:03}", "contact_email": f"n{n}@example.com", "rank": lead.rank + n + 1},
    )
    return [f"N{number:03}" for number in range(count)]


def test_reason_for_a_loss_leads_back_to_the_board_with_its_filters(as_max):
    lead = make_lead(tags=["vip"])
    ask = as_max.post(f"{MOVE}?tags=vip", {"lead": lead.pk, "stage": "CLOSED_LOST"}).json()["ask"]
    page = as_max.get(ask).content.decode()
    assert f'<input type="hidden" name="next" value="{URL}?tags=vip">' in page
    sent = {"stage": "CLOSED_LOST", "loss_reason": "BUDGET", "next": f"{URL}?tags=vip"}
    assert as_max.post(ask, sent)["Location"] == f"{URL}?tags=vip"


def test_lane_loads_its_cards_part_by_part(as_max):
    names = make_lane(2 * CARDS_PER_LOAD + 3)
    response, found = as_max.get(URL), []
    while True:
        found.append(names_on(response))
        more = re.search(r'data-more="([^"]+)"', response.content.decode())
        if not more:
            break
        response = as_max.get(unescape(more[1]))
        assert response.status_code == 200
    assert sum(found, []) == names
    assert [len(part) for part in found] == [CARDS_PER_LOAD, CARDS_PER_LOAD, 3]


def test_further_cards_are_filtered_and_visible_to_their_reader(as_ann, ann, bob):
    mine = make_lane(CARDS_PER_LOAD + 2, assigned_to=ann, tags=["vip"])
    make_lead(contact_name="Hidden", assigned_to=bob, tags=["vip"]), make_lead(contact_name="Other", assigned_to=ann)
    first = as_ann.get(URL, {"tags": "vip"})
    more = unescape(re.search(r'data-more="([^"]+)"', first.content.decode())[1])
    assert names_on(first) + names_on(as_ann.get(more)) == mine


def test_stale_place_in_a_lane_is_refused(as_max, stranger):
    answer = as_max.get(f"{URL}cards/?lane=ACTIVE&after=forged")
    assert (answer.status_code, answer.content.decode()) == (409, "The board has changed. Reload it.")
    assert names_on(as_max.get(f"{URL}cards/?lane=nothing")) == []
    assert browser(stranger).get(f"{URL}cards/?lane=ACTIVE").status_code == 403


def test_forty_stages_cost_as_many_statements_as_six(as_max, as_ann, ann):
    make_lead(), make_lead(assigned_to=ann)
    for page in (as_max, as_ann):
        counts = []
        for _ in range(2):
            with CaptureQueriesContext(connection) as queries:
                assert page.get(URL).status_code == 200
            counts.append(len(queries))
            if not LeadStatus.objects.filter(code="S0").exists():
                for number in range(40):
                    LeadStatus.objects.create(
                        code=f"S{number}", label=f"Stage {number}", position=100 + number, category="open"
                    )
                    make_lead(status_id=f"S{number}")
        assert counts[0] == counts[1] <= 15


def test_board_shares_filters_and_views_with_the_list(as_max, max):
    make_lead(contact_name="Olin", tags=["vip"]), make_lead(contact_name="Zed")
    view = save_view(name="Vips", table="leads.lead", query="tags=vip&order=value&column=lead", shared=False, by=max)
    page = as_max.get(f"{URL}?{view.query}")
    assert names_on(page) == ["Olin"]
    cl = page.context["cl"]
    assert [chip["label"] for chip in cl.chips()] == ["Tags (comma-separated)"]
    assert cl.views == [view]
    text = page.content.decode()
    assert 'href="?tags=vip&amp;order=value&amp;column=lead" class="wrap">Vips</a>' in text
    assert not list(page.context["messages"])
    listed = as_max.get("/leads/lead/", {"tags": "vip"}).content.decode()
    assert f'href="{URL}?tags=vip"' in listed


def test_board_says_which_filter_it_does_not_know(as_max):
    page = as_max.get(f"{URL}?colour=red")
    assert [str(message).partition(",")[0] for message in page.context["messages"]] == ["There is no filter “colour”"]


def test_board_shows_neither_closed_nor_deleted_leads(ada):
    gone, closed = make_lead(contact_name="Gone"), make_lead(contact_name="Closed")
    Lead.objects.filter(pk=gone.pk).update(deleted_at=gone.created_at)
    page = browser(ada)
    page.post(f"/leads/lead/{closed.pk}/do/stage/", {"stage": "CLOSED_LOST", "loss_reason": "BUDGET"})
    for query in ({"deleted": "true"}, {"state": "closed"}, {"state": "all"}):
        assert names_on(page.get(f"{URL}?{urlencode(query)}")) == []


def test_closed_stages_are_zones_for_those_who_may_move(as_max, vera):
    make_lead()
    closed = {stage.pk for stage in LeadStatus.objects.all() if not stage.is_open}
    assert {*re.findall(r'data-zone="([^"]+)"', as_max.get(URL).content.decode())} == closed
    assert "data-zone" not in browser(vera).get(URL).content.decode()
    assert "No leads" in page_text(as_max.get(URL))
