"""What people send: ten seconds in which it can be taken back, at most once on its way, and what becomes of it told."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, connections
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from crm.exceptions import IllegalTransition, NotPermitted
from crm.models import ActivityLog
from crm.runtime.delivery import Delivery, DeliveryOutcome
from inbox.drafts import transitions
from inbox.models import Draft, EmailDelivery, EmailOrigin, Mailbox, Message, MessageState, Provider, Thread, ThreadKey
from inbox.outgoing import delivery_owners, outbox, send_queue
from inbox.tasks import requeue_lost_messages
from inbox.tasks import send_email as job
from suggestions.models import ExecutionPause
from tests.cast import browser, make_client, make_lead, make_suggestion, make_thread
from tests.inbox.draft_fixtures import add_incoming_email, make_draft, make_due, run_send_job, send_draft
from tests.killing import Killed, kill_at
from tests.suggestions.email_execution import approve_confirming_all

pytestmark = pytest.mark.django_db
QUEUED, SENDING, SENT = MessageState.QUEUED, MessageState.SENDING, MessageState.SENT
FAILED, UNCERTAIN = MessageState.FAILED, MessageState.UNCERTAIN


@pytest.fixture
def lead(ann):
    return make_lead(contact_email="lee@example.com", assigned_to=ann)


@pytest.fixture
def thread(lead):
    thread = make_thread(lead=lead, subject="Question")
    add_incoming_email(thread, message_id="<asked@example.com>")
    return thread


@pytest.fixture
def mail(ann, thread):
    return send_draft(ann, thread)


def logged_verbs(thread) -> list[str]:
    return list(ActivityLog.objects.filter(target_id=thread.pk).order_by("id").values_list("verb", flat=True))


def send_jobs() -> list[ProcrastinateJob]:
    return list(ProcrastinateJob.objects.filter(task_name=send_queue.SEND_TASK))


# The ten seconds


def test_sent_email_waits_ten_seconds_with_its_job(smtp_sink, mail):
    assert mail.state == QUEUED
    [waiting] = send_jobs()
    left = waiting.scheduled_at - timezone.now()
    assert timedelta(seconds=8) < left <= timedelta(seconds=10)
    job(waiting.args["message"])
    assert smtp_sink.data == [] and Message.objects.get(pk=mail.pk).state == QUEUED


def test_email_taken_back_becomes_draft_and_is_not_sent(smtp_sink, ann, thread, mail):
    draft = transitions.take_back(mail, by=ann)
    assert (draft.to, draft.subject, draft.body) == ("lee@example.com", "Re: Question", "It is 100 a month.")
    assert (draft.thread, draft.author) == (thread, ann)
    thread.refresh_from_db()
    assert (thread.message_count, thread.awaiting_reply) == (1, False)
    run_send_job(mail)
    assert smtp_sink.data == []
    assert logged_verbs(thread)[-1] == "taken back"
    again = transitions.send(draft, by=ann)
    assert run_send_job(again).state == SENT and len(smtp_sink.data) == 1


def test_reply_taken_back_keeps_reply_target_and_quote_setting(ann, thread):
    asked = thread.messages.get()
    mail = send_draft(ann, thread, reply_to=asked, quotes=True, cc="lee@example.com, ann@agency.example")
    assert mail.body_text.endswith("> How much is it?")
    draft = transitions.take_back(mail, by=ann)
    assert (draft.reply_to, draft.quotes, draft.body) == (asked, True, "It is 100 a month.")
    assert draft.cc == "ann@agency.example"


def test_taking_back_first_email_deletes_its_new_thread(ann, lead):
    mail = send_draft(ann, lead=lead, subject="Your quote")
    thread = mail.thread
    draft = transitions.take_back(mail, by=ann)
    assert (draft.thread, draft.lead) == (None, lead)
    assert Thread.everything.get(pk=thread.pk).is_deleted
    transitions.send(draft, by=ann)
    assert Thread.objects.get().lead == lead


def test_email_taken_back_merges_with_newer_draft(ann, thread, mail):
    make_draft(ann, thread, body="One more thing.", to="")
    transitions.take_back(mail, by=ann)
    draft = Draft.objects.get()
    assert (draft.body, draft.to) == ("It is 100 a month.\n\nOne more thing.", "lee@example.com")


def test_taking_back_leaves_other_users_drafts_unchanged(ann, max, thread, mail):
    theirs = make_draft(ann, thread, body="Mine.")
    transitions.take_back(mail, by=max)
    assert {(one.author, one.body) for one in Draft.objects.all()} == {(ann, "Mine."), (max, "It is 100 a month.")}
    theirs.refresh_from_db()
    assert theirs.version == 1


@pytest.mark.parametrize(
    ("state", "sentence"),
    [(SENDING, "being sent at this moment"), (SENT, "too late"), (UNCERTAIN, "too late"), (FAILED, "too late")],
)
def test_email_can_be_taken_back_only_while_queued(ann, mail, state, sentence):
    Message.objects.filter(pk=mail.pk).update(state=state, error_message="Why.")
    with pytest.raises(IllegalTransition, match=sentence):
        transitions.take_back(mail, by=ann)
    assert not Draft.objects.exists()


def test_email_taken_back_at_last_moment_is_not_sent(smtp_sink, ann, mail, monkeypatch):
    """The worker has the mail server's ear already when it is taken back."""
    claim = outbox.claim

    def too_late(message):
        transitions.take_back(Message.objects.get(pk=message.pk), by=ann)
        return claim(message)

    monkeypatch.setattr(outbox, "claim", too_late)
    run_send_job(mail)
    assert smtp_sink.data == [] and smtp_sink.received_commands == ["lee@example.com"]
    assert Message.everything.get(pk=mail.pk).is_deleted


