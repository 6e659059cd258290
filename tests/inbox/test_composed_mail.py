"""What people send: ten seconds in which it can be taken back, at most once on its way, and what becomes of it told."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, connections
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from crm.exceptions import IllegalMove, NotAllowed
from crm.models import ActivityLog
from crm.runtime.delivery import Delivery, Outcome
from inbox.drafts import transitions
from inbox.models import Dispatch, Draft, Mailbox, Message, MessageState, Provider, Thread, ThreadKey
from inbox.outgoing import outbox, send_queue
from inbox.tasks import dispatch as job
from inbox.tasks import find_lost
from suggestions.models import ExecutionPause
from tests.cast import browser, make_client, make_lead, make_suggestion, make_thread
from tests.inbox.writing import carried, due, make_draft, received, sent_off
from tests.suggestions.mails import let_go

pytestmark = pytest.mark.django_db
QUEUED, SENDING, SENT = MessageState.QUEUED, MessageState.SENDING, MessageState.SENT
FAILED, UNCERTAIN = MessageState.FAILED, MessageState.UNCERTAIN


@pytest.fixture
def lead(ann):
    return make_lead(contact_email="lee@example.com", assigned_to=ann)


@pytest.fixture
def thread(lead):
    thread = make_thread(lead=lead, subject="Question")
    received(thread, message_id="<asked@example.com>")
    return thread


@pytest.fixture
def mail(ann, thread):
    return sent_off(ann, thread)


def told(thread) -> list[str]:
    return list(ActivityLog.objects.filter(target_id=thread.pk).order_by("id").values_list("verb", flat=True))


def jobs() -> list[ProcrastinateJob]:
    return list(ProcrastinateJob.objects.filter(task_name=send_queue.JOB))


# The ten seconds


def test_it_waits_ten_seconds_with_its_job(post, mail):
    assert mail.state == QUEUED
    [waiting] = jobs()
    left = waiting.scheduled_at - timezone.now()
    assert timedelta(seconds=8) < left <= timedelta(seconds=10)
    job(waiting.args["message"])
    assert post.data == [] and Message.objects.get(pk=mail.pk).state == QUEUED


def test_taken_back_it_is_a_draft_again_and_never_goes_out(post, ann, thread, mail):
    draft = transitions.take_back(mail, by=ann)
    assert (draft.to, draft.subject, draft.body) == ("lee@example.com", "Re: Question", "It is 100 a month.")
    assert (draft.thread, draft.author) == (thread, ann)
    thread.refresh_from_db()
    assert (thread.message_count, thread.awaiting_reply) == (1, False)
    carried(mail)
    assert post.data == []
    assert told(thread)[-1] == "taken back"
    again = transitions.send(draft, by=ann)
    assert carried(again).state == SENT and len(post.data) == 1


def test_taken_back_the_answer_keeps_what_it_answers_files_and_the_words_apart_from_the_quote(ann, thread):
    asked = thread.messages.get()
    mail = sent_off(ann, thread, reply_to=asked, quotes=True, cc="lee@example.com, ann@agency.example")
    assert mail.body_text.endswith("> How much is it?")
    draft = transitions.take_back(mail, by=ann)
    assert (draft.reply_to, draft.quotes, draft.body) == (asked, True, "It is 100 a month.")
    assert draft.cc == "ann@agency.example"


def test_a_conversation_begun_for_it_goes_with_it(ann, lead):
    mail = sent_off(ann, lead=lead, subject="Your quote")
    thread = mail.thread
    draft = transitions.take_back(mail, by=ann)
    assert (draft.thread, draft.lead) == (None, lead)
    assert Thread.everything.get(pk=thread.pk).is_deleted
    transitions.send(draft, by=ann)
    assert Thread.objects.get().lead == lead


def test_what_was_begun_meanwhile_is_not_lost(ann, thread, mail):
    make_draft(ann, thread, body="One more thing.", to="")
    transitions.take_back(mail, by=ann)
    draft = Draft.objects.get()
    assert (draft.body, draft.to) == ("It is 100 a month.\n\nOne more thing.", "lee@example.com")


def test_nobody_elses_draft_is_touched(ann, max, thread, mail):
    theirs = make_draft(ann, thread, body="Mine.")
    transitions.take_back(mail, by=max)
    assert {(one.author, one.body) for one in Draft.objects.all()} == {(ann, "Mine."), (max, "It is 100 a month.")}
    theirs.refresh_from_db()
    assert theirs.version == 1


@pytest.mark.parametrize(
    ("state", "sentence"),
    [(SENDING, "being sent at this moment"), (SENT, "too late"), (UNCERTAIN, "too late"), (FAILED, "too late")],
)
def test_it_is_taken_back_only_while_it_waits(ann, mail, state, sentence):
    Message.objects.filter(pk=mail.pk).update(state=state, error_message="Why.")
    with pytest.raises(IllegalMove, match=sentence):
        transitions.take_back(mail, by=ann)
    assert not Draft.objects.exists()


def test_taken_back_at_the_last_moment_it_does_not_go_out(post, ann, mail, monkeypatch):
    """The worker has the mail server's ear already when it is taken back."""
    claim = outbox.claim

    def too_late(message):
        transitions.take_back(Message.objects.get(pk=message.pk), by=ann)
        return claim(message)

    monkeypatch.setattr(outbox, "claim", too_late)
    carried(mail)
    assert post.data == [] and post.seen == ["lee@example.com"]
    assert Message.everything.get(pk=mail.pk).is_deleted


