"""SEND_EMAIL: what was approved arrives, once, or fails visibly."""

from datetime import timedelta

import pytest
from django.utils import timezone

from crm.exceptions import BadInput, IllegalMove
from crm.models import ActivityLog
from crm.records.transitions import soft_delete
from inbox.filters import not_sent
from inbox.models import Mailbox, Message, MessageState, Thread
from inbox.models.email_template import EmailTemplate
from inbox.outgoing.send_queue import proven
from suggestions import tasks
from suggestions.kinds import KINDS
from suggestions.models import SuggestionStatus
from suggestions.transitions import approve, carry_out, put_back, reject, settle, undo
from tests.cast import make_client, make_lead, make_suggestion, make_thread
from tests.suggestions.mails import carried, let_go, sent

HELLO = {"subject": "Your quote, {{first_name}}", "body": "Dear {{ lead_name }},\n\nhere it is.\n\n{{sender_name}}"}


@pytest.fixture
def lead(ann):
    return make_lead(contact_name="Dr. Lee Lead", contact_email="lee@example.com", assigned_to=ann)


def mail_to(lead, **content):
    return make_suggestion("SEND_EMAIL", lead=lead, suggested_content={**HELLO, **content})


def test_what_was_approved_arrives(post, lead, ann):
    suggestion = mail_to(lead)
    assert suggestion.suggested_content["to"] == ["lee@example.com"]
    shown = dict(KINDS["SEND_EMAIL"].preview(KINDS["SEND_EMAIL"].check(suggestion.suggested_content), suggestion, ann))
    suggestion = sent(suggestion, ann)
    [mail] = post.mails
    assert mail["Subject"] == shown["Subject"] == "Your quote, Lee"
    text = mail.get_body(("plain",)).get_content()
    assert text == shown["Text"] + "\n" == "Dear Dr. Lee Lead,\n\nhere it is.\n\nAnn\n"
    assert (mail["From"], mail["To"]) == (shown["From"], shown["To"])
    assert mail["Reply-To"] == f"Ann <{shown['Answers go to']}>"
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
    carry_out(execution.pk)
    assert len(post.data) == 1


def test_for_ten_seconds_it_can_be_taken_back(post, lead, ann):
    suggestion = let_go(mail_to(lead), ann)
    execution = suggestion.executions.get()
    assert timedelta(seconds=8) < execution.run_after - timezone.now() <= timedelta(seconds=10)
    carry_out(execution.pk)
    undo(suggestion, by=ann)
    suggestion = carried(suggestion)
    assert (suggestion.status, post.data) == (SuggestionStatus.PENDING, [])
    assert not Message.objects.exists() and not Thread.objects.exists()
    sent(suggestion, ann)
    assert len(post.data) == Message.objects.count() == Thread.objects.count() == 1


def test_sent_it_cannot_be_taken_back(post, lead, ann):
    suggestion = sent(mail_to(lead), ann)
    with pytest.raises(IllegalMove, match="A mail that went out cannot be taken back."):
        undo(suggestion, by=ann)


def test_refused_it_has_failed_says_why_and_can_be_tried_again(post, lead, ann):
    post.fault = "spam"
    suggestion = sent(mail_to(lead), ann)
    assert suggestion.status == SuggestionStatus.FAILED
    assert suggestion.error_message == "The mail server refused the mail: 554 5.7.1 this looks like spam."
    message = Message.objects.get()
    assert (message.state, message.error_message) == (MessageState.FAILED, suggestion.error_message)
    lead.refresh_from_db()
    assert lead.last_contact_at is None
    post.fault = ""
    assert sent(suggestion, ann).status == SuggestionStatus.APPROVED
    assert [one.state for one in Message.objects.all()] == [MessageState.SENT]
    assert len(post.data) == 1


def test_put_off_it_is_tried_again_by_itself(post, lead, ann):
    post.fault = "try later"
    suggestion = sent(mail_to(lead), ann)
    execution = suggestion.executions.get()
    assert (execution.state, execution.put_off) == ("QUEUED", 1)
    post.fault = ""
    assert carried(suggestion).executed_at
    assert len(post.data) == 1


