"""Somebody who might buy becomes a lead, once, with the conversation they wrote in."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from crm.exceptions import IllegalTransition, InvalidInput
from crm.models import ActivityLog
from crm.records.activity import SYSTEM_ACTOR
from crm.records.transitions import add_note, soft_delete
from inbox.models import Direction, Message
from inbox.transitions import add_to_thread, link
from leads.models import InsuranceType, Lead
from suggestions.models import Suggestion, SuggestionStatus, SuggestionType
from suggestions.transitions import approve, undo
from tests.cast import make_lead, make_suggestion, make_thread
from tests.suggestions.kinds.held_execution import approve_while_paused, resume_and_run

NEW = SuggestionType.CREATE_LEAD
EVERYTHING = {
    "contactName": "Nora New",
    "contactEmail": "nora@example.com",
    "contactPhone": "555 0100",
    "companyName": "New & Sons",
    "companyWebsite": "https://new.example.com",
    "sourceType": "REFERRAL",
    "sourceDetail": "Lee",
    "insuranceType": "auto",
    "estimatedValue": "1200.50",
    "notes": "Two cars.",
}


def make_thread_by_nora():
    thread = make_thread(subject="A quote, please")
    said = timezone.now() - timedelta(days=2)
    add_to_thread(
        Message(thread=thread, direction=Direction.IN, from_email="nora@example.com", body_text="Hi", sent_at=said)
    )
    return thread, said


def test_lead_is_created_with_all_details_and_linked_thread(ann):
    thread, said = make_thread_by_nora()
    suggestion = make_suggestion(NEW, thread=thread, suggested_content=EVERYTHING)
    approve(suggestion, by=ann, confirmed=())
    lead = Lead.objects.get()
    assert (lead.contact_name, lead.contact_email, lead.contact_phone) == ("Nora New", "nora@example.com", "555 0100")
    assert (lead.company_name, lead.company_website) == ("New & Sons", "https://new.example.com")
    assert (lead.source_type, lead.source_detail, lead.notes) == ("REFERRAL", "Lee", "Two cars.")
    assert (lead.insurance_type.code, lead.estimated_value) == ("auto", Decimal("1200.50"))
    thread.refresh_from_db()
    assert thread.lead == lead
    assert lead.last_contact_at == said
    assert suggestion.result == {"lead": str(lead.pk)}
    assert suggestion.lead == lead
    timeline = ActivityLog.objects.on_timeline_of(lead).values_list("verb", flat=True)
    assert set(timeline) == {"created", "linked", "approved"}


def test_source_type_defaults_to_email_with_thread(db):
    suggestion = make_suggestion(NEW, thread=make_thread())
    assert suggestion.suggested_content["sourceType"] == "EMAIL"
    assert make_suggestion(NEW).suggested_content["sourceType"] == "OTHER"


def test_summary_names_lead_and_thread(db):
    thread = make_thread(subject="A quote")
    suggestion = make_suggestion(NEW, thread=thread, suggested_content={**EVERYTHING, "sourceType": "EMAIL"})
    said = ActivityLog.objects.for_target(suggestion).get().summary
    expected = "Create a lead for Nora New of New & Sons (nora@example.com) and link the conversation “A quote” to it."
    assert said == expected


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("contactName", "  ", "contactName: This must not be empty."),
        ("contactEmail", "nora@example.com\nBcc: all@example.com", "contactEmail: This must be an address"),
        ("contactEmail", "nora", "contactEmail: This must be an address"),
        ("companyWebsite", "javascript:alert(1)", "companyWebsite: This must be a web address"),
        ("sourceType", "DREAM", "sourceType: This must be one of REFERRAL"),
        ("insuranceType", "dragons", "There is no line of insurance “dragons”."),
        ("estimatedValue", "-1", "estimatedValue: This must be at least 0."),
        ("estimatedValue", "1e30", "estimatedValue: "),
        ("estimatedValue", "NaN", "estimatedValue: This must be a number."),
        ("contactPhone", "5" * 41, "contactPhone: This must have at most 40 characters."),
    ],
)
def test_invalid_lead_is_refused(db, field, value, sentence):
    with pytest.raises(InvalidInput) as refused:
        make_suggestion(NEW, suggested_content={**EVERYTHING, field: value})
    assert sentence in str(refused.value)
    assert not Suggestion.objects.exists()


def test_inactive_insurance_type_is_refused(db):
    InsuranceType.objects.filter(code="auto").update(is_active=False)
    with pytest.raises(InvalidInput, match="no line of insurance “auto”"):
        make_suggestion(NEW, suggested_content=EVERYTHING)


def test_duplicate_address_is_refused_without_naming_the_lead(db):
    make_lead(contact_name="Nora Old", contact_email="NORA@example.com")
    with pytest.raises(IllegalTransition, match="already has the address") as refusal:
        make_suggestion(NEW, suggested_content=EVERYTHING)
    assert "Nora Old" not in str(refusal.value)


def test_thread_with_a_lead_is_refused(db):
    with pytest.raises(IllegalTransition, match="belongs to a lead already"):
        make_suggestion(NEW, thread=make_thread(lead=make_lead(contact_name="Lee")))


def test_duplicate_lead_before_execution_fails(ann):
    suggestion = make_suggestion(NEW)
    execution = approve_while_paused(suggestion, ann)
    make_lead(contact_name="Nora Twin", contact_email="nora@example.com")
    assert resume_and_run(suggestion, execution).state == "FAILED"
    assert suggestion.status == SuggestionStatus.FAILED
    assert suggestion.error_message.startswith("Another open lead already has the address ")
    assert Lead.objects.count() == 1


def test_thread_deleted_before_execution_fails(ann):
    suggestion = make_suggestion(NEW, thread=make_thread(subject="Gone"))
    execution = approve_while_paused(suggestion, ann)
    soft_delete(suggestion.thread, by=SYSTEM_ACTOR)
    assert resume_and_run(suggestion, execution).state == "FAILED"
    assert "“Gone” is deleted; restore it first" in suggestion.error_message
    assert not Lead.objects.exists()


def test_undo_deletes_lead_and_can_be_approved_again(ann):
    thread, _ = make_thread_by_nora()
    suggestion = make_suggestion(NEW, thread=thread)
    approve(suggestion, by=ann)
    lead = suggestion.lead
    undo(suggestion, by=ann)
    lead.refresh_from_db()
    thread.refresh_from_db()
    assert lead.is_deleted
    assert thread.lead is None
    assert (suggestion.status, suggestion.lead) == (SuggestionStatus.PENDING, None)
    approve(suggestion, by=ann)
    assert Lead.objects.get() == suggestion.lead != lead


def test_undo_is_refused_when_lead_was_modified(ann):
    suggestion = make_suggestion(NEW)
    approve(suggestion, by=ann)
    add_note(suggestion.lead, "Has a dog.", by=ann)
    with pytest.raises(IllegalTransition, match="has been worked on since .Has a dog"):
        undo(suggestion, by=ann)
    suggestion.lead.refresh_from_db()
    assert not suggestion.lead.is_deleted
    assert suggestion.status == SuggestionStatus.APPROVED


def test_undo_ignores_pending_suggestions_for_the_lead(ann):
    suggestion = make_suggestion(NEW)
    approve(suggestion, by=ann)
    make_suggestion(lead=suggestion.lead)
    undo(suggestion, by=ann)
    assert not Lead.objects.exists()


def test_undo_keeps_thread_that_was_linked_elsewhere(ann):
    thread, _ = make_thread_by_nora()
    suggestion = make_suggestion(NEW, thread=thread)
    approve(suggestion, by=ann)
    other = make_lead()
    link(thread, lead=other, by=ann)
    undo(suggestion, by=ann)
    thread.refresh_from_db()
    assert thread.lead == other
    assert list(Lead.objects.all()) == [other]