@pytest.mark.django_db(transaction=True)
def test_concurrent_take_back_and_send_have_one_winner(smtp_sink, ann, thread):
    """Ten times, each at another moment."""
    for number in range(10):
        mail = send_draft(ann, thread, body=f"Number {number}")
        make_due(mail)
        start, outcome = threading.Barrier(2), []

        def take_back(mail=mail, start=start, outcome=outcome):
            start.wait()
            try:
                transitions.take_back(mail, by=ann)
                outcome.append("taken back")
            except IllegalTransition:
                outcome.append("too late")
            finally:
                connections.close_all()

        other = threading.Thread(target=take_back)
        other.start()
        start.wait()
        send_queue.send_queued_email(mail.pk)
        other.join()
        mail.refresh_from_db()
        went = sum(f"Number {number}" in one.get_body(("plain",)).get_content() for one in smtp_sink.emails)
        assert (outcome, went) == ((["taken back"], 0) if mail.is_deleted else (["too late"], 1))
        Draft.objects.all().delete()


# At most once


def test_running_send_job_repeatedly_sends_once(smtp_sink, mail):
    make_due(mail)
    for _ in range(3):
        job(str(mail.pk))
    assert len(smtp_sink.data) == 1


@pytest.mark.parametrize(
    ("module", "name", "after", "state", "taken"),
    [
        (send_queue, "claim_delivery", False, SENT, 1),
        (send_queue, "claim_delivery", True, SENT, 1),
        (outbox, "build_email", False, SENT, 1),
        (outbox, "claim", False, SENT, 1),
        (outbox, "claim", True, UNCERTAIN, 0),
        (outbox, "send_via_smtp", True, UNCERTAIN, 1),
        (send_queue, "settle_delivery", False, UNCERTAIN, 1),
        (outbox, "mark_email_sent", False, UNCERTAIN, 1),
        (delivery_owners, "record_on_thread", True, UNCERTAIN, 1),
        (send_queue, "settle_delivery", True, SENT, 1),
    ],
)
@pytest.mark.django_db(transaction=True)
def test_killed_worker_sends_at_most_once_and_delivery_finishes(
    smtp_sink, mail, monkeypatch, module, name, after, state, taken
):
    make_due(mail)
    for _ in kill_at(monkeypatch, module, name, after=after):
        with pytest.raises(Killed):
            send_queue.send_queued_email(mail.pk)
    send_queue.send_queued_email(mail.pk)
    mail.refresh_from_db()
    assert (mail.state, len(smtp_sink.data)) == (state, taken)
    assert EmailDelivery.objects.get().finished_at is not None


def test_delivery_with_lost_job_or_worker_is_requeued(mail, ann, thread):
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")
    requeue_lost_messages(0)
    assert send_jobs() == []
    EmailDelivery.objects.update(run_after=timezone.now() - timedelta(minutes=3))
    requeue_lost_messages(0)
    assert [one.args for one in send_jobs()] == [{"message": str(mail.pk)}]
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")
    EmailDelivery.objects.update(claimed_at=timezone.now() - timedelta(minutes=14))
    requeue_lost_messages(0)
    assert send_jobs() == []
    EmailDelivery.objects.update(claimed_at=timezone.now() - timedelta(minutes=16))
    requeue_lost_messages(0)
    assert len(send_jobs()) == 1
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")
    EmailDelivery.objects.update(finished_at=timezone.now())
    requeue_lost_messages(0)
    assert send_jobs() == []


