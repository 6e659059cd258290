"""SEND_EMAIL: what was approved arrives, once, or fails visibly."""

from datetime import timedelta
from unittest.mock import ANY

import pytest
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from crm.exceptions import IllegalTransition, InvalidInput
from crm.models import ActivityLog
from crm.records.transitions import soft_delete
from inbox.filters import with_unsent_messages
from inbox.models import EmailDelivery, Mailbox, Message, MessageState, Thread
from inbox.models.email_template import EmailTemplate
from inbox.outgoing import outbox, send_queue
from inbox.outgoing.send_queue import confirm_sent
from suggestions.autonomy.kill_switch import pause_execution, resume_execution
from suggestions.kinds import KINDS
from suggestions.models import ExecutionPause, SuggestionStatus
from suggestions.tasks import recover_lost_executions
from suggestions.transitions import (
    approve,
    email_delivery,
    reject,
    restore_rejected,
    run_execution,
    settle_unknown_outcome,
    undo,
)
from tests.cast import make_client, make_lead, make_suggestion, make_thread, page_text
from tests.killing import Killed, kill_at
from tests.suggestions.email_execution import approve_and_send, approve_confirming_all, run_latest_execution

HELLO = {"subject": "Your quote, {{first_name}}", "body": "Dear {{ lead_name }},\n\nhere it is.\n\n{{sender_name}}"}


@pytest.fixture
def lead(ann):
    return make_lead(contact_name="Dr. Lee Lead", contact_email="lee@example.com", assigned_to=ann)


def make_email_suggestion(lead, **content):
    return make_suggestion("SEND_EMAIL", lead=lead, suggested_content={**HELLO, **content})


def test_approved_email_is_delivered_once(smtp_sink, lead, ann):
    suggestion = make_email_suggestion(lead)
    assert suggestion.suggested_content["to"] == ["lee@example.com"]
    shown = dict(
        KINDS["SEND_EMAIL"].preview(KINDS["SEND_EMAIL"].parse_content(suggestion.suggested_content), suggestion, ann)
    )
    suggestion = approve_and_send(suggestion, ann)
    [mail] = smtp_sink.emails
    assert mail["Subject"] == shown["Subject"] == "Your quote, Lee"
    text = mail.get_body(("plain",)).get_content()
    assert text == shown["Text"] + "\n" == "Dear Dr. Lee Lead,\n\nhere it is.\n\nAnn\n"
    assert (mail["From"], mail["To"]) == (shown["From"], shown["To"])
    assert mail["Reply-To"] == f"Ann <{shown['Reply-to']}>"
    message = Message.objects.get()
    assert mail["Message-ID"] == message.message_id
    assert suggestion.status == SuggestionStatus.APPROVED
    assert suggestion.result == {"thread": str(message.thread_id), "message": str(message.pk)}
    execution = suggestion.executions.get()
    assert (execution.state, execution.external_reference) == ("SUCCEEDED", message.message_id)
    assert message.message_id.startswith(f"<{execution.idempotency_key}@")
    lead.refresh_from_db()
    assert (message.state, lead.last_contact_at, lead.awaiting_reply) == (MessageState.SENT, message.sent_at, True)
    assert (message.thread.lead, message.thread.participant_emails) == (lead, ["lee@example.com"])
    assert ActivityLog.objects.filter(about_id=lead.pk, verb="approved").exists()
    run_execution(execution.pk)
    assert len(smtp_sink.data) == 1


def test_email_can_be_undone_for_ten_seconds(smtp_sink, lead, ann):
    suggestion = approve_confirming_all(make_email_suggestion(lead), ann)
    execution = suggestion.executions.get()
    assert timedelta(seconds=8) < execution.run_after - timezone.now() <= timedelta(seconds=10)
    run_execution(execution.pk)
    undo(suggestion, by=ann)
    suggestion = run_latest_execution(suggestion)
    assert (suggestion.status, smtp_sink.data) == (SuggestionStatus.PENDING, [])
    assert not Message.objects.exists() and not Thread.objects.exists()
    approve_and_send(suggestion, ann)
    assert len(smtp_sink.data) == Message.objects.count() == Thread.objects.count() == 1


