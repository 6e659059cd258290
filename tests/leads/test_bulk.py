"""Deeds to many leads at once, from the list."""

import pytest
from django.contrib.messages import get_messages

from crm.models import ActivityLog
from crm.records.transitions import soft_delete
from leads.models import Lead, LeadStageHistory
from tests.cast import browser, make_lead

pytestmark = pytest.mark.django_db
URL = "/leads/lead/"


@pytest.fixture
def three(ann):
    return [make_lead(contact_name=name, assigned_to=ann) for name in ("One", "Two", "Three")]


def do(page, verb: str, leads, query: str = "", **data) -> list[str]:
    """Apply a deed to the selected leads; what the page then says."""
    page.cookies.pop("messages", None)  # what was said before
    chosen = [str(getattr(lead, "pk", lead)) for lead in leads]
    sent = {"action": verb, "index": "0", "apply": "1", "_selected_action": chosen, **data}
    answer = page.post(URL + query, sent)
    assert answer.status_code in {200, 302}
    return [str(message) for message in get_messages(answer.wsgi_request)]


def fresh(*leads: Lead) -> list[Lead]:
    return [Lead.everything.get(pk=lead.pk) for lead in leads]


def test_it_asks_once_for_what_the_deed_needs_and_names_the_leads(as_max, three):
    sent = {"action": "stage", "index": "0", "_selected_action": [lead.pk for lead in three]}
    answer = as_max.post(URL, sent)
    text = answer.content.decode()
    assert "Change stage: 3 leads" in text
    assert all(lead.contact_name in text for lead in three)
    assert text.count('name="_selected_action"') == 3
    assert {lead.status_id for lead in fresh(*three)} == {"NEW_OPPORTUNITIES"}


def test_the_stage_of_many(as_max, three):
    assert do(as_max, "stage", three[:2], stage="ACTIVE") == ["Done for 2."]
    assert [lead.status_id for lead in fresh(*three)] == ["ACTIVE", "ACTIVE", "NEW_OPPORTUNITIES"]
    assert LeadStageHistory.objects.filter(lead__in=three, to_status="ACTIVE").count() == 2


def test_an_owner_for_many(as_max, three, bob):
    assert do(as_max, "assign", three, owner=bob.pk) == ["Done for 3."]
    assert {lead.assigned_to for lead in fresh(*three)} == {bob}
    assert do(as_max, "assign", three[:1], owner="") == ["Done for 1."]
    assert fresh(three[0])[0].assigned_to is None


def test_a_tier_for_many(as_max, three):
    assert do(as_max, "tier", three, tier="hot") == ["Done for 3."]
    assert {(lead.priority_tier, lead.tier_override) for lead in fresh(*three)} == {("hot", "hot")}


def test_a_tag_for_many(as_max, three):
    assert do(as_max, "tag", three, tag=" renewal ") == ["Done for 3."]
    assert [lead.tags for lead in fresh(*three)] == [["renewal"]] * 3


def test_deleting_many(as_max, three):
    assert do(as_max, "delete", three[1:]) == ["Done for 2."]
    assert [lead.is_deleted for lead in fresh(*three)] == [False, True, True]
    assert ActivityLog.objects.filter(verb="deleted", target_id=three[1].pk).count() == 1


def test_taking_what_is_free(ann, as_ann, three):
    free = make_lead(contact_name="Free")
    said = do(as_ann, "take", [free, three[0]])
    assert said[0] == "Done for 1."
    assert fresh(free)[0].assigned_to == ann
    assert len(said) == 2


def test_each_refusal_is_told_and_undoes_no_other(as_max, three, max):
    there = make_lead(contact_name="There", status_id="ACTIVE")
    gone = make_lead(contact_name="Gone")
    soft_delete(gone, by=max)
    said = do(as_max, "stage", [*three, there], stage="ACTIVE")
    assert said == ["Done for 3.", "The lead “There” is already in Active."]
    assert {lead.status_id for lead in fresh(*three)} == {"ACTIVE"}
    said = do(as_max, "tag", [gone], "?deleted=true", tag="x")
    assert said == ["The lead “Gone” is deleted."]


def test_many_refusals_are_summed_up(as_max):
    leads = [make_lead(status_id="ACTIVE") for _ in range(7)]
    said = do(as_max, "stage", leads, stage="ACTIVE")
    assert len(said) == 6
    assert "<summary>… and 2 more were refused.</summary>" in said[-1]
    assert said[-1].count("is already in Active.") == 2


