"""Reports by email: on their day, once, to the reader's own address, with what the reader may see."""

from datetime import UTC, date, datetime

import pytest
from django.core import mail

from crm.models import ReportSchedule
from crm.screens.reports.all_reports import find_report
from crm.screens.reports.schedules import period_before, queue_reports, send_report
from crm.screens.reports.transitions import last_due_day, save_schedule
from tests.cast import browser, make_lead, page_text

pytestmark = pytest.mark.django_db
SUNDAY, MONDAY = (datetime(2026, 11, day, 12, tzinfo=UTC) for day in (29, 30))
TUESDAY = datetime(2026, 12, 1, 12, tzinfo=UTC)
PIPELINE = "pipeline"


@pytest.fixture(autouse=True)
def mail_server(settings):
    settings.EMAIL_HOST = "localhost"
    settings.PUBLIC_URL = "https://crm.example"


def schedule(user, frequency: str = "week", key: str = PIPELINE) -> ReportSchedule:
    save_schedule(user, find_report(key), frequency, now=SUNDAY)
    return ReportSchedule.objects.get(user=user, report=key)


def test_report_comes_on_its_day_and_once(max):
    weekly = schedule(max)
    assert not send_report(weekly.pk, SUNDAY) and not queue_reports(SUNDAY)
    assert queue_reports(MONDAY) == 1
    assert send_report(weekly.pk, MONDAY) and not send_report(weekly.pk, MONDAY)
    assert not queue_reports(TUESDAY) and len(mail.outbox) == 1


def test_early_in_the_morning_no_report_is_queued(max):
    schedule(max)
    assert not queue_reports(datetime(2026, 11, 30, 5, 59, tzinfo=UTC))


@pytest.mark.parametrize(
    ("frequency", "today", "due", "first", "last"),
    [
        ("week", date(2026, 12, 2), date(2026, 11, 30), date(2026, 11, 23), date(2026, 11, 29)),
        ("month", date(2026, 12, 2), date(2026, 12, 1), date(2026, 11, 1), date(2026, 11, 30)),
        ("month", date(2027, 1, 1), date(2027, 1, 1), date(2026, 12, 1), date(2026, 12, 31)),
    ],
)
def test_report_is_about_the_week_or_month_before(frequency, today, due, first, last):
    assert last_due_day(frequency, today) == due
    period = period_before(frequency, today)
    assert (period.first, period.last) == (first, last)


def test_email_has_what_its_reader_may_see(ann, bob):
    make_lead(assigned_to=ann, estimated_value=1000)
    make_lead(assigned_to=bob, estimated_value=7777)
    send_report(schedule(ann).pk, MONDAY)
    email = mail.outbox[0]
    assert email.to == [ann.email] and email.subject == "CRM: Pipeline"
    assert "Ann: Leads 1, Value $1,000" in email.body and "7,777" not in email.body and "Bob" not in email.body
    assert "https://crm.example/reports/pipeline/" in email.body


def test_email_names_its_days(max):
    send_report(schedule(max, key="won-and-lost").pk, MONDAY)
    assert mail.outbox[0].subject == "CRM: Won and lost, 23 Nov 2026 to 29 Nov 2026"
    assert "Nothing to report." in mail.outbox[0].body and "first=2026-11-23&last=2026-11-29" in mail.outbox[0].body


def test_reader_who_may_not_open_it_any_more_gets_none(max):
    weekly = schedule(max)
    max.groups.clear()
    assert not send_report(weekly.pk, MONDAY) and not mail.outbox


def test_mail_server_that_fails_leaves_the_report_due(max, monkeypatch):
    weekly = schedule(max)
    with monkeypatch.context() as patch:
        patch.setattr("django.core.mail.EmailMessage.send", lambda self: (_ for _ in ()).throw(OSError("away")))
        with pytest.raises(OSError, match="away"):
            send_report(weekly.pk, MONDAY)
    assert send_report(weekly.pk, MONDAY) and len(mail.outbox) == 1


def test_reader_chooses_on_the_page_of_the_report(max):
    session = browser(max)
    for frequency, sentence in (("month", "on the first of each month"), ("week", "every monday"), ("", "no longer")):
        answer = session.post("/reports/pipeline/email/", {"frequency": frequency}, follow=True)
        assert sentence in page_text(answer).lower()
        assert [*ReportSchedule.objects.values_list("frequency", flat=True)] == ([frequency] if frequency else [])
    assert "cannot come “hourly”" in page_text(
        session.post("/reports/pipeline/email/", {"frequency": "hourly"}, follow=True)
    )


def test_choice_needs_the_report_and_an_address(max, stranger):
    assert browser(stranger).post("/reports/pipeline/email/", {"frequency": "week"}).status_code == 403
    max.email = ""
    max.save()
    answer = browser(max).post("/reports/pipeline/email/", {"frequency": "week"}, follow=True)
    assert "no email address" in page_text(answer) and not ReportSchedule.objects.exists()