def test_sent_email_cannot_be_undone(smtp_sink, lead, ann):
    suggestion = approve_and_send(make_email_suggestion(lead), ann)
    with pytest.raises(IllegalTransition, match="An email that was sent cannot be taken back."):
        undo(suggestion, by=ann)


def test_rejected_email_fails_and_can_be_retried(smtp_sink, lead, ann):
    smtp_sink.fault = "spam"
    suggestion = approve_and_send(make_email_suggestion(lead), ann)
    assert suggestion.status == SuggestionStatus.FAILED
    assert suggestion.error_message == "The mail server rejected the email: 554 5.7.1 this looks like spam."
    message = Message.objects.get()
    assert (message.state, message.error_message) == (MessageState.FAILED, suggestion.error_message)
    lead.refresh_from_db()
    assert lead.last_contact_at is None
    smtp_sink.fault = ""
    assert approve_and_send(suggestion, ann).status == SuggestionStatus.APPROVED
    assert [one.state for one in Message.objects.all()] == [MessageState.SENT]
    assert len(smtp_sink.data) == 1


def test_deferred_email_is_retried(smtp_sink, lead, ann):
    smtp_sink.fault = "try later"
    suggestion = approve_and_send(make_email_suggestion(lead), ann)
    execution = suggestion.executions.get()
    assert (execution.state, execution.retry_count) == ("QUEUED", 1)
    smtp_sink.fault = ""
    assert run_latest_execution(suggestion).executed_at
    assert len(smtp_sink.data) == 1


@pytest.mark.parametrize("happened", [True, False])
def test_uncertain_delivery_is_settled_by_a_person(smtp_sink, lead, ann, happened):
    smtp_sink.fault = "cut"
    suggestion = approve_and_send(make_email_suggestion(lead), ann)
    assert "delivery unconfirmed" in suggestion.error_message
    assert Message.objects.get().state == MessageState.UNCERTAIN
    assert suggestion.executions.get().state == "UNKNOWN"
    smtp_sink.fault = ""
    settle_unknown_outcome(suggestion, happened=happened, by=ann)
    suggestion = suggestion if happened else run_latest_execution(suggestion)
    suggestion.refresh_from_db()
    assert suggestion.status == SuggestionStatus.APPROVED
    message = Message.objects.get()
    assert (message.state, len(smtp_sink.data)) == (MessageState.SENT, 0 if happened else 1)
    assert suggestion.result["message"] == str(message.pk)


def test_uncertain_delivery_is_settled_by_the_sent_folder(smtp_sink, lead, ann):
    smtp_sink.fault = "cut"
    suggestion = approve_and_send(make_email_suggestion(lead), ann)
    confirm_sent(Mailbox.objects.create(address="office@agency.example"), ["<another@agency.example>"])
    assert suggestion.executions.get().state == "UNKNOWN"
    confirm_sent(Mailbox.objects.get(address="office@agency.example"), [Message.objects.get().message_id])
    suggestion.refresh_from_db()
    assert ActivityLog.objects.get(verb="settled").summary == "Found in the Sent folder: it was sent."
    assert (suggestion.status, suggestion.executions.get().state) == (SuggestionStatus.APPROVED, "SUCCEEDED")
    assert suggestion.result["message"] == str(Message.objects.get().pk)


def test_worker_killed_while_sending_leaves_delivery_unconfirmed(smtp_sink, lead, ann):
    suggestion = approve_confirming_all(make_email_suggestion(lead), ann)
    EmailDelivery.objects.update(claimed_at=timezone.now(), run_after=timezone.now())
    Message.objects.update(state=MessageState.SENDING)
    run_execution(suggestion.executions.get().pk)
    assert (suggestion.executions.get().state, smtp_sink.data) == ("UNKNOWN", [])