def test_what_is_missing_or_wrong_asks_again_and_changes_nothing(as_max, three):
    for verb, data in {
        "stage": {"stage": "NOWHERE"},
        "assign": {"owner": "x"},
        "tier": {"tier": "tepid"},
        "tag": {"tag": ""},
    }.items():
        assert do(as_max, verb, three, **data) == [], verb
    answer = as_max.post(URL, {"action": "tag", "index": "0", "apply": "1", "_selected_action": [three[0].pk]})
    assert "This field is required." in answer.content.decode()
    assert not ActivityLog.objects.exclude(verb="created").exists()


def test_a_lost_stage_without_a_reason_is_refused_for_each(as_max, three):
    said = do(as_max, "stage", three, stage="CLOSED_LOST")
    assert said == ["Say why the lead was lost, one of: BUDGET, TIMING, COMPETITOR, FIT, GHOSTED, OTHER."] * 3
    assert do(as_max, "stage", three, stage="CLOSED_LOST", loss_reason="FIT") == ["Done for 3."]


def test_all_found_means_all_that_the_filters_find_and_no_other(as_max, ann):
    Lead.objects.bulk_create(Lead(contact_name=f"Lead {n}", tags=["t"], assigned_to=ann) for n in range(60))
    other = make_lead()
    said = do(as_max, "tier", [Lead.objects.first()], "?tags=t", tier="cold", select_across="1")
    assert said == ["Done for 60."]
    assert Lead.objects.filter(tier_override="cold").count() == 60
    assert fresh(other)[0].tier_override is None


def test_all_found_needs_no_row_ticked(as_max, three):
    answer = as_max.post(URL, {"action": "tier", "index": "0", "select_across": "1"})
    assert "Set tier: 3 leads" in answer.content.decode()
    assert do(as_max, "tier", [], tier="cold", select_across="1") == ["Done for 3."]


def test_more_than_a_thousand_are_refused(as_max):
    Lead.objects.bulk_create(Lead(contact_name=f"Lead {n}") for n in range(1_001))
    said = do(as_max, "tier", [], tier="cold", select_across="1")
    assert said == ["At most 1,000 at once: narrow the list down with a filter."]
    assert not Lead.objects.filter(tier_override="cold").exists()


def test_nothing_selected_says_so(as_max, three):
    said = do(as_max, "tier", [], tier="cold")
    assert said == ["Items must be selected in order to perform actions on them. No items have been changed."]


def test_keys_that_are_none_are_left_out(as_max, three):
    said = do(as_max, "tier", ["x", "", "\x00", "1 OR 1=1", three[0]], tier="cold")
    assert said == ["Done for 1."]
    assert "Items must be selected" in do(as_max, "tier", ["x"], tier="cold")[0]


def test_an_unknown_deed_changes_nothing(as_max, three):
    for verb in ("purge", "delete_selected", "", "note"):
        assert "Done" not in " ".join(do(as_max, verb, three)), verb
    for index in ("x", "7", "-1"):
        do(as_max, "tier", three, tier="cold", index=index)
    assert Lead.objects.filter(contact_name__in=["One", "Two", "Three"]).count() == 3


def test_another_agents_lead_is_not_found_even_by_its_key(as_ann, bob):
    lead = make_lead(assigned_to=bob)
    assert "Done" not in " ".join(do(as_ann, "tag", [lead], tag="x"))
    do(as_ann, "tag", [], tag="x", select_across="1")
    assert fresh(lead)[0].tags == []


def test_a_viewer_is_offered_nothing_and_can_do_nothing(vera, three):
    page = browser(vera)
    assert 'name="action"' not in page.get(URL).content.decode()
    for verb, data in {"stage": {"stage": "ACTIVE"}, "tier": {"tier": "hot"}, "delete": {}, "assign": {}}.items():
        assert do(page, verb, three, **data) == []
    assert not ActivityLog.objects.exclude(verb="created").exists()


def test_an_agent_is_offered_only_what_she_may(as_ann, three, bob):
    offered = [name for name, _ in as_ann.get(URL).context["action_form"].fields["action"].choices if name]
    assert offered == ["stage", "take", "tier", "tag"]
    assert do(as_ann, "assign", three, owner=bob.pk) == ["No action selected."]
    assert do(as_ann, "delete", three) == ["No action selected."]
    assert not any(lead.is_deleted or lead.assigned_to == bob for lead in fresh(*three))