@pytest.mark.django_db(transaction=True)
def test_of_taking_back_and_sending_at_once_one_wins(post, ann, thread):
    """Ten times, each at another moment."""
    for number in range(10):
        mail = sent_off(ann, thread, body=f"Number {number}")
        due(mail)
        start, outcome = threading.Barrier(2), []

        def take_back(mail=mail, start=start, outcome=outcome):
            start.wait()
            try:
                transitions.take_back(mail, by=ann)
                outcome.append("taken back")
            except IllegalMove:
                outcome.append("too late")
            finally:
                connections.close_all()

        other = threading.Thread(target=take_back)
        other.start()
        start.wait()
        send_queue.carry_out(mail.pk)
        other.join()
        mail.refresh_from_db()
        went = sum(f"Number {number}" in one.get_body(("plain",)).get_content() for one in post.mails)
        assert (outcome, went) == ((["taken back"], 0) if mail.is_deleted else (["too late"], 1))
        Draft.objects.all().delete()


# At most once


def test_the_job_may_run_any_number_of_times(post, mail):
    due(mail)
    for _ in range(3):
        job(str(mail.pk))
    assert len(post.data) == 1


class Killed(BaseException):
    """The process ends here."""


def dies(monkeypatch, module, name, *, after=False):
    """Let the process be killed in `name`, or right after it."""
    whole = getattr(module, name)

    def killed(*args, **kw):
        if after:
            whole(*args, **kw)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(module, name, killed)
        yield


@pytest.mark.parametrize(
    ("module", "name", "after", "state", "taken"),
    [
        (send_queue, "begin", False, SENT, 1),
        (send_queue, "begin", True, SENT, 1),
        (outbox, "letter", False, SENT, 1),
        (outbox, "claim", False, SENT, 1),
        (outbox, "claim", True, UNCERTAIN, 0),
        (outbox, "hand_over", True, UNCERTAIN, 1),
        (send_queue, "finish", False, UNCERTAIN, 1),
        (outbox, "sent", False, UNCERTAIN, 1),
        (send_queue, "tell", True, UNCERTAIN, 1),
        (send_queue, "finish", True, SENT, 1),
    ],
)
@pytest.mark.django_db(transaction=True)
def test_killed_anywhere_it_goes_out_at_most_once_and_is_not_forgotten(
    post, mail, monkeypatch, module, name, after, state, taken
):
    due(mail)
    for _ in dies(monkeypatch, module, name, after=after):
        with pytest.raises(Killed):
            send_queue.carry_out(mail.pk)
    send_queue.carry_out(mail.pk)
    mail.refresh_from_db()
    assert (mail.state, len(post.data)) == (state, taken)
    assert Dispatch.objects.get().finished_at is not None


def test_what_has_lost_its_job_or_its_worker_is_found(mail, ann, thread):
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")
    find_lost(0)
    assert jobs() == []
    Dispatch.objects.update(run_after=timezone.now() - timedelta(minutes=3))
    find_lost(0)
    assert [one.args for one in jobs()] == [{"message": str(mail.pk)}]
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")
    Dispatch.objects.update(claimed_at=timezone.now() - timedelta(minutes=14))
    find_lost(0)
    assert jobs() == []
    Dispatch.objects.update(claimed_at=timezone.now() - timedelta(minutes=16))
    find_lost(0)
    assert len(jobs()) == 1
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")
    Dispatch.objects.update(finished_at=timezone.now())
    find_lost(0)
    assert jobs() == []


