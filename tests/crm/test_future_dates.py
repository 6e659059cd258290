"""Dates in a far year, from a sender's clock or from our own when it ran ahead, do not win for ever."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from crm.tasks import correct_future_jobs
from inbox import tasks as inbox_tasks
from inbox.incoming.transitions import receive
from inbox.models import Mailbox, Provider, Thread
from leads.models import Lead
from leads.tasks import score_all_leads
from suggestions import tasks as suggestion_tasks
from suggestions.models import Suggestion
from tests.cast import make_lead, make_suggestion, make_thread
from tests.end_to_end.addresses import job
from tests.inbox.raw_emails import LEE, OURS, START, raw_email

pytestmark = pytest.mark.django_db
FAR_YEAR = timezone.now() + timedelta(days=3_300)


def assert_now(*moments):
    assert all(abs(moment - timezone.now()) < timedelta(minutes=5) for moment in moments), moments


def test_email_from_a_far_year_does_not_stay_the_newest():
    box, lead = Mailbox.objects.create(address=OURS, provider=Provider.IMPORT), make_lead(contact_email=LEE)
    receive(box, raw_email("far", by=LEE, day=4_000), origin="1")
    thread = Thread.objects.get()
    lead.refresh_from_db()
    assert max(thread.last_message_at, lead.last_contact_at, lead.last_activity_at) <= timezone.now()
    receive(box, raw_email("answer", by=OURS, to=LEE, answers="far"), origin="2")
    thread.refresh_from_db()
    assert (thread.message_count, thread.last_direction, thread.last_message_at) == (
        2,
        "out",
        START.replace(microsecond=0),
    )


def test_leads_are_looked_at_again_after_a_clock_ran_ahead():
    lead, later = make_lead(), timezone.now() + timedelta(days=90)
    Lead.objects.update(last_contact_at=FAR_YEAR, last_activity_at=FAR_YEAR, next_look_at=FAR_YEAR)
    quiet = make_lead()
    Lead.objects.filter(pk=quiet.pk).update(next_look_at=later)
    score_all_leads(timestamp=0)
    lead.refresh_from_db()
    quiet.refresh_from_db()
    assert_now(lead.last_contact_at, lead.last_activity_at, lead.next_look_at)
    assert quiet.next_look_at == later


def test_threads_mailboxes_and_emails_go_on_after_a_clock_ran_ahead():
    thread, mailbox = make_thread(), Mailbox.objects.create(address="office@agency.example")
    soon = timezone.now() + timedelta(hours=4)
    waiting = Mailbox.objects.create(address="sales@agency.example", next_sync_at=soon)
    Thread.objects.update(last_message_at=FAR_YEAR)
    Mailbox.objects.filter(pk=mailbox.pk).update(next_sync_at=FAR_YEAR)
    inbox_tasks.correct_future_dates(timestamp=0)
    for row in (thread, mailbox, waiting):
        row.refresh_from_db()
    assert_now(thread.last_message_at, mailbox.next_sync_at)
    assert waiting.next_sync_at == soon


def test_snoozed_suggestions_come_back_after_a_clock_ran_ahead():
    far, near = make_suggestion(lead=make_lead()), make_suggestion(lead=make_lead())
    month = timezone.now() + timedelta(days=30)
    Suggestion.objects.filter(pk=far.pk).update(snoozed_until=FAR_YEAR)
    Suggestion.objects.filter(pk=near.pk).update(snoozed_until=month)
    suggestion_tasks.correct_future_dates(timestamp=0)
    far.refresh_from_db()
    near.refresh_from_db()
    assert_now(far.snoozed_until)
    assert near.snoozed_until == month


def test_jobs_begin_after_a_clock_ran_ahead():
    far, near = job(), job()
    soon = timezone.now() + timedelta(hours=4)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET scheduled_at = %s WHERE id = %s", [FAR_YEAR, far.pk])
        cursor.execute("UPDATE procrastinate_jobs SET scheduled_at = %s WHERE id = %s", [soon, near.pk])
    correct_future_jobs(timestamp=0)
    moments = dict(ProcrastinateJob.objects.values_list("pk", "scheduled_at"))
    assert_now(moments[far.pk])
    assert moments[near.pk] == soon
