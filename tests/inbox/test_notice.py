"""What a conversation shows of its lead, told once."""

import threading
import time
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection, transaction
from django.utils import timezone

from crm.models import ActivityLog
from crm.records.activity import SYSTEM
from inbox import tasks
from inbox.lead_signals.transitions import notice
from inbox.models import Direction, Message, MessageState, Nature, Thread
from inbox.transitions import link, take_in
from leads.models import Lead, LeadStatus
from leads.transitions import change_status
from tests.cast import make_lead, make_thread

pytestmark = pytest.mark.django_db
NOW = timezone.now().replace(microsecond=0)


def said(thread, body="", *, hours_ago=0.0, out=False, sender="ann@example.com", **more):
    state = MessageState.SENT if out else MessageState.RECEIVED
    return take_in(
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


def types(lead):
    lead.refresh_from_db()
    return sorted(signal["type"] for signal in lead.signals)


def test_words_become_signals_with_their_message_and_the_lead_is_scored():
    lead = make_lead()
    thread = make_thread(lead=lead)
    message = said(thread, "Our budget is $9,000 a year, and I am the owner of the place.")
    assert notice(thread) == 2
    lead.refresh_from_db()
    found = {signal["type"]: signal for signal in lead.signals}
    assert found["budget_mentioned"]["source"] == str(message.pk)
    assert (found["budget_mentioned"]["value"], found["budget_mentioned"]["weight"]) == (9000, 0.25)
    assert (lead.overall_score, lead.priority_tier) == (Decimal("0.45"), "warm")
    told = ActivityLog.objects.get(verb="noticed").summary
    assert told == f"Noticed in “{thread}”: budget mentioned, decision maker"


def test_reading_again_adds_nothing():
    lead = make_lead()
    thread = make_thread(lead=lead)
    said(thread, "Our budget is $9,000 a year, and I am the owner of the place.")
    assert notice(thread) == 2
    assert notice(thread) == 0
    assert ActivityLog.objects.filter(verb="noticed").count() == 1


def test_a_quick_answer_counts_and_a_late_one_does_not():
    quick, late = make_lead(), make_lead(contact_email="late@example.com")
    for lead, hours in ((quick, 5), (late, 25)):
        thread = make_thread(lead=lead)
        said(thread, "Here is the quote.", hours_ago=hours, out=True)
        said(thread, "I will read it.", hours_ago=0)
        notice(thread)
    assert types(quick) == ["replied_quickly"]
    assert types(late) == []


def test_their_second_mail_in_a_row_is_no_second_answer():
    lead = make_lead()
    thread = make_thread(lead=lead)
    said(thread, "Here is the quote.", hours_ago=5, out=True)
    said(thread, "I will read it.", hours_ago=3)
    said(thread, "And my partner, too.", hours_ago=2)
    notice(thread)
    assert types(lead) == ["replied_quickly"]


def test_machines_show_nothing_but_a_bounce():
    lead = make_lead()
    thread = make_thread(lead=lead)
    said(thread, "Here is the quote.", hours_ago=5, out=True)
    said(thread, "I am away. Our budget is $900 a year.", hours_ago=4, nature=Nature.AUTO_REPLY)
    said(thread, "It could not be delivered to you.", hours_ago=3, nature=Nature.BOUNCE)
    notice(thread)
    assert types(lead) == ["bounced"]


def test_what_we_write_shows_nothing_of_them():
    lead = make_lead()
    thread = make_thread(lead=lead)
    said(thread, "Our budget is $9,000 a year, and I am the owner of the place.", out=True)
    assert notice(thread) == 0


def test_a_second_person_is_told_once_whatever_the_conversation():
    lead = make_lead()
    first, second = make_thread(lead=lead), make_thread(lead=lead)
    said(first, "This is me.", hours_ago=3)
    said(first, "And me again.", hours_ago=2, sender="ANN@example.com")
    notice(first)
    assert types(lead) == []
    other = said(second, "And I am his partner.", hours_ago=1, sender="bob@example.com")
    notice(second)
    notice(first)
    lead.refresh_from_db()
    assert [(one["count"], one["source"]) for one in lead.signals] == [(2, str(other.pk))]


def test_the_job_reads_what_is_new_and_nothing_else():
    lead = make_lead()
    thread, unlinked = make_thread(lead=lead), make_thread()
    said(thread, "I am the owner of the place, and it is mine.")
    said(unlinked, "I am the owner of the place, and it is mine.")
    tasks.notice_new(timestamp=0)
    assert types(lead) == ["decision_maker"]
    assert not Thread.objects.unnoticed().exists()
    said(thread, "Please call me when you can, it is for the house.")
    assert Thread.objects.unnoticed().get() == thread
    tasks.notice_new(timestamp=0)
    assert types(lead) == ["decision_maker", "follow_up_requested"]


def test_a_conversation_that_cannot_be_read_does_not_stop_the_others(monkeypatch):
    lead = make_lead()
    broken, sound = make_thread(lead=lead), make_thread(lead=lead)
    for thread in (broken, sound):
        said(thread, "I am the owner of the place, and it is mine.")

    def fail(thread):
        if thread == broken:
            raise ValueError("Broken.")
        return notice(thread)

    monkeypatch.setattr(tasks, "notice", fail)
    tasks.notice_new(timestamp=0)
    assert types(lead) == ["decision_maker"]
    assert not Thread.objects.unnoticed().exists()


def test_linked_to_another_it_is_read_again_for_that_one():
    first, second = make_lead(), make_lead(contact_email="second@example.com")
    thread = make_thread(lead=first)
    said(thread, "I am the owner of the place, and it is mine.")
    notice(thread)
    link(thread, lead=second, by=SYSTEM)
    tasks.notice_new(timestamp=0)
    assert (types(first), types(second)) == (["decision_maker"], ["decision_maker"])


def test_a_closed_lead_is_left_as_it_ended(ann):
    lead = make_lead()
    thread = make_thread(lead=lead)
    change_status(lead, LeadStatus.objects.get(pk="CLOSED_UNQUALIFIED"), by=ann)
    said(thread, "I am the owner of the place, and it is mine.")
    assert notice(thread) == 0
    assert Lead.objects.get(pk=lead.pk).signals == []


@pytest.mark.django_db(transaction=True)
def test_whoever_holds_the_lead_may_point_to_the_conversation_meanwhile():
    lead = make_lead()
    thread = make_thread(lead=lead)
    said(thread, "I am the owner of the place, and it is mine.")
    reading = threading.Thread(target=in_a_thread, args=(notice, thread))
    with transaction.atomic():
        Lead.objects.filter(pk=lead.pk).update(notes="Held.")
        reading.start()
        wait_until_blocked()
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '2s'")
        Message(thread=thread, direction=Direction.IN, body_text="Points to it.", sent_at=NOW).save(force_insert=True)
    reading.join(10)
    assert types(lead) == ["decision_maker"]


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
