"""What a conversation shows of its lead, told once."""

import threading
import time
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection, transaction
from django.utils import timezone

from agents import process_threads
from crm.models import ActivityLog
from crm.records.activity import SYSTEM_ACTOR
from inbox.lead_signals.transitions import add_thread_signals
from inbox.models import Direction, Message, MessageState, Nature, Thread
from inbox.transitions import add_to_thread, link
from leads.models import Lead, LeadStatus
from leads.transitions import change_status
from tests.cast import make_lead, make_thread
from tests.queued_jobs import process_queued_threads, queued_threads

pytestmark = pytest.mark.django_db
NOW = timezone.now().replace(microsecond=0)


def add_message(thread, body="", *, hours_ago=0.0, out=False, sender="ann@example.com", **more):
    state = MessageState.SENT if out else MessageState.RECEIVED
    return add_to_thread(
        Message(
            thread=thread,
            direction=Direction.OUT if out else Direction.IN,
            state=state,
            from_email="us@agency.example" if out else sender,
            body_text=body,
            sent_at=NOW - timedelta(hours=hours_ago),
            **more,
        )
    )


def signal_types(lead):
    lead.refresh_from_db()
    return sorted(signal["type"] for signal in lead.signals)


def test_email_text_adds_signals_and_scores_lead():
    lead = make_lead()
    thread = make_thread(lead=lead)
    message = add_message(thread, "Our budget is $9,000 a year, and I am the owner of the place.")
    assert add_thread_signals(thread) == 2
    lead.refresh_from_db()
    found = {signal["type"]: signal for signal in lead.signals}
    assert found["budget_mentioned"]["source"] == str(message.pk)
    assert (found["budget_mentioned"]["value"], found["budget_mentioned"]["weight"]) == (9000, 0.25)
    assert (lead.overall_score, lead.priority_tier) == (Decimal("0.45"), "warm")
    told = ActivityLog.objects.get(verb="noticed").summary
    assert told == f"Noticed in “{thread}”: budget mentioned, decision maker"


def test_noticing_again_adds_nothing():
    lead = make_lead()
    thread = make_thread(lead=lead)
    add_message(thread, "Our budget is $9,000 a year, and I am the owner of the place.")
    assert add_thread_signals(thread) == 2
    assert add_thread_signals(thread) == 0
    assert ActivityLog.objects.filter(verb="noticed").count() == 1


def test_quick_reply_adds_signal_and_late_reply_does_not():
    quick, late = make_lead(), make_lead(contact_email="late@example.com")
    for lead, hours in ((quick, 5), (late, 25)):
        thread = make_thread(lead=lead)
        add_message(thread, "Here is the quote.", hours_ago=hours, out=True)
        add_message(thread, "I will read it.", hours_ago=0)
        add_thread_signals(thread)
    assert signal_types(quick) == ["replied_quickly"]
    assert signal_types(late) == []


def test_second_email_in_a_row_is_not_another_reply():
    lead = make_lead()
    thread = make_thread(lead=lead)
    add_message(thread, "Here is the quote.", hours_ago=5, out=True)
    add_message(thread, "I will read it.", hours_ago=3)
    add_message(thread, "And my partner, too.", hours_ago=2)
    add_thread_signals(thread)
    assert signal_types(lead) == ["replied_quickly"]


def test_automatic_messages_add_only_bounce_signal():
    lead = make_lead()
    thread = make_thread(lead=lead)
    add_message(thread, "Here is the quote.", hours_ago=5, out=True)
    add_message(thread, "I am away. Our budget is $900 a year.", hours_ago=4, nature=Nature.AUTO_REPLY)
    add_message(thread, "It could not be delivered to you.", hours_ago=3, nature=Nature.BOUNCE)
    add_thread_signals(thread)
    assert signal_types(lead) == ["bounced"]


