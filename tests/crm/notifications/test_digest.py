"""The daily email: once a day, each thing once, and only what its reader may open."""

from datetime import UTC, datetime, timedelta
from unittest import mock

import pytest
from django.core import mail
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from crm.models import Notification, NotificationDigest
from crm.records.notifications.digest import queue_digests, send_digest
from crm.records.transitions import assign
from crm.runtime.backup.after_restore import apply_changes
from tests.cast import make_lead, make_thread

pytestmark = pytest.mark.django_db
SEVEN, TOMORROW = datetime(2026, 11, 30, 7, 5, tzinfo=UTC), datetime(2026, 12, 1, 7, 5, tzinfo=UTC)


@pytest.fixture(autouse=True)
def mail_server(settings):
    settings.EMAIL_HOST = "mail.example.com"
    settings.TIME_ZONE = "UTC"


def tell(reader, record, kind="mentioned", **fields):
    fields = {"target_type": record._meta.label_lower, "target_id": record.pk, "by_email": True, **fields}
    return Notification.objects.create(reader=reader, kind=kind, **fields)


def queued():
    return [job.args["user"] for job in ProcrastinateJob.objects.filter(task_name="crm.send_digest")]


def test_email_tells_each_thing_once(ann, settings):
    settings.PUBLIC_URL = "https://crm.example.com"
    lead = make_lead(contact_name="Nora Natal")
    row = tell(ann, lead)
    assert send_digest(ann.pk, SEVEN)
    [email] = mail.outbox
    assert (email.to, email.subject) == ([ann.email], "CRM: 1 notification")
    assert "You were mentioned on a lead: Nora Natal" in email.body
    assert f"https://crm.example.com/leads/lead/{lead.pk}/change/" in email.body
    assert not send_digest(ann.pk, SEVEN + timedelta(hours=1))
    assert not send_digest(ann.pk, TOMORROW)
    Notification.objects.filter(pk=row.pk).update(count=3)
    assert send_digest(ann.pk, TOMORROW + timedelta(days=1))
    assert "2 mentions on a lead: Nora Natal" in mail.outbox[1].body


def test_nothing_read_hidden_or_unwanted_is_emailed(ann, bob, max):
    tell(ann, make_lead(), read_at=timezone.now())
    tell(ann, make_lead(), by_email=False)
    hidden = make_lead()
    tell(ann, hidden)
    assign(hidden, bob, by=max)
    assert not send_digest(ann.pk, SEVEN)
    assert not mail.outbox


def test_email_leaves_out_links_without_a_public_url(ann):
    tell(ann, make_thread(subject="My roof"), "answered", count=5)
    send_digest(ann.pk, SEVEN)
    assert "5 new messages: My roof" in mail.outbox[0].body
    assert "http" not in mail.outbox[0].body


def test_emails_are_queued_at_the_hour_of_each_reader_once_a_day(ann, bob, vera):
    for user in (ann, bob):
        tell(user, make_lead())
    NotificationDigest.objects.create(user=bob, hour=18)
    queue_digests(SEVEN - timedelta(hours=1))
    assert queued() == []
    queue_digests(SEVEN)
    queue_digests(SEVEN)
    assert queued() == [str(ann.pk)]
    send_digest(ann.pk, SEVEN)
    assert queue_digests(SEVEN.replace(hour=19)) == 1
    assert set(queued()) == {str(ann.pk), str(bob.pk)}


def test_nothing_is_queued_without_mail_server_address_or_account(ann, bob, settings):
    for user in (ann, bob):
        tell(user, make_lead())
    type(ann).objects.filter(pk=ann.pk).update(email="")
    type(bob).objects.filter(pk=bob.pk).update(is_active=False)
    assert queue_digests(SEVEN) == 0
    assert not send_digest(ann.pk, SEVEN)
    assert not send_digest(bob.pk, SEVEN)
    type(ann).objects.filter(pk=ann.pk).update(email="ann@agency.example")
    settings.EMAIL_HOST = ""
    assert queue_digests(SEVEN) == 0


def test_there_is_one_email_a_day(ann):
    tell(ann, make_lead())
    assert send_digest(ann.pk, SEVEN)
    tell(ann, make_lead())
    assert not send_digest(ann.pk, SEVEN + timedelta(hours=1))
    assert send_digest(ann.pk, TOMORROW)


def test_restored_backup_emails_nothing_again(ann):
    tell(ann, make_lead())
    apply_changes()
    assert not send_digest(ann.pk, SEVEN)


def test_failing_mail_server_is_asked_again(ann):
    tell(ann, make_lead())
    with mock.patch("django.core.mail.EmailMessage.send", side_effect=OSError), pytest.raises(OSError):
        send_digest(ann.pk, SEVEN)
    assert send_digest(ann.pk, SEVEN)
    assert len(mail.outbox) == 1


def test_hidden_names_do_not_come_back_after_a_failure(ann):
    row = tell(ann, make_lead(), emailed_count=1, count=2)
    with mock.patch("django.core.mail.EmailMessage.send", side_effect=OSError), pytest.raises(OSError):
        send_digest(ann.pk, SEVEN)
    row.refresh_from_db()
    assert (row.count, row.emailed_count) == (2, 1)
