"""Tests of bulk actions on the list of leads."""

import pytest
from django.contrib.messages import get_messages

from crm.models import ActivityLog
from crm.records.transitions import soft_delete
from leads.models import Lead, LeadStageHistory
from tests.cast import browser, make_lead

pytestmark = pytest.mark.django_db
URL = "/leads/lead/"


@pytest.fixture
def three_leads(ann):
    return [make_lead(contact_name=name, assigned_to=ann) for name in ("One", "Two", "Three")]


def apply_action(page, verb: str, leads, query: str = "", **data) -> list[str]:
    """Apply an action to the selected leads, and return the messages without their buttons."""
    page.cookies.pop("messages", None)  # discard messages of earlier requests
    selected_ids = [str(getattr(lead, "pk", lead)) for lead in leads]
    form_data = {"action": verb, "index": "0", "apply": "1", "_selected_action": selected_ids, **data}
    response = page.post(URL + query, form_data)
    assert response.status_code in {200, 302}
    return [str(message).partition("<form")[0].strip() for message in get_messages(response.wsgi_request)]


def reload(*leads: Lead) -> list[Lead]:
    return [Lead.everything.get(pk=lead.pk) for lead in leads]


def test_bulk_action_asks_for_input_and_lists_leads(as_max, three_leads):
    form_data = {"action": "stage", "index": "0", "_selected_action": [lead.pk for lead in three_leads]}
    response = as_max.post(URL, form_data)
    text = response.content.decode()
    assert "Change stage: 3 leads" in text
    assert all(lead.contact_name in text for lead in three_leads)
    assert text.count('name="_selected_action"') == 3
    assert {lead.status_id for lead in reload(*three_leads)} == {"NEW_OPPORTUNITIES"}


def test_bulk_change_stage(as_max, three_leads):
    assert apply_action(as_max, "stage", three_leads[:2], stage="ACTIVE") == ["2 leads moved to Active."]
    assert [lead.status_id for lead in reload(*three_leads)] == ["ACTIVE", "ACTIVE", "NEW_OPPORTUNITIES"]
    assert LeadStageHistory.objects.filter(lead__in=three_leads, to_status="ACTIVE").count() == 2


def test_bulk_assign(as_max, three_leads, bob):
    assert apply_action(as_max, "assign", three_leads, owner=bob.pk) == ["3 leads reassigned to Bob."]
    assert {lead.assigned_to for lead in reload(*three_leads)} == {bob}
    assert apply_action(as_max, "assign", three_leads[:1], owner="") == ["1 lead unassigned."]
    assert reload(three_leads[0])[0].assigned_to is None


def test_bulk_set_tier(as_max, three_leads):
    assert apply_action(as_max, "tier", three_leads, tier="hot") == ["3 leads moved to the tier Hot."]
    assert {(lead.priority_tier, lead.tier_override) for lead in reload(*three_leads)} == {("hot", "hot")}


def test_bulk_add_tag(as_max, three_leads):
    assert apply_action(as_max, "tag", three_leads, tag=" renewal ") == ["3 leads tagged."]
    assert [lead.tags for lead in reload(*three_leads)] == [["renewal"]] * 3


def test_bulk_delete(as_max, three_leads):
    assert apply_action(as_max, "delete", three_leads[1:]) == ["2 leads deleted."]
    assert [lead.is_deleted for lead in reload(*three_leads)] == [False, True, True]
    assert ActivityLog.objects.filter(verb="deleted", target_id=three_leads[1].pk).count() == 1


def test_bulk_take_unassigned_leads(ann, as_ann, three_leads):
    free = make_lead(contact_name="Free")
    messages = apply_action(as_ann, "take", [free, three_leads[0]])
    assert messages[0] == "1 lead assigned to you."
    assert reload(free)[0].assigned_to == ann
    assert len(messages) == 2


def test_each_refusal_is_reported_and_others_continue(as_max, three_leads, max):
    active_lead = make_lead(contact_name="There", status_id="ACTIVE")
    deleted_lead = make_lead(contact_name="Gone")
    soft_delete(deleted_lead, by=max)
    messages = apply_action(as_max, "stage", [*three_leads, active_lead], stage="ACTIVE")
    assert messages == ["3 leads moved to Active.", "The lead “There” is already in Active."]
    assert {lead.status_id for lead in reload(*three_leads)} == {"ACTIVE"}
    messages = apply_action(as_max, "tag", [deleted_lead], "?deleted=true", tag="x")
    assert messages == ["No action selected."], "deleted leads can only be restored"
    assert reload(deleted_lead)[0].tags == []


def test_many_refusals_are_summarised(as_max):
    leads = [make_lead(status_id="ACTIVE") for _ in range(7)]
    messages = apply_action(as_max, "stage", leads, stage="ACTIVE")
    assert len(messages) == 6
    assert "<summary>… and 2 more were refused.</summary>" in messages[-1]
    assert messages[-1].count("is already in Active.") == 2