@pytest.mark.parametrize("happened", [True, False])
def test_cut_off_a_person_says_what_became_of_it(post, lead, ann, happened):
    post.fault = "cut"
    suggestion = sent(mail_to(lead), ann)
    assert "nobody knows" in suggestion.error_message
    assert Message.objects.get().state == MessageState.UNCERTAIN
    assert suggestion.executions.get().state == "UNKNOWN"
    post.fault = ""
    settle(suggestion, happened=happened, by=ann)
    suggestion = suggestion if happened else carried(suggestion)
    suggestion.refresh_from_db()
    assert suggestion.status == SuggestionStatus.APPROVED
    message = Message.objects.get()
    assert (message.state, len(post.data)) == (MessageState.SENT, 0 if happened else 1)
    assert suggestion.result["message"] == str(message.pk)


def test_what_is_found_among_what_was_sent_is_settled_by_itself(post, lead, ann):
    post.fault = "cut"
    suggestion = sent(mail_to(lead), ann)
    tasks.find_lost(0)
    assert suggestion.executions.get().state == "UNKNOWN"
    proven(Mailbox.objects.create(address="office@agency.example"), [Message.objects.get().message_id])
    tasks.find_lost(0)
    suggestion.refresh_from_db()
    assert (suggestion.status, suggestion.executions.get().state) == (SuggestionStatus.APPROVED, "SUCCEEDED")
    assert suggestion.result["message"] == str(Message.objects.get().pk)


def test_a_program_that_died_while_sending_leaves_it_to_a_person(post, lead, ann):
    suggestion = let_go(mail_to(lead), ann)
    suggestion.executions.update(state="RUNNING", run_after=timezone.now())
    Message.objects.update(state=MessageState.SENDING)
    carry_out(suggestion.executions.get().pk)
    assert (suggestion.executions.get().state, post.data) == ("UNKNOWN", [])


def test_a_program_that_died_before_sending_sends_it_once_it_is_back(post, lead, ann):
    suggestion = let_go(mail_to(lead), ann)
    suggestion.executions.update(state="RUNNING", run_after=timezone.now())
    carry_out(suggestion.executions.get().pk)
    assert suggestion.executions.get().state == "SUCCEEDED"
    assert len(post.data) == 1


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"body": "{{__class__}}"}, r"There is no placeholder “\{\{__class__\}\}”"),
        ({"body": "{{ lead.password }}"}, "There is no placeholder"),
        ({"subject": "{{}}"}, "There is no placeholder"),
        ({"body": "{{ {{first_name}} }}"}, "has no “}}” behind it"),
        ({"body": "{{company_name}}"}, r"There is nothing to fill in for \{\{company_name\}\}"),
        ({"to": ["lee@example.com\r\nBcc: eve@example.com"]}, "to: .*line break"),
        ({"to": ["x"] * 11}, "to: There must be at most 10"),
        ({"to": ["lее@example.com"]}, "to: .*ASCII"),
        ({"subject": "a\nBcc: eve@example.com"}, "The subject holds a line break"),
        ({"templateId": "nonsense"}, "There is no such template"),
        ({"body": "x" * 1_000_000}, "body: This must have at most 20,000"),
        ({"bcc": "eve@example.com"}, "bcc: There is no such field"),
    ],
)
def test_what_cannot_be_sent_is_refused_when_proposed(lead, content, sentence):
    with pytest.raises(BadInput, match=sentence):
        mail_to(lead, **content)


def test_what_is_filled_in_is_not_looked_through_again(post, ann):
    lead = make_lead(contact_name="{{sender_email}} {{__class__}}", contact_email="lee@example.com")
    sent(mail_to(lead, subject="Hi", body="Dear {{lead_name}}"), ann)
    assert post.mails[0].get_body(("plain",)).get_content() == "Dear {{sender_email}} {{__class__}}\n"


def test_markup_in_it_is_text(post, lead, ann):
    sent(mail_to(lead, body="<script>alert(1)</script> & <b>"), ann)
    html = post.mails[0].get_body(("html",)).get_content()
    assert "<script>" not in html and "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &lt;b&gt;" in html


