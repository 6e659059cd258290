"""What a lead's contact preferences forbid is not proposed, not approved and not sent."""

import pytest

from leads.models import Lead
from suggestions.models import Suggestion, SuggestionExecution
from suggestions.policy.consent import ContactNotPermitted
from suggestions.transitions import submit
from tests.cast import make_lead, make_suggestion
from tests.suggestions.email_execution import approve_confirming_all, run_latest_execution

NO_EMAIL = {"email": {"do_not_contact": True}}
NO_CALLS = {"phone": {"do_not_contact": True}}


@pytest.mark.parametrize(
    ("type", "communications", "content", "channel"),
    [
        ("SEND_EMAIL", NO_EMAIL, {}, "email"),
        ("SEND_PROPOSAL", NO_EMAIL, {}, "email"),
        ("REPLY", NO_EMAIL, {}, "email"),
        ("SCHEDULE_CALL", NO_EMAIL, {}, "email"),
        ("SCHEDULE_CALL", NO_CALLS, {}, "phone"),
        ("SCHEDULE_CALL", NO_CALLS, {"channel": "video"}, ""),
        ("FOLLOW_UP", NO_EMAIL, {}, "email"),
        ("FOLLOW_UP", NO_EMAIL, {"suggestedAction": "TASK"}, ""),
        ("FOLLOW_UP", NO_CALLS, {"suggestedAction": "SCHEDULE_CALL"}, "phone"),
        ("SEND_EMAIL", {"email": {"consent": False}}, {}, "email"),
        ("REPLY", {"email": {"consent": False}}, {}, ""),
        ("TASK", {"do_not_contact": True}, {}, ""),
        ("CHANGE_STATUS", {"do_not_contact": True}, {}, ""),
    ],
)
def test_closed_channel_refuses_the_proposal_with_the_reason(db, type, communications, content, channel):
    allowed = make_suggestion(type)
    given = {**allowed.suggested_content, **content}
    kw = {"lead": allowed.lead, "thread": allowed.thread, "suggested_content": given}
    Lead.objects.filter(pk=allowed.lead_id).update(communications=communications)
    if not channel:
        assert make_suggestion(type, **kw).pk
        return
    with pytest.raises(ContactNotPermitted, match=f"does not want to be contacted by {channel}."):
        make_suggestion(type, **kw)


def test_consent_withdrawn_later_stops_approval_and_submission(ann):
    waiting, draft = make_suggestion("SEND_EMAIL"), make_suggestion("SEND_EMAIL")
    Suggestion.objects.filter(pk=draft.pk).update(status="DRAFT")
    Lead.objects.update(communications=NO_EMAIL)
    with pytest.raises(ContactNotPermitted):
        approve_confirming_all(waiting, ann)
    draft.refresh_from_db()
    with pytest.raises(ContactNotPermitted):
        submit(draft, by=ann)


def test_consent_withdrawn_after_approval_stops_the_email(smtp_sink, ann):
    suggestion = make_suggestion("SEND_EMAIL", lead=make_lead(contact_name="Lee Lead", assigned_to=ann))
    approve_confirming_all(suggestion, ann)
    Lead.objects.update(communications=NO_EMAIL)
    run_latest_execution(suggestion)
    assert smtp_sink.emails == []
    assert SuggestionExecution.objects.get().state == "FAILED"
    assert "does not want to be contacted by email" in suggestion.error_message


def test_changed_preferences_make_the_lead_due(db):
    lead = make_lead()
    Lead.objects.filter(pk=lead.pk).update(next_look_at=None)
    Lead.objects.filter(pk=lead.pk).update(communications={})
    lead.refresh_from_db()
    assert lead.next_look_at is None
    Lead.objects.filter(pk=lead.pk).update(communications=NO_EMAIL)
    lead.refresh_from_db()
    assert lead.next_look_at is not None