def test_worker_killed_before_sending_sends_once(smtp_sink, lead, ann):
    suggestion = approve_confirming_all(make_email_suggestion(lead), ann)
    EmailDelivery.objects.update(claimed_at=timezone.now(), run_after=timezone.now())
    run_execution(suggestion.executions.get().pk)
    assert suggestion.executions.get().state == "SUCCEEDED"
    assert len(smtp_sink.data) == 1


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"body": "{{__class__}}"}, r"Unknown placeholder “\{\{__class__\}\}”"),
        ({"body": "{{ lead.password }}"}, "Unknown placeholder"),
        ({"subject": "{{}}"}, "Unknown placeholder"),
        ({"body": "{{ {{first_name}} }}"}, "not closed by “}}”"),
        ({"to": ["lee@example.com\r\nBcc: eve@example.com"]}, "to: .*line break"),
        ({"to": ["x"] * 11}, "to: There must be at most 10"),
        ({"to": ["lее@example.com"]}, "to: .*ASCII"),
        ({"subject": "a\nBcc: eve@example.com"}, "The subject contains a line break"),
        ({"templateId": "nonsense"}, "templateId: This must be the key of a record"),
        ({"templateId": "0192f0c1-2345-7678-9abc-def012345678"}, "There is no such template"),
        ({"body": "x" * 1_000_000}, "body: This must have at most 20,000"),
        ({"bcc": "eve@example.com"}, "bcc: There is no such field"),
    ],
)
def test_unsendable_email_is_refused_on_proposal(lead, content, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        make_email_suggestion(lead, **content)


@pytest.mark.parametrize("template", [None, ""])
def test_email_without_template_is_accepted(lead, template):
    assert make_email_suggestion(lead, templateId=template).suggested_content["templateId"] is None


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"body": "{{company_name}}"}, r"No value for \{\{company_name\}\}"),
        ({"body": "It costs [[the price]].", "subject": "[[subject]]"}, "Fill in before sending: subject, the price."),
    ],
)
def test_gap_or_empty_placeholder_blocks_sending_and_says_which(lead, ann, content, sentence):
    suggestion = make_email_suggestion(lead, **content)
    with pytest.raises(InvalidInput, match=sentence):
        approve_confirming_all(suggestion, ann)
    suggestion.refresh_from_db()
    assert suggestion.status == "PENDING" and not suggestion.executions.exists()


def test_filled_in_values_are_not_expanded_again(smtp_sink, ann):
    lead = make_lead(contact_name="{{sender_email}} {{__class__}}", contact_email="lee@example.com")
    approve_and_send(make_email_suggestion(lead, subject="Hi", body="Dear {{lead_name}}"), ann)
    assert smtp_sink.emails[0].get_body(("plain",)).get_content() == "Dear {{sender_email}} {{__class__}}\n"


def test_markup_is_escaped(smtp_sink, lead, ann):
    approve_and_send(make_email_suggestion(lead, body="<script>alert(1)</script> & <b>"), ann)
    html = smtp_sink.emails[0].get_body(("html",)).get_content()
    assert "<script>" not in html and "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &lt;b&gt;" in html


def test_template_placeholders_are_filled_in_on_sending(smtp_sink, lead, ann):
    template = EmailTemplate.objects.create(name="Ours", subject="Hello {{first_name}}", body="From {{agency_name}}.")
    suggestion = make_suggestion("SEND_EMAIL", lead=lead, suggested_content={"templateId": str(template.pk)})
    assert suggestion.suggested_content["subject"] == "Hello {{first_name}}"
    approve_and_send(suggestion, ann)
    assert smtp_sink.emails[0]["Subject"] == "Hello Lee"
    assert smtp_sink.emails[0].get_body(("plain",)).get_content() == "From Birchfield Insurance.\n"


def test_email_to_client_is_sent(smtp_sink, ann):
    client = make_client(name="Clara Client", email="clara@example.com")
    suggestion = make_suggestion("SEND_EMAIL", client=client, suggested_content=HELLO)
    approve_and_send(suggestion, ann)
    assert (smtp_sink.emails[0]["To"], smtp_sink.emails[0]["Subject"]) == ("clara@example.com", "Your quote, Clara")
    assert Thread.objects.get().client == client


def test_lead_deleted_before_execution_fails(smtp_sink, lead, ann, ada):
    suggestion = approve_confirming_all(make_email_suggestion(lead), ann)
    soft_delete(lead, by=ada)
    suggestion = run_latest_execution(suggestion)
    assert (suggestion.status, smtp_sink.data) == (SuggestionStatus.FAILED, [])
    assert "is deleted" in suggestion.error_message
    assert Message.objects.get().state == MessageState.FAILED


