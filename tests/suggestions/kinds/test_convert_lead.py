"""A won lead is converted from Approvals, once, by the transition of the conversion page."""

import pytest
from django.utils import timezone

from agents.next_best_action.conversions import propose_conversions
from agents.tasks import evaluate_moved_leads
from crm.exceptions import IllegalTransition, InvalidInput
from crm.models import ActivityLog, Client, Project
from crm.records.activity import SYSTEM_ACTOR
from crm.records.transitions import add_note, soft_delete
from leads.conversion.transitions import client_from_lead, convert, undo_conversion
from leads.models import Lead, LeadConversion, LeadStatus, Policy
from leads.transitions import change_status
from suggestions.models import AutonomySetting, Level, Suggestion, SuggestionStatus, SuggestionType
from suggestions.transitions import approve, reject, undo
from suggestions.transitions.propose import propose
from tests.cast import browser, make_client, make_lead, make_suggestion, make_thread, page_text

pytestmark = pytest.mark.django_db
CONVERT = SuggestionType.CONVERT_LEAD


def win(lead: Lead) -> None:
    change_status(lead, LeadStatus.objects.get(pk="CLOSED_WON"), by=SYSTEM_ACTOR)


def test_new_client_with_project_and_policy(ann):
    lead = make_lead(contact_name="Lee", company_name="Lee Inc", line="auto", estimated_value=900, assigned_to=ann)
    content = {"projectName": "Onboarding", "addPolicy": True}
    suggestion = make_suggestion(CONVERT, lead=lead, suggested_content=content)
    assert suggestion.suggested_content["clientName"] == "Lee Inc"
    assert suggestion.suggested_content["clientType"] == "Business"
    approve(suggestion, by=ann)
    client = Client.objects.get()
    assert suggestion.result == {"lead": str(lead.pk), "client": str(client.pk)}
    lead.refresh_from_db()
    assert (client.name, lead.converted_to_client, lead.status_id) == ("Lee Inc", client, "CLOSED_WON")
    assert (Project.objects.get().name, Policy.objects.get().client) == ("Onboarding", client)


def test_existing_client_with_the_same_address_is_pointed_out_and_chosen(ann):
    client = make_client(name="Lee Inc", email="lee@inc.example", assigned_to=ann)
    lead = make_lead(contact_email="LEE@inc.example", assigned_to=ann)
    suggestion = make_suggestion(CONVERT, lead=lead)
    assert [one["code"] for one in suggestion.findings] == ["same-address"]
    page = page_text(browser(ann).get(f"/suggestions/suggestion/{suggestion.pk}/change/"))
    assert "Lee Inc (same address, same email domain)" in page
    approve(suggestion, by=ann, content={**suggestion.suggested_content, "client": str(client.pk)})
    assert suggestion.status == SuggestionStatus.MODIFIED
    assert Lead.objects.get().converted_to_client == client
    assert Client.objects.count() == 1


def test_finding_and_choices_do_not_name_a_client_of_a_colleague(ann, bob):
    make_client(name="Planted Inc", email="lee@inc.example", assigned_to=bob)
    suggestion = make_suggestion(CONVERT, lead=make_lead(contact_email="lee@inc.example", assigned_to=ann))
    page = page_text(browser(ann).get(f"/suggestions/suggestion/{suggestion.pk}/change/"))
    assert "A client with the same address exists" in page
    assert "Planted" not in page


def test_page_shows_what_is_carried_over(ann):
    lead = make_lead(assigned_to=ann, tags=["vip"])
    make_thread(lead=lead), make_thread(lead=lead)
    suggestion = make_suggestion(CONVERT, lead=lead)
    page = page_text(browser(ann).get(f"/suggestions/suggestion/{suggestion.pk}/change/"))
    assert "<h3>Carried over</h3>" in page
    assert '<dt>Conversations</dt> <dd class="pre">2</dd>' in page
    assert '<dt>Tags</dt> <dd class="pre">vip</dd>' in page


def test_undo_takes_the_conversion_back_and_lists_what_stands_in_the_way(ann):
    lead = make_lead(assigned_to=ann)
    suggestion = make_suggestion(CONVERT, lead=lead)
    approve(suggestion, by=ann)
    undo(suggestion, by=ann)
    lead.refresh_from_db()
    assert (lead.converted_at, lead.status_id, suggestion.status) == (None, "NEW_OPPORTUNITIES", "PENDING")
    assert not Client.objects.exists()
    approve(suggestion, by=ann)
    add_note(Client.objects.get(), "Called them", by=ann)
    with pytest.raises(IllegalTransition, match="Later work on the client: Called them"):
        undo(suggestion, by=ann)


def test_undo_after_the_conversion_was_undone_on_the_page_returns_the_suggestion(ann):
    suggestion = make_suggestion(CONVERT, lead=make_lead(assigned_to=ann))
    approve(suggestion, by=ann)
    undo_conversion(LeadConversion.objects.get(), by=ann)
    undo(suggestion, by=ann)
    assert suggestion.status == SuggestionStatus.PENDING


def test_lead_converted_in_the_meantime_is_not_converted_again(ann):
    lead = make_lead(assigned_to=ann)
    suggestion = make_suggestion(CONVERT, lead=lead)
    convert(lead, client_from_lead(lead), by=ann)
    suggestion.lead.refresh_from_db()
    with pytest.raises(IllegalTransition, match="already converted"):
        approve(suggestion, by=ann)
    assert Client.objects.count() == 1