def test_a_suggestions_mail_is_left_to_its_suggestion(post, ann, lead):
    suggestion = make_suggestion("SEND_EMAIL", lead=lead)
    let_go(suggestion, ann)
    mail = Message.objects.get()
    assert not Dispatch.objects.exists()
    send_queue.carry_out(mail.pk)
    assert post.data == [] and mail.state == QUEUED
    for deed in (transitions.take_back, transitions.edit_as_new, send_queue.try_again):
        with pytest.raises(IllegalMove, match="belongs to a suggestion"):
            deed(mail, by=ann)


def test_the_switch_that_stops_suggestions_does_not_stop_people(post, ada, mail):
    ExecutionPause.objects.create(type="", reason="All of it", by=ada)
    assert carried(mail).state == SENT


# What goes wrong


@pytest.mark.parametrize("fault", ["try later", "busy", "late"])
def test_put_off_by_the_other_side_it_is_tried_again_after_1_5_15_60_and_240_minutes(post, mail, fault):
    post.fault = fault
    waits = []
    for _ in range(5):
        assert carried(mail).state == QUEUED
        waiting = Dispatch.objects.get()
        waits.append(round((waiting.run_after - timezone.now()).total_seconds() / 60))
        assert mail.error_message and len(jobs()) == 1
    assert waits == [1, 5, 15, 60, 240]
    assert carried(mail).state == FAILED
    assert mail.error_message and told(mail.thread)[-1] == "failed"


def test_what_was_put_off_says_why_and_when_and_goes_out_in_the_end(post, as_ann, mail):
    post.fault = "try later"
    carried(mail)
    page = as_ann.get(f"/inbox/thread/{mail.thread_id}/change/").content.decode()
    assert "451 4.7.1 greylisted" in page and "Tried again at" in page and "1 of 5" in page
    post.fault = ""
    assert (carried(mail).state, mail.error_message) == (SENT, "")


@pytest.mark.parametrize("fault", ["spam", "no"])
def test_refused_it_has_failed_and_can_be_tried_again_or_worked_on(post, as_ann, ann, mail, fault):
    post.fault = fault
    assert carried(mail).state == FAILED
    page = as_ann.get(f"/inbox/thread/{mail.thread_id}/change/").content.decode()
    assert "Not sent" in page and "Try again" in page and "Edit as new" in page and "refused the mail" in page
    post.fault = ""
    as_ann.post(f"/inbox/draft/message/{mail.pk}/try-again/")
    assert (carried(mail).state, len(post.data)) == (SENT, 1)
    assert Dispatch.objects.get().ordered_by == ann


def test_what_failed_is_a_draft_again(post, as_ann, ann, thread, mail):
    post.unwelcome = {"lee@example.com"}
    carried(mail)
    answer = as_ann.post(f"/inbox/draft/message/{mail.pk}/edit-as-new/")
    assert answer["Location"] == f"/inbox/thread/{thread.pk}/change/#reply"
    assert Draft.objects.get().body == "It is 100 a month."
    thread.refresh_from_db()
    assert thread.message_count == 1 and not Message.objects.filter(direction="out").exists()
    assert as_ann.post(f"/inbox/draft/message/{mail.pk}/try-again/").status_code == 302
    assert not Message.objects.filter(direction="out").exists()


@pytest.mark.parametrize("fault", ["cut", "silent", "taken and cut"])
def test_where_nobody_can_tell_a_person_says(post, as_ann, mail, fault, lead):
    post.fault = fault
    assert carried(mail).state == UNCERTAIN
    send_queue.carry_out(mail.pk)
    assert len(post.data) == (fault == "taken and cut")
    page = as_ann.get(f"/inbox/thread/{mail.thread_id}/change/").content.decode()
    assert "It arrived" in page and "Send again" in page and "nobody knows whether it arrived" in page
    claimed = Dispatch.objects.get().claimed_at
    as_ann.post(f"/inbox/draft/message/{mail.pk}/arrived/")
    mail.refresh_from_db()
    lead.refresh_from_db()
    assert (mail.state, mail.error_message) == (SENT, "")
    assert lead.last_contact_at == mail.sent_at < claimed + timedelta(seconds=5)