def test_outbound_email_adds_no_signal():
    lead = make_lead()
    thread = make_thread(lead=lead)
    add_message(thread, "Our budget is $9,000 a year, and I am the owner of the place.", out=True)
    assert add_thread_signals(thread) == 0


def test_second_person_signal_is_added_once_across_threads():
    lead = make_lead()
    first, second = make_thread(lead=lead), make_thread(lead=lead)
    add_message(first, "This is me.", hours_ago=3)
    add_message(first, "And me again.", hours_ago=2, sender="ANN@example.com")
    add_thread_signals(first)
    assert signal_types(lead) == []
    other = add_message(second, "And I am his partner.", hours_ago=1, sender="bob@example.com")
    add_thread_signals(second)
    add_thread_signals(first)
    lead.refresh_from_db()
    assert [(one["count"], one["source"]) for one in lead.signals] == [(2, str(other.pk))]


def test_job_reads_only_new_messages():
    lead = make_lead()
    thread, unlinked = make_thread(lead=lead), make_thread()
    add_message(thread, "I am the owner of the place, and it is mine.")
    add_message(unlinked, "I am the owner of the place, and it is mine.")
    process_queued_threads()
    assert signal_types(lead) == ["decision_maker"]
    assert queued_threads() == []
    add_message(thread, "Please call me when you can, it is for the house.")
    assert queued_threads() == [str(thread.pk)]
    process_queued_threads()
    assert signal_types(lead) == ["decision_maker", "follow_up_requested"]


def test_unreadable_thread_does_not_stop_others(monkeypatch):
    lead = make_lead()
    broken, sound = make_thread(lead=lead), make_thread(lead=lead)
    for thread in (broken, sound):
        add_message(thread, "I am the owner of the place, and it is mine.")

    def fail(thread):
        if thread == broken:
            raise ValueError("Broken.")
        return add_thread_signals(thread)

    monkeypatch.setattr(process_threads, "add_thread_signals", fail)
    process_threads.process_threads([broken.pk, sound.pk])
    assert signal_types(lead) == ["decision_maker"]
    assert not Thread.objects.unprocessed().exists()


def test_relinked_thread_is_read_for_the_new_lead():
    first, second = make_lead(), make_lead(contact_email="second@example.com")
    thread = make_thread(lead=first)
    add_message(thread, "I am the owner of the place, and it is mine.")
    add_thread_signals(thread)
    link(thread, lead=second, by=SYSTEM_ACTOR)
    process_queued_threads()
    assert (signal_types(first), signal_types(second)) == (["decision_maker"], ["decision_maker"])


def test_closed_lead_gets_no_signals(ann):
    lead = make_lead()
    thread = make_thread(lead=lead)
    change_status(lead, LeadStatus.objects.get(pk="CLOSED_UNQUALIFIED"), by=ann)
    add_message(thread, "I am the owner of the place, and it is mine.")
    assert add_thread_signals(thread) == 0
    assert Lead.objects.get(pk=lead.pk).signals == []


@pytest.mark.django_db(transaction=True)
def test_noticing_does_not_block_new_messages_while_lead_is_locked():
    lead = make_lead()
    thread = make_thread(lead=lead)
    add_message(thread, "I am the owner of the place, and it is mine.")
    reading = threading.Thread(target=in_a_thread, args=(add_thread_signals, thread))
    with transaction.atomic():
        Lead.objects.filter(pk=lead.pk).update(notes="Held.")
        reading.start()
        wait_until_blocked()
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '2s'")
        Message(thread=thread, direction=Direction.IN, body_text="Points to it.", sent_at=NOW).save(force_insert=True)
    reading.join(10)
    assert signal_types(lead) == ["decision_maker"]


def in_a_thread(deed, *arguments):
    try:
        deed(*arguments)
    finally:
        connection.close()


def wait_until_blocked():
    """Until somebody waits for a lock that this transaction holds."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return
        time.sleep(0.02)
    raise AssertionError("Nobody waits.")
