"""What a lead's contact preferences forbid is not proposed, not approved and not sent."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agents.tasks import withdraw_refused
from crm.models import ActivityLog, Client
from crm.records.activity import SYSTEM_ACTOR
from leads.conversion.transitions import client_from_lead, convert
from leads.models import Lead
from suggestions.models import Suggestion, SuggestionExecution
from suggestions.policy.consent import ContactNotPermitted
from suggestions.transitions import submit
from tests.cast import make_client, make_lead, make_suggestion
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


def test_suggestion_that_a_client_forbids_later_is_withdrawn(db):
    client, other = (make_client(name=name, email=f"{name}@x.example") for name in ("Nora", "Otto"))
    email, call, task = (make_suggestion(type, client=client) for type in ("SEND_EMAIL", "SCHEDULE_CALL", "TASK"))
    of_other = make_suggestion("SEND_EMAIL", client=other)
    withdraw_refused(0)
    Client.objects.filter(pk=client.pk).update(communications=NO_CALLS)
    withdraw_refused(0)
    assert statuses(email, call, task, of_other) == ["PENDING", "REJECTED", "PENDING", "PENDING"]
    assert (call.reject_code, call.review_note) == ("SUPERSEDED", "The client does not want to be contacted by phone.")
    line = ActivityLog.objects.on_timeline_of(client).get(verb="superseded")
    assert line.summary.endswith("The client does not want to be contacted by phone.")
    Client.objects.filter(pk=client.pk).update(communications=NO_EMAIL)
    withdraw_refused(0)
    assert statuses(email, task, of_other) == ["REJECTED", "PENDING", "PENDING"]


def test_suggestion_that_the_client_of_a_converted_lead_forbids_is_withdrawn(db):
    lead = make_lead()
    client = convert(lead, client_from_lead(lead), by=SYSTEM_ACTOR).client
    suggestion = make_suggestion("SEND_EMAIL", lead=lead)
    withdraw_refused(0)
    assert statuses(suggestion) == ["PENDING"]
    Client.objects.filter(pk=client.pk).update(communications=NO_EMAIL)
    withdraw_refused(0)
    assert statuses(suggestion) == ["REJECTED"]


def test_answer_that_a_client_still_allows_is_not_withdrawn(db):
    client = make_client(email="lee@example.com")
    answer, email = make_suggestion("REPLY", client=client), make_suggestion("SEND_EMAIL", client=client)
    Client.objects.update(communications={"email": {"consent": False}})
    withdraw_refused(0)
    assert statuses(answer, email) == ["PENDING", "REJECTED"]


def test_looking_for_refused_suggestions_is_one_statement_however_many_wait(db):
    client = make_client(email="lee@example.com", communications=NO_CALLS)
    for count in (1, 20):
        for _ in range(count):
            make_suggestion("SEND_EMAIL", client=client)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            withdraw_refused(0)
        assert len(queries) == 1


def statuses(*suggestions: Suggestion) -> list[str]:
    for one in suggestions:
        one.refresh_from_db()
    return [one.status for one in suggestions]