def test_permission_revoked_before_execution_fails(smtp_sink, lead, ann):
    suggestion = approve_confirming_all(make_email_suggestion(lead), ann)
    ann.groups.clear()
    suggestion = run_latest_execution(suggestion)
    assert (suggestion.status, smtp_sink.data) == (SuggestionStatus.FAILED, [])


def test_unknown_address_must_be_confirmed(lead, ann):
    with pytest.raises(InvalidInput, match="eve@example.com is not a known address"):
        approve(make_email_suggestion(lead, to=["eve@example.com"]), by=ann)


def test_email_joins_the_suggestions_email_thread(smtp_sink, lead, ann):
    thread = make_thread(lead=lead)
    approve_and_send(make_suggestion("SEND_EMAIL", lead=lead, thread=thread, suggested_content=HELLO), ann)
    assert Message.objects.get().thread == thread
    call = make_thread(lead=lead, source="CALL")
    approve_and_send(make_suggestion("SEND_EMAIL", lead=lead, thread=call, suggested_content=HELLO), ann)
    assert call.messages.count() == 0 and len(smtp_sink.data) == 2


def test_editing_failed_email_replaces_it(smtp_sink, lead, ann):
    smtp_sink.fault = "spam"
    suggestion = approve_and_send(make_email_suggestion(lead), ann)
    smtp_sink.fault = ""
    approve_and_send(suggestion, ann, content={**suggestion.approved_content, "body": "Another text."})
    assert len(smtp_sink.data) == 1
    assert [one.state for one in Message.objects.all()] == [MessageState.SENT]
    assert sorted(Message.everything.values_list("state", flat=True)) == ["FAILED", "SENT"]
    assert (Thread.objects.count(), Thread.objects.get().message_count) == (1, 1)


def test_rejecting_failed_email_removes_it(smtp_sink, lead, ann):
    smtp_sink.fault = "spam"
    suggestion = approve_and_send(make_email_suggestion(lead), ann)
    assert with_unsent_messages(Thread.objects.all()).exists()
    reject(suggestion, reason="We rang them instead.", by=ann)
    assert not Message.objects.exists() and not Thread.objects.exists()
    smtp_sink.fault = ""
    restore_rejected(suggestion, by=ann)
    assert approve_and_send(suggestion, ann).status == SuggestionStatus.APPROVED
    assert ([one.state for one in Message.objects.all()], len(smtp_sink.data)) == ([MessageState.SENT], 1)


def test_deferred_email_shows_reason_and_retry_time(smtp_sink, ann, as_ann):
    suggestion = make_suggestion("SEND_EMAIL", lead=make_lead(assigned_to=ann))
    smtp_sink.fault = "try later"
    approve_and_send(suggestion, ann)
    page = page_text(as_ann.get(f"/suggestions/suggestion/{suggestion.pk}/change/"))
    assert "Previous attempt: The mail server rejected" in page and "greylisted" in page
    assert "rescheduled 1 time<" in page and '<td class="small"> due ' in page


def pause_while_building(monkeypatch, by) -> None:
    """Stop the execution of everything after the email was claimed, and before it is handed over."""
    build_email = outbox.build_email

    def stop_and_build(message, **kw):
        ExecutionPause.objects.get_or_create(type="", defaults={"reason": "Wait.", "by": by})
        return build_email(message, **kw)

    monkeypatch.setattr(outbox, "build_email", stop_and_build)


def test_paused_email_waits_without_jobs_and_is_sent_after_resume(smtp_sink, lead, ann, max):
    suggestion = approve_confirming_all(make_email_suggestion(lead), ann)
    pause_execution("SEND_EMAIL", by=max)
    run_latest_execution(suggestion)
    assert (suggestion.executions.get().state, Message.objects.get().state) == ("QUEUED", MessageState.QUEUED)
    ProcrastinateJob.objects.all().delete()
    EmailDelivery.objects.update(run_after=timezone.now() - timedelta(hours=1))
    assert send_queue.requeue_due_deliveries(timezone.now()) == 0
    assert resume_execution("SEND_EMAIL", by=max) == 1
    assert [job.task_name for job in ProcrastinateJob.objects.all()] == [send_queue.SEND_TASK]
    assert (run_latest_execution(suggestion).status, len(smtp_sink.data)) == (SuggestionStatus.APPROVED, 1)


