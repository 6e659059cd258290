"""Tests of the board."""

import pytest

from crm.exceptions import IllegalTransition
from leads.models import Lead
from leads.transitions import place_on_board
from tests.cast import browser, make_lead

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
    assert answer.json() == {"ask": f"/leads/lead/{lead.pk}/do/stage/?stage=CLOSED_LOST"}
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