def test_suggestion_email_is_queued_but_not_for_the_composer_to_change(smtp_sink, ann, lead):
    suggestion = make_suggestion("SEND_EMAIL", lead=lead)
    approve_confirming_all(suggestion, ann)
    mail = Message.objects.get()
    delivery = EmailDelivery.objects.get()
    assert (delivery.message, delivery.origin, delivery.ordered_by) == (mail, EmailOrigin.SUGGESTION, ann)
    assert delivery.run_after == suggestion.executions.get().run_after
    send_queue.send_queued_email(mail.pk)
    assert smtp_sink.data == [] and mail.state == QUEUED
    for deed in (transitions.take_back, transitions.edit_as_new, send_queue.retry_send):
        with pytest.raises(IllegalTransition, match="belongs to a suggestion"):
            deed(mail, by=ann)


def test_execution_pause_does_not_stop_user_emails(smtp_sink, ada, mail):
    ExecutionPause.objects.create(type="", reason="All of it", by=ada)
    assert run_send_job(mail).state == SENT


# What goes wrong


@pytest.mark.parametrize("fault", ["try later", "busy", "late"])
def test_deferred_email_is_retried_after_1_5_15_60_and_240_minutes(smtp_sink, settings, mail, fault):
    smtp_sink.fault = fault
    if fault == "late":
        settings.EMAIL_TIMEOUT = 0.1  # waited for six times
    waits = []
    for _ in range(5):
        assert run_send_job(mail).state == QUEUED
        waiting = EmailDelivery.objects.get()
        waits.append(round((waiting.run_after - timezone.now()).total_seconds() / 60))
        assert mail.error_message and len(send_jobs()) == 1
    assert waits == [1, 5, 15, 60, 240]
    assert run_send_job(mail).state == FAILED
    assert mail.error_message and logged_verbs(mail.thread)[-1] == "failed"


def test_deferred_email_shows_reason_and_retry_time_and_is_sent(smtp_sink, as_ann, mail):
    smtp_sink.fault = "try later"
    run_send_job(mail)
    page = as_ann.get(f"/inbox/thread/{mail.thread_id}/change/").content.decode()
    assert "451 4.7.1 greylisted" in page and "Retry 1 of 5 at" in page
    smtp_sink.fault = ""
    assert (run_send_job(mail).state, mail.error_message) == (SENT, "")


@pytest.mark.parametrize("fault", ["spam", "no"])
def test_rejected_email_fails_and_can_be_retried_or_edited(smtp_sink, as_ann, ann, mail, fault):
    smtp_sink.fault = fault
    assert run_send_job(mail).state == FAILED
    page = as_ann.get(f"/inbox/thread/{mail.thread_id}/change/").content.decode()
    assert "Failed to send" in page and "Try again" in page and "Edit as new" in page and "rejected the email" in page
    smtp_sink.fault = ""
    as_ann.post(f"/inbox/draft/message/{mail.pk}/try-again/")
    assert (run_send_job(mail).state, len(smtp_sink.data)) == (SENT, 1)
    assert EmailDelivery.objects.get().ordered_by == ann


def test_failed_email_can_be_edited_as_new_draft(smtp_sink, as_ann, ann, thread, mail):
    smtp_sink.rejected_addresses = {"lee@example.com"}
    run_send_job(mail)
    answer = as_ann.post(f"/inbox/draft/message/{mail.pk}/edit-as-new/")
    assert answer["Location"] == f"/inbox/thread/{thread.pk}/change/#reply"
    assert Draft.objects.get().body == "It is 100 a month."
    thread.refresh_from_db()
    assert thread.message_count == 1 and not Message.objects.filter(direction="out").exists()
    assert as_ann.post(f"/inbox/draft/message/{mail.pk}/try-again/").status_code == 302
    assert not Message.objects.filter(direction="out").exists()


@pytest.mark.parametrize("fault", ["cut", "silent", "taken and cut"])
def test_unconfirmed_delivery_can_be_marked_as_arrived(smtp_sink, as_ann, mail, fault, lead):
    smtp_sink.fault = fault
    assert run_send_job(mail).state == UNCERTAIN
    send_queue.send_queued_email(mail.pk)
    assert len(smtp_sink.data) == (fault == "taken and cut")
    page = as_ann.get(f"/inbox/thread/{mail.thread_id}/change/").content.decode()
    assert "Mark as sent" in page and "Send again" in page and "delivery unconfirmed" in page
    claimed = EmailDelivery.objects.get().claimed_at
    as_ann.post(f"/inbox/draft/message/{mail.pk}/arrived/")
    mail.refresh_from_db()
    lead.refresh_from_db()
    assert (mail.state, mail.error_message) == (SENT, "")
    assert lead.last_contact_at == mail.sent_at < claimed + timedelta(seconds=5)