def test_pause_right_before_the_data_keeps_the_email_queued(smtp_sink, lead, ann, max, monkeypatch):
    suggestion = approve_confirming_all(make_email_suggestion(lead), ann)
    pause_while_building(monkeypatch, max)
    run_latest_execution(suggestion)
    execution, delivery = suggestion.executions.get(), EmailDelivery.objects.get()
    assert (execution.state, execution.error, smtp_sink.data) == ("QUEUED", "It was stopped before it went out.", [])
    assert (execution.retry_count, execution.run_after) == (delivery.retry_count, delivery.run_after) == (1, ANY)


def test_undo_right_before_the_data_wins(smtp_sink, lead, ann, monkeypatch):
    suggestion = approve_confirming_all(make_email_suggestion(lead), ann)
    build_email = outbox.build_email

    def undo_and_build(message, **kw):
        undo(suggestion, by=ann)
        return build_email(message, **kw)

    monkeypatch.setattr(outbox, "build_email", undo_and_build)
    suggestion = run_latest_execution(suggestion)
    assert (suggestion.status, suggestion.executions.get().state) == (SuggestionStatus.PENDING, "CANCELLED")
    assert smtp_sink.data == [] and not Message.objects.exists()
    assert EmailDelivery.objects.get().finished_at is not None


def test_lost_job_of_an_email_is_requeued_by_the_send_queue_alone(lead, ann):
    suggestion = approve_confirming_all(make_email_suggestion(lead), ann)
    ProcrastinateJob.objects.all().delete()
    for rows in (suggestion.executions.all(), EmailDelivery.objects.all()):
        rows.update(run_after=timezone.now() - timedelta(hours=1))
    recover_lost_executions(0)
    assert not ProcrastinateJob.objects.exists()
    assert send_queue.requeue_due_deliveries(timezone.now()) == 1


def test_execution_without_its_email_fails(lead, ann):
    suggestion = approve_confirming_all(make_email_suggestion(lead), ann)
    Message.objects.all().delete()
    suggestion.executions.update(run_after=timezone.now() - timedelta(hours=1))
    recover_lost_executions(0)
    suggestion = run_latest_execution(suggestion)
    assert suggestion.status == SuggestionStatus.FAILED
    assert suggestion.error_message == "The email that was composed for this no longer exists."


@pytest.mark.parametrize(
    ("module", "name", "after", "state", "arrived"),
    [
        (send_queue, "claim_delivery", False, "SUCCEEDED", 1),
        (send_queue, "claim_delivery", True, "SUCCEEDED", 1),
        (outbox, "claim", False, "SUCCEEDED", 1),
        (outbox, "claim", True, "UNKNOWN", 0),
        (outbox, "send_via_smtp", True, "UNKNOWN", 1),
        (outbox, "mark_email_sent", True, "UNKNOWN", 1),
        (email_delivery, "mark_succeeded", True, "UNKNOWN", 1),
        (send_queue, "settle_delivery", True, "SUCCEEDED", 1),
    ],
)
@pytest.mark.django_db(transaction=True)
def test_killed_worker_sends_at_most_once_and_execution_follows(
    smtp_sink, lead, ann, monkeypatch, module, name, after, state, arrived
):
    suggestion = approve_confirming_all(make_email_suggestion(lead), ann)
    for _ in kill_at(monkeypatch, module, name, after=after):
        with pytest.raises(Killed):
            run_latest_execution(suggestion)
    suggestion = run_latest_execution(suggestion)
    execution, message = suggestion.executions.get(), Message.objects.get()
    assert (execution.state, len(smtp_sink.data)) == (state, arrived)
    assert message.state == (MessageState.SENT if state == "SUCCEEDED" else MessageState.UNCERTAIN)
    assert EmailDelivery.objects.get().finished_at is not None