def test_sent_again_it_is_the_same_mail(post, as_ann, mail):
    post.fault = "cut"
    carried(mail)
    post.fault = ""
    as_ann.post(f"/inbox/draft/message/{mail.pk}/send-again/")
    assert carried(mail).state == SENT
    assert [one["Message-ID"] for one in post.mails] == [mail.message_id]


@pytest.mark.parametrize("verb", ["take-back", "edit-as-new", "try-again", "arrived", "send-again", "nothing"])
def test_what_is_not_possible_changes_nothing(post, as_ann, mail, verb):
    carried(mail)
    before = Message.objects.values().get(pk=mail.pk)
    assert as_ann.post(f"/inbox/draft/message/{mail.pk}/{verb}/").status_code in {302, 403}
    assert Message.objects.values().get(pk=mail.pk) == before and not Draft.objects.exists()


@pytest.mark.parametrize("verb", ["take-back", "edit-as-new", "try-again", "arrived", "send-again"])
def test_whoever_may_not_send_or_not_see_it_decides_nothing(as_ann, bob, vera, mail, verb):
    Message.objects.filter(pk=mail.pk).update(state=FAILED, error_message="Why.")
    url = f"/inbox/draft/message/{mail.pk}/{verb}/"
    assert browser(vera).post(url).status_code == 403
    assert browser(bob).post(url).status_code == 404
    assert as_ann.get(url).status_code == 405
    with pytest.raises(NotAllowed):
        send_queue.try_again(mail, by=vera)
    with pytest.raises(IllegalMove):
        send_queue.try_again(mail, by=bob)
    mail.refresh_from_db()
    assert mail.state == FAILED


def test_whoever_sent_it_and_may_no_longer_sends_nothing(post, ann, mail):
    ann.is_active = False
    ann.save()
    assert carried(mail).state == FAILED
    assert (post.seen, mail.error_message) == ([], "Ann may not send messages any more.")


def test_an_account_that_is_gone_sends_nothing(post, ann, mail):
    Draft.everything.all().delete()
    Dispatch.objects.update(ordered_by=None)
    assert carried(mail).state == FAILED
    assert (post.seen, mail.error_message) == ([], "Somebody who has left may not send messages any more.")


def test_into_a_deleted_conversation_nothing_is_sent(post, thread, mail):
    Thread.objects.filter(pk=thread.pk).update(deleted_at=timezone.now())
    assert carried(mail).state == FAILED
    assert "is deleted" in mail.error_message and post.seen == []


def test_where_the_program_breaks_down_over_it_it_says_so(post, mail, monkeypatch, caplog):
    monkeypatch.setattr(outbox, "letter", lambda message: 1 / 0)
    assert carried(mail).state == FAILED
    assert "broke down over this (ZeroDivisionError)" in mail.error_message
    assert "It is 100 a month" not in caplog.text


def test_what_comes_late_from_a_slow_worker_is_the_truth(mail):
    Message.objects.filter(pk=mail.pk).update(state=SENDING)
    due(mail)
    send_queue.carry_out(mail.pk)
    mail.refresh_from_db()
    assert mail.state == UNCERTAIN
    send_queue.finish(mail.pk, Delivery(Outcome.DONE))
    mail.refresh_from_db()
    assert mail.state == SENT


def test_what_was_cut_off_is_not_taken_for_refused_whoever_has_left_since(post, ann, mail):
    """Tried again it would arrive twice: what may have gone out is for a person to say."""
    Message.objects.filter(pk=mail.pk).update(state=SENDING)
    ann.is_active = False
    ann.save()
    assert carried(mail).state == UNCERTAIN
    assert post.seen == []


# Where it belongs


def test_an_answer_finds_the_conversation(ann):
    kw = {"provider": Provider.IMAP, "owner": ann, "credentials": "sealed", "host": "imap.agency.example"}
    box = Mailbox.objects.create(address="ann@agency.example", **kw)
    mail = sent_off(ann, client=make_client(email="lee@example.com"))
    assert mail.thread.mailbox == box
    assert ThreadKey.objects.get().thread == mail.thread
    assert (mail.from_email, mail.reply_to) == ("office@birchfield.example.com", "ann@agency.example")


def test_the_timeline_tells_who_sent_what(post, ann, lead, mail):
    carried(mail)
    line = ActivityLog.objects.get(verb="sent")
    assert (line.actor, line.about_id) == (ann, lead.pk)
    assert line.summary == "Sent: “Re: Question” to lee@example.com"
