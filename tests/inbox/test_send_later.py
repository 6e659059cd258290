"""Emails that leave at a chosen time: changed or cancelled until then, checked again, and held if something changed."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from crm.exceptions import IllegalTransition, InvalidInput, NotPermitted
from crm.models import ActivityLog
from inbox import tasks
from inbox.drafts import transitions
from inbox.drafts.scheduled import ComposerDelivery
from inbox.imap.transitions import disconnect
from inbox.incoming.transitions import receive
from inbox.models import Draft, EmailDelivery, Mailbox, Message, MessageState, Provider
from inbox.outgoing import send_queue
from inbox.outgoing.after_restore import hold_waiting_emails
from tests.cast import make_lead, make_thread, make_user, page_text
from tests.inbox.draft_fixtures import (
    DRAFT_ADD_URL,
    add_incoming_email,
    composer_form,
    make_draft,
    run_send_job,
    send_draft,
    submit_composer,
)
from tests.inbox.raw_emails import raw_email

pytestmark = pytest.mark.django_db
QUEUED, HELD, SENT, FAILED = MessageState.QUEUED, MessageState.HELD, MessageState.SENT, MessageState.FAILED


def tomorrow(hours: float = 0):
    return timezone.now() + timedelta(days=1, hours=hours)


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
    """An email that leaves tomorrow."""
    return send_draft(ann, thread, reply_to=thread.messages.get(), at=tomorrow())


def jobs() -> int:
    return ProcrastinateJob.objects.filter(task_name=send_queue.SEND_TASK).count()


def address(mail) -> str:
    return f"/inbox/thread/{mail.thread_id}/change/"


def press(page, mail, verb: str, **data):
    return page.post(f"/inbox/draft/message/{mail.pk}/{verb}/", data, follow=True)


def last_line(thread) -> str:
    return ActivityLog.objects.filter(target_id=thread.pk).order_by("id").last().summary


# The chosen time


def test_email_leaves_at_its_time_and_not_before(smtp_sink, mail):
    send_queue.send_queued_email(mail.pk)
    tasks.requeue_lost_messages(timestamp=0)
    assert (jobs(), smtp_sink.data, Message.objects.get(pk=mail.pk).state) == (0, [], QUEUED)
    EmailDelivery.objects.update(run_after=timezone.now() - timedelta(seconds=1))
    for _ in range(2):
        tasks.requeue_lost_messages(timestamp=0)
    assert jobs() == 1
    for _ in range(2):
        tasks.send_email(str(mail.pk))
    mail.refresh_from_db()
    assert (mail.state, len(smtp_sink.data)) == (SENT, 1)


def test_correction_of_future_dates_sends_no_scheduled_email_early(mail):
    before = EmailDelivery.objects.get().run_after
    EmailDelivery.objects.update(run_after=before + timedelta(days=30), scheduled_for=before + timedelta(days=30))
    tasks.correct_future_dates(timestamp=0)
    assert EmailDelivery.objects.get().run_after == before + timedelta(days=30)


def test_composer_schedules_and_the_conversation_shows_it(as_ann, ann, thread):
    form = composer_form(as_ann, f"/inbox/thread/{thread.pk}/change/")
    form |= {"body": "It is 100.", "until": "Tomorrow", "at": ""}
    answer = submit_composer(as_ann, form, "later")
    mail = Message.objects.get(direction="out")
    assert answer["Location"] == f"{address(mail)}#m-{mail.pk}"
    delivery = EmailDelivery.objects.get()
    assert (delivery.scheduled_for, delivery.ordered_by) == (delivery.run_after, ann)
    page = page_text(as_ann.get(address(mail)))
    assert "Scheduled" in page and "Leaves on" in page and "Change time" in page
    assert last_line(thread).startswith("Scheduled for ")
    assert [row.subject for row in as_ann.get("/inbox/thread/?sent=later").context["cl"].page.rows] == ["Question"]
    assert submit_composer(as_ann, form, "later")["Location"] == answer["Location"]
    assert Message.objects.filter(direction="out").count() == 1


@pytest.mark.parametrize(
    ("at", "reason"),
    [("2001-01-01T09:00", "Choose a time in the future"), ("2199-01-01T09:00", "a year ahead"), ("x", "Enter a date")],
)
def test_impossible_time_keeps_the_draft(as_ann, thread, at, reason):
    form = composer_form(as_ann, f"/inbox/thread/{thread.pk}/change/") | {"body": "It is 100."}
    answer = submit_composer(as_ann, form, "later", until="Tomorrow", at=at)
    assert answer.status_code == 422 and reason in page_text(answer)
    assert Draft.objects.get().body == "It is 100." and not EmailDelivery.objects.exists()


# Until then


def test_scheduled_email_can_be_moved_sent_now_or_edited(as_ann, mail, smtp_sink):
    later = EmailDelivery.objects.get().run_after + timedelta(days=2)
    assert "will be sent on" in page_text(press(as_ann, mail, "reschedule", until="In 3 days", at=""))
    moved = EmailDelivery.objects.get()
    assert moved.run_after == moved.scheduled_for and abs(moved.run_after - later) < timedelta(days=1)
    press(as_ann, mail, "send-now")
    assert (EmailDelivery.objects.get().scheduled_for, jobs()) == (None, 1)
    assert run_send_job(mail).state == SENT


def test_cancelled_email_is_a_draft_again(as_ann, mail, smtp_sink):
    press(as_ann, mail, "take-back")
    assert Draft.objects.get().body == "It is 100 a month."
    assert run_send_job(mail).state == QUEUED and smtp_sink.data == []
    assert not EmailDelivery.objects.scheduled().exists()


def test_email_that_is_being_sent_is_not_moved(ann, mail):
    EmailDelivery.objects.update(claimed_at=timezone.now())
    with pytest.raises(IllegalTransition, match="being sent at this moment"):
        send_queue.reschedule(mail, tomorrow(3), by=ann)


def test_moving_needs_access_and_a_scheduled_email(bob, vera, ann, mail, thread):
    with pytest.raises(NotPermitted):
        send_queue.send_now(mail, by=vera)
    with pytest.raises(IllegalTransition, match="you may not see it"):
        send_queue.send_now(mail, by=bob)
    at_once = send_draft(ann, thread, reply_to=thread.messages.first())
    with pytest.raises(IllegalTransition, match="not scheduled"):
        send_queue.reschedule(at_once, tomorrow(), by=ann)


# What is checked again


def test_message_of_the_customer_holds_the_email(smtp_sink, as_ann, mail, thread):
    add_incoming_email(thread, message_id="<later@example.com>", sent_at=timezone.now(), from_name="Lee")
    assert run_send_job(mail).state == HELD
    assert smtp_sink.data == [] and mail.error_message.startswith("Lee wrote on ")
    page = page_text(as_ann.get(address(mail)))
    assert "Held" in page and "after you scheduled this email" in page and "Cancel and edit" in page
    assert last_line(thread).startswith("Held: ")
    assert [row.unsent for row in as_ann.get("/inbox/thread/?sent=no").context["cl"].page.rows] == [HELD]
    press(as_ann, mail, "send-now")
    assert run_send_job(mail).state == SENT and mail.error_message == ""


def test_late_email_with_an_earlier_date_holds_it_and_an_old_import_does_not(smtp_sink, ann, mail, thread):
    add_incoming_email(thread, sent_at=timezone.now() - timedelta(days=40))
    assert run_send_job(mail).state == SENT
    second = send_draft(ann, thread, reply_to=thread.messages.first(), at=tomorrow())
    add_incoming_email(thread, sent_at=timezone.now() - timedelta(hours=2))
    assert run_send_job(second).state == HELD


def test_email_of_a_colleague_holds_it_and_own_ones_do_not(smtp_sink, ann, max, mail, thread):
    first = thread.messages.filter(direction="in").get()
    own = send_draft(ann, thread, reply_to=first)
    run_send_job(own)
    assert run_send_job(mail).state == SENT
    second = send_draft(ann, thread, reply_to=first, at=tomorrow())
    run_send_job(transitions.send(make_draft(max, thread, reply_to=own), seen=second.pk, by=max))
    assert run_send_job(second).state == HELD


def test_held_email_can_be_scheduled_again_and_is_held_by_what_is_newer_still(smtp_sink, ann, mail, thread):
    add_incoming_email(thread, sent_at=timezone.now())
    run_send_job(mail)
    send_queue.reschedule(mail, tomorrow(), by=ann)
    assert EmailDelivery.objects.scheduled().exists() and mail.error_message == ""
    add_incoming_email(thread, sent_at=timezone.now(), from_name="Lee again")
    assert run_send_job(mail).state == HELD
    assert mail.error_message.startswith("Lee again wrote")


def test_message_between_claim_and_sending_holds_it_too(smtp_sink, mail, thread, monkeypatch):
    check = ComposerDelivery.check_before_data.__func__

    def answered_meanwhile(cls, message_id):
        add_incoming_email(thread, sent_at=timezone.now())
        return check(cls, message_id)

    monkeypatch.setattr(ComposerDelivery, "check_before_data", classmethod(answered_meanwhile))
    assert run_send_job(mail).state == QUEUED
    monkeypatch.undo()
    assert run_send_job(mail).state == HELD and smtp_sink.data == []


def refuse_email(lead, ann):
    lead.communications = {"email": {"do_not_contact": True}}
    lead.save()


def give_away(lead, ann):
    lead.assigned_to = make_user("carl", "agent")
    lead.save()


def forget_address(lead, ann):
    lead.contact_email = "other@example.com"
    lead.save()


CHANGES = [
    (refuse_email, "The lead does not want to be contacted by email."),
    (give_away, "Ann no longer has access to this conversation."),
    (forget_address, "No longer in our records: lee@example.com."),
]


@pytest.mark.parametrize(("change", "reason"), CHANGES, ids=[one.__name__ for one, _ in CHANGES])
def test_email_is_held_if_its_conversation_changed_since(smtp_sink, ann, lead, change, reason):
    mail = send_draft(ann, lead=lead, at=tomorrow(), confirmed=[])
    change(lead, ann)
    assert run_send_job(mail).state == HELD
    assert (mail.error_message, smtp_sink.data) == (reason, [])


def test_recipient_that_the_sender_confirmed_stays_confirmed(smtp_sink, ann, lead):
    mail = send_draft(ann, lead=lead, to="New@example.com", confirmed=["new@example.com"], at=tomorrow())
    assert "new@example.com" not in str(EmailDelivery.objects.values().get())
    assert run_send_job(mail).state == SENT


def test_disconnected_mailbox_holds_the_email(smtp_sink, ann, max, settings, lead):
    box = Mailbox.objects.create(address="ann@agency.example", provider=Provider.IMAP, host="imap.agency.example")
    Mailbox.objects.filter(pk=box.pk).update(credentials="x")
    thread = make_thread(lead=lead, mailbox=box, participant_emails=["lee@example.com"])
    add_incoming_email(thread)
    mail = send_draft(ann, thread, reply_to=thread.messages.get(), at=tomorrow())
    disconnect(box, by=max)
    assert run_send_job(mail).state == HELD
    assert mail.error_message == "The mailbox ann@agency.example is disconnected: we would miss replies."


def test_sender_without_permission_fails_the_email(smtp_sink, ann, mail):
    ann.groups.clear()
    assert run_send_job(mail).state == FAILED
    assert "may not send messages any more" in mail.error_message and smtp_sink.data == []


def test_email_to_someone_who_refuses_email_is_not_scheduled(ann, lead):
    lead.communications = {"email": {"do_not_contact": True}}
    lead.save()
    with pytest.raises(InvalidInput, match="does not want to be contacted by email"):
        send_draft(ann, lead=lead, at=tomorrow())
    assert not EmailDelivery.objects.exists()


def test_received_email_holds_the_answer(smtp_sink, ann, box):
    lead = make_lead(contact_email="lee@example.com", assigned_to=ann)
    receive(box, raw_email("question", by="lee@example.com"), origin="1")
    thread = lead.threads.get()
    mail = send_draft(ann, thread, reply_to=thread.messages.get(), at=tomorrow())
    sent = f"{timezone.now():%a, %d %b %Y %H:%M:%S +0000}"
    raw = raw_email("more", by="lee@example.com", answers="question")
    old = next(line for line in raw.split(b"\n") if line.startswith(b"Date:"))
    receive(box, raw.replace(old, f"Date: {sent}".encode()), origin="2")
    assert run_send_job(mail).state == HELD


# The database


def test_restored_backup_holds_what_was_scheduled(smtp_sink, ann, mail, thread):
    at_once = send_draft(ann, thread, reply_to=thread.messages.first())
    hold_waiting_emails()
    mail.refresh_from_db()
    at_once.refresh_from_db()
    assert (mail.state, at_once.state) == (HELD, MessageState.SENDING)
    assert run_send_job(mail).state == HELD and smtp_sink.data == []


def test_database_refuses_half_a_schedule_and_a_hold_without_reason(mail):
    with pytest.raises(IntegrityError, match="email_deliveries_schedule_complete"), transaction.atomic():
        EmailDelivery.objects.update(scheduled_at=None)
    with pytest.raises(IntegrityError, match="messages_failure_says_why"), transaction.atomic():
        Message.objects.filter(pk=mail.pk).update(state=HELD)


def test_new_email_can_be_scheduled_without_scripts(as_ann, lead):
    form = composer_form(as_ann, f"{DRAFT_ADD_URL}?lead={lead.pk}") | {"subject": "Hello", "body": "Welcome."}
    submit_composer(as_ann, form, "later", until="Tomorrow", at="")
    assert EmailDelivery.objects.scheduled().get().message.thread.lead == lead