def test_sending_again_keeps_the_message_id(smtp_sink, as_ann, mail):
    smtp_sink.fault = "cut"
    run_send_job(mail)
    smtp_sink.fault = ""
    as_ann.post(f"/inbox/draft/message/{mail.pk}/send-again/")
    assert run_send_job(mail).state == SENT
    assert [one["Message-ID"] for one in smtp_sink.emails] == [mail.message_id]


@pytest.mark.parametrize("verb", ["take-back", "edit-as-new", "try-again", "arrived", "send-again", "nothing"])
def test_impossible_action_on_sent_email_changes_nothing(smtp_sink, as_ann, mail, verb):
    run_send_job(mail)
    before = Message.objects.values().get(pk=mail.pk)
    assert as_ann.post(f"/inbox/draft/message/{mail.pk}/{verb}/").status_code in {302, 403}
    assert Message.objects.values().get(pk=mail.pk) == before and not Draft.objects.exists()


@pytest.mark.parametrize("verb", ["take-back", "edit-as-new", "try-again", "arrived", "send-again"])
def test_outgoing_email_actions_need_permission_and_visibility(as_ann, bob, vera, mail, verb):
    Message.objects.filter(pk=mail.pk).update(state=FAILED, error_message="Why.")
    url = f"/inbox/draft/message/{mail.pk}/{verb}/"
    assert browser(vera).post(url).status_code == 403
    assert browser(bob).post(url).status_code == 404
    assert as_ann.get(url).status_code == 405
    with pytest.raises(NotPermitted):
        send_queue.retry_send(mail, by=vera)
    with pytest.raises(IllegalTransition):
        send_queue.retry_send(mail, by=bob)
    mail.refresh_from_db()
    assert mail.state == FAILED


def test_email_of_deactivated_sender_fails(smtp_sink, ann, mail):
    ann.is_active = False
    ann.save()
    assert run_send_job(mail).state == FAILED
    assert (smtp_sink.received_commands, mail.error_message) == ([], "Ann may not send messages any more.")


def test_email_of_deleted_account_fails(smtp_sink, ann, mail):
    Draft.everything.all().delete()
    EmailDelivery.objects.update(ordered_by=None)
    assert run_send_job(mail).state == FAILED
    assert (smtp_sink.received_commands, mail.error_message) == (
        [],
        "A former colleague may not send messages any more.",
    )


def test_email_in_deleted_thread_fails(smtp_sink, thread, mail):
    Thread.objects.filter(pk=thread.pk).update(deleted_at=timezone.now())
    assert run_send_job(mail).state == FAILED
    assert "is deleted" in mail.error_message and smtp_sink.received_commands == []


def test_unexpected_error_marks_email_failed_without_logging_body(smtp_sink, mail, monkeypatch, caplog):
    monkeypatch.setattr(outbox, "build_email", lambda message: 1 / 0)
    assert run_send_job(mail).state == FAILED
    assert "failed over this (ZeroDivisionError)" in mail.error_message
    assert "It is 100 a month" not in caplog.text


def test_late_result_of_slow_worker_overrides_uncertain_state(mail):
    Message.objects.filter(pk=mail.pk).update(state=SENDING)
    make_due(mail)
    send_queue.send_queued_email(mail.pk)
    mail.refresh_from_db()
    assert mail.state == UNCERTAIN
    send_queue.settle_delivery(mail.pk, Delivery(DeliveryOutcome.DELIVERED))
    mail.refresh_from_db()
    assert mail.state == SENT


def test_interrupted_email_of_deactivated_sender_stays_uncertain(smtp_sink, ann, mail):
    """Tried again it would arrive twice: what may have gone out is for a person to say."""
    Message.objects.filter(pk=mail.pk).update(state=SENDING)
    ann.is_active = False
    ann.save()
    assert run_send_job(mail).state == UNCERTAIN
    assert smtp_sink.received_commands == []


# Where it belongs


def test_reply_to_sent_email_joins_its_thread(ann):
    kw = {"provider": Provider.IMAP, "owner": ann, "credentials": "sealed", "host": "imap.agency.example"}
    box = Mailbox.objects.create(address="ann@agency.example", **kw)
    mail = send_draft(ann, client=make_client(email="lee@example.com"))
    assert mail.thread.mailbox == box
    assert ThreadKey.objects.get().thread == mail.thread
    assert (mail.from_email, mail.reply_to) == ("office@birchfield.example.com", "ann@agency.example")


def test_timeline_shows_sender_and_recipient(smtp_sink, ann, lead, mail):
    run_send_job(mail)
    line = ActivityLog.objects.get(verb="sent")
    assert (line.actor, line.about_id) == (ann, lead.pk)
    assert line.summary == "Sent: “Re: Question” to lee@example.com"
