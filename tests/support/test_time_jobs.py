"""Tests that the job of each minute does what is due, and that a change of levels slips past nobody who computes."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction

from crm.models import Notification
from support.models import ServiceLevel, SupportTicket
from support.service_levels.due_times import compute_outdated
from support.service_levels.levels import hold_service_levels, load_service_levels
from support.tasks import compute_due_times, watch_times
from tests.cast import make_ticket

MONDAY = datetime(2026, 11, 23, 9, tzinfo=UTC)


@pytest.mark.django_db
def test_job_computes_outdated_times_before_it_escalates(ann):
    late = make_ticket(created_at=MONDAY - timedelta(days=365), assigned_to=ann)
    spared = make_ticket(created_at=MONDAY - timedelta(days=365), assigned_to=ann)
    SupportTicket.objects.filter(pk=spared.pk).update(
        opened_at=datetime.now(UTC), due_is_stale=True, first_response_due_at=MONDAY, resolve_due_at=MONDAY
    )
    watch_times(timestamp=0)
    watch_times(timestamp=0)
    statuses = dict(SupportTicket.objects.values_list("pk", "status"))
    assert statuses == {late.pk: "Escalated", spared.pk: "Open"}
    assert Notification.objects.filter(reader=ann, kind="escalated").count() == 1


@pytest.mark.django_db
def test_many_outdated_times_are_computed_in_batches(ann, monkeypatch):
    monkeypatch.setattr("support.service_levels.due_times.MAX_COMPUTED_AT_ONCE", 2)
    for _ in range(5):
        make_ticket()
    SupportTicket.objects.update(due_is_stale=True, resolve_due_at=None)
    assert compute_outdated() == 5
    compute_due_times()
    assert not SupportTicket.objects.filter(due_is_stale=True).exists()
    assert not SupportTicket.objects.filter(resolve_due_at=None).exists()


@pytest.mark.django_db(transaction=True)
def test_change_of_the_levels_waits_for_those_who_compute_by_the_old_ones():
    ticket = make_ticket(created_at=MONDAY, priority="high")
    done = threading.Event()

    def change() -> None:
        ServiceLevel.objects.filter(priority="high").update(resolution_minutes=600)
        done.set()
        connection.close()

    changer = threading.Thread(target=change)
    with transaction.atomic():
        old = hold_service_levels().due_times(ticket)
        changer.start()
        assert not done.wait(0.3)
        SupportTicket.objects.filter(pk=ticket.pk).update(resolve_due_at=old.resolution, due_is_stale=False)
    changer.join()
    ticket.refresh_from_db()
    assert ticket.due_is_stale
    compute_outdated()
    ticket.refresh_from_db()
    assert ticket.resolve_due_at == load_service_levels().due_times(ticket).resolution == MONDAY + timedelta(hours=26)
