"""A new message queues one job for its thread, in its own transaction; the job goes from signals to a suggestion."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from agents.process_threads import process_thread, requeue_lost_threads
from crm.records.activity import SYSTEM_ACTOR
from inbox.incoming import processing_queue
from inbox.incoming.arrivals import Arrival
from inbox.incoming.processing_queue import PROCESS_THREADS_JOB
from inbox.incoming.transitions import receive_many
from inbox.models import Mailbox, Message, Thread
from inbox.transitions import add_to_thread, link, unlink
from leads.evaluation_queue import EVALUATE_LEADS_JOB, one_evaluation_job
from leads.models import LeadStatus
from leads.transitions import change_status
from suggestions.models import Suggestion
from tests.cast import make_client, make_lead, make_thread
from tests.queued_jobs import process_queued_threads, queued_jobs, queued_threads, run_jobs

QUESTION = "Could you tell me what the van would cost a year? I am the owner of the place."


def say(thread, body=QUESTION, **more) -> Message:
    more = {"direction": "in", "from_email": "lee@example.com", "sent_at": timezone.now() - timedelta(hours=1), **more}
    return add_to_thread(Message(thread=thread, body_text=body, **more))


def import_emails(count: int) -> None:
    mailbox = Mailbox.objects.create(address="office@agency.example")
    text = "From: p{0}@example.com\nTo: office@agency.example\nSubject: S{0}\nMessage-ID: <{0}@x>\n\nGood morning.\n"
    receive_many(mailbox, [Arrival(str(number), text.format(number).encode()) for number in range(count)])


@pytest.mark.django_db
def test_message_leads_to_signals_score_and_reply_in_one_job():
    lead = make_lead()
    message = say(make_thread(lead=lead))
    assert process_queued_threads() == 1
    lead.refresh_from_db()
    assert "decision_maker" in {signal["type"] for signal in lead.signals}
    assert lead.overall_score > 0
    assert Suggestion.objects.get(type="REPLY").message == message
    assert queued_threads() == []


@pytest.mark.django_db
def test_messages_of_one_thread_share_a_waiting_job():
    thread = make_thread(lead=make_lead())
    for _ in range(3):
        say(thread)
    assert queued_threads() == [str(thread.pk)]
    process_queued_threads()
    say(thread)
    assert queued_threads() == [str(thread.pk)]


@pytest.mark.django_db
def test_rolled_back_message_queues_nothing():
    thread = make_thread(lead=make_lead())
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        say(thread)
        raise ZeroDivisionError
    assert queued_threads() == []


@pytest.mark.django_db
def test_only_what_can_lead_to_something_is_queued():
    of_client, unlinked, closed = make_thread(client=make_client()), make_thread(), make_thread(lead=make_lead())
    say(of_client)
    assert queued_threads() == []
    say(unlinked)
    process_queued_threads()
    say(unlinked, "Ours.", direction="out", state="SENT")
    say(unlinked, "Older.", sent_at=timezone.now() - timedelta(days=2))
    assert queued_threads() == [], "Triage reads the newest message of the other side."
    say(closed, "Ours.", direction="out", state="SENT")
    assert queued_threads() == [str(closed.pk)]


@pytest.mark.django_db
def test_linking_queues_thread_and_unlinking_does_not(max):
    lead, thread = make_lead(), make_thread()
    say(thread)
    process_queued_threads()
    link(thread, lead=lead, by=max)
    assert queued_threads() == [str(thread.pk)]
    process_queued_threads()
    assert Suggestion.objects.filter(lead=lead, type="REPLY").exists()
    unlink(thread, by=max)
    assert queued_threads() == []


@pytest.mark.django_db
def test_change_of_stage_queues_evaluation():
    lead = make_lead()
    say(make_thread(lead=lead))
    change_status(lead, LeadStatus.objects.get(pk="PROPOSAL_SENT"), by=SYSTEM_ACTOR)
    assert [job.args for job in queued_jobs(EVALUATE_LEADS_JOB)] == [{"leads": [str(lead.pk)]}]
    run_jobs(EVALUATE_LEADS_JOB)
    assert Suggestion.objects.filter(lead=lead, type="REPLY").exists()


@pytest.mark.django_db
def test_stage_changes_of_one_batch_queue_one_job():
    leads, proposal_sent = [make_lead(), make_lead()], LeadStatus.objects.get(pk="PROPOSAL_SENT")
    with one_evaluation_job():
        for lead in leads:
            change_status(lead, proposal_sent, by=SYSTEM_ACTOR)
    assert [job.args for job in queued_jobs(EVALUATE_LEADS_JOB)] == [{"leads": sorted(str(lead.pk) for lead in leads)}]


@pytest.mark.django_db
def test_import_queues_few_jobs_that_new_mail_overtakes(monkeypatch):
    monkeypatch.setattr(processing_queue, "THREADS_PER_JOB", 5)
    import_emails(12)
    jobs = queued_jobs(PROCESS_THREADS_JOB)
    assert [len(job.args["threads"]) for job in jobs] == [5, 5, 2]
    newer = make_thread(lead=make_lead())
    say(newer)
    assert queued_threads()[0] == str(newer.pk)
    process_queued_threads()
    assert not Thread.objects.unprocessed().exists()


@pytest.mark.django_db
def test_lost_job_is_queued_again():
    thread, now = make_thread(lead=make_lead()), timezone.now()
    say(thread)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET status = 'failed'")
    assert requeue_lost_threads(now) == 0, "Its job may be running."
    assert requeue_lost_threads(now + timedelta(minutes=11)) == 1
    assert queued_threads() == [str(thread.pk)]
    process_queued_threads()
    assert requeue_lost_threads(now + timedelta(minutes=22)) == 0


@pytest.mark.django_db(transaction=True)
def test_job_waits_for_the_transaction_that_found_it_queued():
    """A second message finds a job waiting and queues none; the job must wait until that message is committed."""
    thread = make_thread(lead=make_lead())
    say(thread, "Good morning.")
    job = threading.Thread(target=run_in_thread, args=(thread.pk,))
    with transaction.atomic():
        second = say(thread, QUESTION)
        assert ProcrastinateJob.objects.filter(task_name=PROCESS_THREADS_JOB).count() == 1
        job.start()
        job.join(0.5)
        assert job.is_alive()
    job.join(20)
    assert Suggestion.objects.get(type="REPLY").message == second
    assert Thread.objects.get(pk=thread.pk).processed_at is not None


def run_in_thread(key) -> None:
    try:
        process_thread(key)
    finally:
        connection.close()