def test_bad_content_gets_a_sentence(ann):
    lead, gone = make_lead(), make_client()
    soft_delete(gone, by=SYSTEM_ACTOR)
    for content, sentence in (
        ({"client": "not a key"}, "client: "),
        ({"client": str(gone.pk)}, "The chosen client is deleted"),
        ({"client": "01a139ac-fa40-7000-8000-1ead00000029"}, "The chosen client no longer exists"),
        ({"clientType": "Alien"}, "This must be one of Individual, Business"),
        ({"clientEmail": "nobody"}, "This must be an address"),
        ({"addPolicy": True}, "The lead has no line of insurance"),
    ):
        with pytest.raises((InvalidInput, IllegalTransition), match=sentence):
            make_suggestion(CONVERT, lead=lead, suggested_content=content)


def test_approved_acceptance_proposes_the_conversion_once(ann):
    lead = make_lead(assigned_to=ann, status_id="PROPOSAL_SENT")
    content = {"status": "CLOSED_WON", "fromStatus": "PROPOSAL_SENT"}
    acceptance = make_suggestion("CHANGE_STATUS", lead=lead, suggested_content=content)
    approve(acceptance, by=ann)
    conversion = Suggestion.objects.get(type=CONVERT)
    assert acceptance.result["suggestions"] == [str(conversion.pk)]
    assert conversion.reasoning == f"{lead} is won and not a client yet."
    assert propose_conversions([lead.pk]) == 0
    undo(acceptance, by=ann)
    propose_conversions([lead.pk])
    conversion.refresh_from_db()
    assert (conversion.status, conversion.reject_code) == ("REJECTED", "SUPERSEDED")


def test_lead_won_by_hand_is_proposed_once_and_withdrawn_when_converted(ann):
    lead, open_lead = make_lead(assigned_to=ann), make_lead()
    win(lead)
    assert propose_conversions([lead.pk, open_lead.pk]) == 1
    assert propose_conversions([lead.pk]) == 0
    suggestion = Suggestion.objects.get()
    assert (suggestion.type, suggestion.autonomy, suggestion.rule) == (CONVERT, Level.SUGGEST, "won lead")
    convert(lead, client_from_lead(lead), by=ann)
    propose_conversions([lead.pk])
    suggestion.refresh_from_db()
    assert suggestion.reject_code == "SUPERSEDED"


def test_conversion_that_was_carried_out_is_not_withdrawn(ann):
    lead = make_lead(assigned_to=ann)
    win(lead)
    propose_conversions([lead.pk])
    suggestion = Suggestion.objects.get()
    approve(suggestion, by=ann)
    before, lines = Suggestion.objects.values().get(), ActivityLog.objects.count()
    assert propose_conversions([lead.pk]) == 0
    assert (Suggestion.objects.values().get(), ActivityLog.objects.count()) == (before, lines)


def test_conversion_that_a_person_proposed_waits_for_a_decision_until_the_lead_is_a_client(ann):
    lead = make_lead(assigned_to=ann)
    suggestion = propose(Suggestion(type=CONVERT, lead=lead, suggested_content={}), by=ann)
    propose_conversions([lead.pk])
    suggestion.refresh_from_db()
    assert suggestion.status == "PENDING"
    convert(lead, client_from_lead(lead), by=ann)
    propose_conversions([lead.pk])
    suggestion.refresh_from_db()
    assert (suggestion.reject_code, suggestion.review_note) == ("SUPERSEDED", "The lead is a client already.")


def test_move_of_the_program_is_withdrawn_once_the_lead_has_left_its_stage(ann):
    lead, other = make_lead(assigned_to=ann, status_id="ACTIVE"), make_lead(assigned_to=ann, status_id="ACTIVE")
    content = {"status": "PROPOSAL_SENT", "fromStatus": "ACTIVE"}
    overtaken = make_suggestion("CHANGE_STATUS", lead=lead, suggested_content=content)
    by_person = propose(Suggestion(type="CHANGE_STATUS", lead=lead, suggested_content=content), by=ann)
    current = make_suggestion("CHANGE_STATUS", lead=other, suggested_content=content)
    convert(lead, client_from_lead(lead), by=ann)
    evaluate_moved_leads([str(lead.pk), str(other.pk)])
    for one in (overtaken, by_person, current):
        one.refresh_from_db()
    assert (overtaken.reject_code, overtaken.review_note) == ("SUPERSEDED", "The lead has moved to Won.")
    assert (by_person.status, current.status) == ("PENDING", "PENDING")


def test_rejected_conversion_is_not_proposed_again(ann):
    lead = make_lead()
    win(lead)
    propose_conversions([lead.pk])
    reject(Suggestion.objects.get(), by=ann, code="NOT_NEEDED")
    assert propose_conversions([lead.pk]) == 0


def test_type_that_is_off_proposes_nothing():
    lead = make_lead()
    win(lead)
    AutonomySetting.objects.create(type=CONVERT, level=Level.OFF)
    assert propose_conversions([lead.pk]) == 0


def test_person_proposes_a_conversion_from_the_page_of_the_lead(max):
    lead = make_lead(contact_email="lee@inc.example")
    client = make_client(name="Lee Inc", email="lee@inc.example")
    url = f"/suggestions/suggestion/add/?type=CONVERT_LEAD&lead={lead.pk}"
    assert "Lee Inc (same address, same email domain)" in page_text(browser(max).get(url))
    data = {"lead": str(lead.pk), "content.client": str(client.pk), "reasoning": ""}
    assert browser(max).post(url, data).status_code == 302
    assert Suggestion.objects.get().suggested_content["client"] == str(client.pk)
    assert Suggestion.objects.get().created_at <= timezone.now()