def test_invalid_bulk_input_asks_again(as_max, three_leads):
    for verb, data in {
        "stage": {"stage": "NOWHERE"},
        "assign": {"owner": "x"},
        "tier": {"tier": "tepid"},
        "tag": {"tag": ""},
    }.items():
        assert apply_action(as_max, verb, three_leads, **data) == [], verb
    response = as_max.post(URL, {"action": "tag", "index": "0", "apply": "1", "_selected_action": [three_leads[0].pk]})
    assert "This field is required." in response.content.decode()
    assert not ActivityLog.objects.exclude(verb="created").exists()


def test_bulk_close_as_lost_needs_reason(as_max, three_leads):
    messages = apply_action(as_max, "stage", three_leads, stage="CLOSED_LOST")
    assert messages == ["Choose a loss reason, one of: BUDGET, TIMING, COMPETITOR, FIT, GHOSTED, OTHER."] * 3
    assert apply_action(as_max, "stage", three_leads, stage="CLOSED_LOST", loss_reason="FIT") == [
        "3 leads moved to Lost."
    ]


def test_select_all_applies_to_all_filtered_leads(as_max, ann):
    Lead.objects.bulk_create(Lead(contact_name=f"Lead {n}", tags=["t"], assigned_to=ann) for n in range(60))
    other = make_lead()
    messages = apply_action(as_max, "tier", [Lead.objects.first()], "?tags=t", tier="cold", select_across="1")
    assert messages == ["60 leads moved to the tier Cold."]
    assert Lead.objects.filter(tier_override="cold").count() == 60
    assert reload(other)[0].tier_override is None


def test_select_all_needs_no_ticked_row(as_max, three_leads):
    response = as_max.post(URL, {"action": "tier", "index": "0", "select_across": "1"})
    assert "Set tier: 3 leads" in response.content.decode()
    assert apply_action(as_max, "tier", [], tier="cold", select_across="1") == ["3 leads moved to the tier Cold."]


def test_more_than_a_thousand_leads_are_refused(as_max):
    Lead.objects.bulk_create(Lead(contact_name=f"Lead {n}") for n in range(1_001))
    messages = apply_action(as_max, "tier", [], tier="cold", select_across="1")
    assert messages == ["Select at most 1,000 at once. Narrow the list down with a filter."]
    assert not Lead.objects.filter(tier_override="cold").exists()


def test_empty_selection_shows_message(as_max, three_leads):
    messages = apply_action(as_max, "tier", [], tier="cold")
    assert messages == ["Items must be selected in order to perform actions on them. No items have been changed."]


def test_invalid_keys_are_ignored(as_max, three_leads):
    messages = apply_action(as_max, "tier", ["x", "", "\x00", "1 OR 1=1", three_leads[0]], tier="cold")
    assert messages == ["1 lead moved to the tier Cold."]
    assert "Items must be selected" in apply_action(as_max, "tier", ["x"], tier="cold")[0]


def test_unknown_bulk_action_changes_nothing(as_max, three_leads):
    for verb in ("purge", "delete_selected", "", "note"):
        assert "lead" not in " ".join(apply_action(as_max, verb, three_leads)), verb
    for index in ("x", "7", "-1"):
        apply_action(as_max, "tier", three_leads, tier="cold", index=index)
    assert Lead.objects.filter(contact_name__in=["One", "Two", "Three"]).count() == 3


def test_colleagues_lead_cannot_be_changed_by_key(as_ann, bob):
    lead = make_lead(assigned_to=bob)
    assert "tagged" not in " ".join(apply_action(as_ann, "tag", [lead], tag="x"))
    apply_action(as_ann, "tag", [], tag="x", select_across="1")
    assert reload(lead)[0].tags == []


def test_viewer_has_no_bulk_actions(vera, three_leads):
    page = browser(vera)
    assert 'name="action"' not in page.get(URL).content.decode()
    for verb, data in {"stage": {"stage": "ACTIVE"}, "tier": {"tier": "hot"}, "delete": {}, "assign": {}}.items():
        assert apply_action(page, verb, three_leads, **data) == []
    assert not ActivityLog.objects.exclude(verb="created").exists()


def test_agent_is_offered_permitted_bulk_actions_only(as_ann, three_leads, bob):
    offered = [name for name, _ in as_ann.get(URL).context["action_form"].fields["action"].choices if name]
    assert offered == ["stage", "take", "tier", "set_field", "tag", "untag"]
    assert apply_action(as_ann, "assign", three_leads, owner=bob.pk) == ["No action selected."]
    assert apply_action(as_ann, "delete", three_leads) == ["No action selected."]
    assert not any(lead.is_deleted or lead.assigned_to == bob for lead in reload(*three_leads))