def test_words_come_from_a_template_and_its_gaps_stay_until_it_goes_out(post, lead, ann):
    template = EmailTemplate.objects.create(name="Ours", subject="Hello {{first_name}}", body="From {{agency_name}}.")
    suggestion = make_suggestion("SEND_EMAIL", lead=lead, suggested_content={"templateId": str(template.pk)})
    assert suggestion.suggested_content["subject"] == "Hello {{first_name}}"
    sent(suggestion, ann)
    assert post.mails[0]["Subject"] == "Hello Lee"
    assert post.mails[0].get_body(("plain",)).get_content() == "From Birchfield Insurance.\n"


def test_a_client_is_written_to_as_well(post, ann):
    client = make_client(name="Clara Client", email="clara@example.com")
    suggestion = make_suggestion("SEND_EMAIL", client=client, suggested_content=HELLO)
    sent(suggestion, ann)
    assert (post.mails[0]["To"], post.mails[0]["Subject"]) == ("clara@example.com", "Your quote, Clara")
    assert Thread.objects.get().client == client


def test_a_lead_deleted_meanwhile_gets_nothing(post, lead, ann, ada):
    suggestion = let_go(mail_to(lead), ann)
    soft_delete(lead, by=ada)
    suggestion = carried(suggestion)
    assert (suggestion.status, post.data) == (SuggestionStatus.FAILED, [])
    assert "is deleted" in suggestion.error_message
    assert Message.objects.get().state == MessageState.FAILED


def test_a_permission_taken_away_meanwhile_stops_it(post, lead, ann):
    suggestion = let_go(mail_to(lead), ann)
    ann.groups.clear()
    suggestion = carried(suggestion)
    assert (suggestion.status, post.data) == (SuggestionStatus.FAILED, [])


def test_an_address_nobody_knows_must_be_confirmed(lead, ann):
    with pytest.raises(BadInput, match="eve@example.com is not a known address"):
        approve(mail_to(lead, to=["eve@example.com"]), by=ann)


def test_it_goes_into_the_conversation_it_belongs_to(post, lead, ann):
    thread = make_thread(lead=lead)
    sent(make_suggestion("SEND_EMAIL", lead=lead, thread=thread, suggested_content=HELLO), ann)
    assert Message.objects.get().thread == thread
    call = make_thread(lead=lead, source="CALL")
    sent(make_suggestion("SEND_EMAIL", lead=lead, thread=call, suggested_content=HELLO), ann)
    assert call.messages.count() == 0 and len(post.data) == 2


def test_changed_after_it_failed_it_is_another_mail_and_the_only_one(post, lead, ann):
    post.fault = "spam"
    suggestion = sent(mail_to(lead), ann)
    post.fault = ""
    sent(suggestion, ann, content={**suggestion.approved_content, "body": "Another text."})
    assert len(post.data) == 1
    assert [one.state for one in Message.objects.all()] == [MessageState.SENT]
    assert sorted(Message.everything.values_list("state", flat=True)) == ["FAILED", "SENT"]
    assert (Thread.objects.count(), Thread.objects.get().message_count) == (1, 1)


def test_turned_down_after_it_failed_nothing_is_left_to_be_tried_again(post, lead, ann):
    post.fault = "spam"
    suggestion = sent(mail_to(lead), ann)
    assert not_sent(Thread.objects.all()).exists()
    reject(suggestion, reason="We rang them instead.", by=ann)
    assert not Message.objects.exists() and not Thread.objects.exists()
    post.fault = ""
    put_back(suggestion, by=ann)
    assert sent(suggestion, ann).status == SuggestionStatus.APPROVED
    assert ([one.state for one in Message.objects.all()], len(post.data)) == ([MessageState.SENT], 1)


def test_what_was_put_off_says_why_and_when_it_goes_on(post, ann, as_ann):
    suggestion = make_suggestion("SEND_EMAIL", lead=make_lead(assigned_to=ann))
    post.fault = "try later"
    sent(suggestion, ann)
    page = as_ann.get(f"/suggestions/suggestion/{suggestion.pk}/change/").content.decode()
    assert "It was tried before: The mail server refused" in page and "greylisted" in page
    assert "put off 1 time" in page and ">due " in page
