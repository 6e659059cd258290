"""Dates and times: the agency's for rules and for what is sent, the reader's for screens."""

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from django.db import IntegrityError, transaction
from django.test import RequestFactory
from django.urls import resolve, reverse
from django.utils import timezone

from ai_log.filters import AIInteractionFilter
from ai_log.gateway import budgets
from ai_log.models import AIInteraction
from ai_log.usage.screen import resolve_period
from crm.exceptions import InvalidInput, NotPermitted
from crm.middleware import ReaderTimeMiddleware
from crm.models import ActivityLog, User
from crm.records import local_time
from crm.records.transitions import save_preferences
from crm.screens.json_forms.display import value_text
from crm.screens.json_forms.text_inputs import DateTimeInput
from crm.screens.today.items import Urgency
from crm.text.dates import DATE_FORMATS, DJANGO_DATE_FORMATS, DJANGO_TIME_FORMATS, TIME_FORMATS, DateStyle
from inbox.drafts.replies import quote_message
from inbox.email_templates.placeholders import sender_values
from leads.filters import LeadFilter
from leads.models import Lead, Task, TaskStatus
from suggestions.kinds import KINDS, schedule_call
from suggestions.kinds.follow_up import next_call_times
from support.dashboard import ticket_source
from support.models import SupportTicket
from tests.cast import browser, make_lead, make_suggestion, make_ticket, make_user, page_text

AFTERNOON = datetime(2026, 11, 3, 14, 5, 9)
# In New York it is still the evening of the 29th, in Tokyo the morning of the 30th.
NOW = datetime(2026, 11, 29, 23, 0, tzinfo=UTC)
AGENCY_DAY = date(2026, 11, 29)
TOKYO_READER = SimpleNamespace(time_zone="Asia/Tokyo", date_format="MMM D, YYYY", time_format="12h")


@pytest.fixture
def new_york(settings, monkeypatch):
    """An agency in New York, at NOW."""
    settings.TIME_ZONE = "America/New_York"
    monkeypatch.setattr(timezone, "now", lambda: NOW)


@pytest.fixture
def read_in_tokyo(new_york):
    with local_time.agency_as_reader():
        local_time.set_reader(TOKYO_READER)
        yield


@pytest.fixture
def ann_in_tokyo():
    return make_user("ann", "manager", **vars(TOKYO_READER))


@pytest.mark.parametrize(
    ("date_format", "day", "short_day", "long_day"),
    [
        ("D MMM YYYY", "3 Nov 2026", "3 Nov", "3 November 2026"),
        ("MMM D, YYYY", "Nov 3, 2026", "Nov 3", "November 3, 2026"),
        ("DD.MM.YYYY", "03.11.2026", "03.11.", "03.11.2026"),
        ("YYYY-MM-DD", "2026-11-03", "2026-11-03", "2026-11-03"),
    ],
)
def test_days_in_every_format(date_format, day, short_day, long_day):
    style = DateStyle(date_format, "24h")
    assert (style.day(AFTERNOON), style.short_day(AFTERNOON), style.long_day(AFTERNOON)) == (day, short_day, long_day)


@pytest.mark.parametrize(
    ("hour", "clock", "half_day_clock"),
    [(0, "00:05", "12:05 AM"), (9, "09:05", "9:05 AM"), (12, "12:05", "12:05 PM"), (14, "14:05", "2:05 PM")],
)
def test_times_in_every_format(hour, clock, half_day_clock):
    moment = AFTERNOON.replace(hour=hour)
    assert DateStyle("D MMM YYYY", "24h").time(moment) == clock
    assert DateStyle("D MMM YYYY", "12h").time(moment) == half_day_clock
    assert DateStyle("D MMM YYYY", "12h").time(moment, with_seconds=True) == half_day_clock.replace(":05", ":05:09")


def test_every_format_has_its_example_and_a_counterpart_of_django():
    for code, example in DATE_FORMATS.items():
        assert DateStyle(code, "24h").day(AGENCY_DAY) == example
    assert [DateStyle("D MMM YYYY", code).time(AFTERNOON) for code in TIME_FORMATS] == list(TIME_FORMATS.values())
    assert set(DJANGO_DATE_FORMATS) == set(DATE_FORMATS)
    assert set(DJANGO_TIME_FORMATS) == set(TIME_FORMATS)


@pytest.mark.parametrize(
    ("reader", "text"),
    [
        (TOKYO_READER, "Nov 30, 2026, 8:00 AM"),
        (SimpleNamespace(time_zone="Asia/Tokyo", date_format="", time_format=""), "30 Nov 2026, 08:00"),
        (SimpleNamespace(time_zone="", date_format="", time_format="12h"), "29 Nov 2026, 6:00 PM"),
        (SimpleNamespace(time_zone="Mars/Base", date_format="", time_format=""), "29 Nov 2026, 18:00"),
        (SimpleNamespace(time_zone="../Base", date_format="", time_format=""), "29 Nov 2026, 18:00"),
        (SimpleNamespace(), "29 Nov 2026, 18:00"),
    ],
)
def test_blank_or_unknown_choice_is_the_agencys(reader, text, new_york):
    with local_time.agency_as_reader():
        local_time.set_reader(reader)
        assert local_time.format_moment(NOW) == text
        assert value_text(NOW.isoformat(), {}) == text
        assert local_time.format_agency_moment(NOW) == "29 Nov 2026, 18:00"
    assert local_time.format_moment(NOW) == "29 Nov 2026, 18:00"


def test_typed_moment_is_in_the_readers_zone(read_in_tokyo):
    field = DateTimeInput()
    assert field.parse("2026-11-30T08:00") == "2026-11-30T08:00:00+09:00"
    assert field.to_input("2026-11-29T23:00:00Z") == "2026-11-30T08:00"
    assert field.to_input("2026-11-29T18:00:00") == "2026-11-30T08:00"


def test_rules_keep_the_agencys_day(read_in_tokyo):
    assert timezone.localdate() == date(2026, 11, 30)
    assert local_time.agency_today() == AGENCY_DAY
    assert local_time.start_of_agency_day(AGENCY_DAY) == datetime(2026, 11, 29, 5, tzinfo=UTC)
    assert not Task(due_on=AGENCY_DAY, status=TaskStatus.ON_DECK).is_late
    assert Task(due_on=AGENCY_DAY - timedelta(days=1), status=TaskStatus.ON_DECK).is_late
    assert next_call_times(local_time.agency_now())[0].isoformat() == "2026-11-30T10:00:00-05:00"
    assert resolve_period("7", None, None)[0][1] == AGENCY_DAY


def test_texts_for_recipients_keep_the_agencys_time(read_in_tokyo):
    message = SimpleNamespace(body_text="Hello", sent_at=NOW, from_email="lee@example.com")
    assert quote_message(message).startswith("On 29 November 2026 at 18:00, lee@example.com wrote:")
    assert sender_values(None)["today"] == "29 November 2026"
    assert schedule_call.format_meeting_time(NOW) == "Sun 29 Nov 2026, 18:00 EST"
    assert schedule_call.event_times(NOW, 30)[0].tzinfo == ZoneInfo("America/New_York")


@pytest.mark.django_db
def test_log_keeps_the_agencys_formats(read_in_tokyo):
    suggestion = make_suggestion(lead=make_lead(), suggested_content={"title": "Call", "dueOn": "2026-12-01"})
    entry = ActivityLog.objects.filter(verb="proposed").get()
    assert entry.summary.endswith("due 1 Dec 2026.")
    kind = KINDS[suggestion.type]
    sentence = kind.sentence(kind.parse_content(suggestion.suggested_content), suggestion)
    assert sentence.endswith("due Dec 1, 2026.")


@pytest.mark.django_db
def test_page_shows_the_readers_zone_and_formats(new_york, ann_in_tokyo, max):
    ticket = make_ticket(subject="Leak")
    SupportTicket.objects.filter(pk=ticket.pk).update(created_at=NOW, resolve_due_at=NOW + timedelta(hours=5))
    url = reverse("admin:support_supportticket_change", args=[ticket.pk])
    text = page_text(browser(ann_in_tokyo).get(url))
    assert "Nov 30, 2026, 8:00 AM" in text
    assert "Nov 30, 2026, 1:00 PM" in text
    assert "29 Nov 2026, 18:00" in page_text(browser(max).get(url))
    assert timezone.get_current_timezone_name() == "America/New_York"
    assert local_time.format_moment(NOW) == "29 Nov 2026, 18:00"


@pytest.mark.django_db
def test_due_times_do_not_follow_the_reader(read_in_tokyo, ann_in_tokyo):
    make_ticket()
    SupportTicket.objects.update(resolve_due_at=datetime(2026, 11, 30, 4, 59, tzinfo=UTC))
    assert urgencies(ticket_source(ann_in_tokyo, NOW)) == [Urgency.TODAY]
    SupportTicket.objects.update(resolve_due_at=datetime(2026, 11, 30, 5, 1, tzinfo=UTC))
    assert urgencies(ticket_source(ann_in_tokyo, NOW)) == [Urgency.LATER]


def urgencies(source):
    return [candidate.urgency for candidate in source.load(10)]


@pytest.mark.django_db
@pytest.mark.parametrize(("hour", "counts"), [(4, False), (14, True)])
def test_daily_budget_does_not_follow_the_reader(hour, counts, read_in_tokyo, settings):
    settings.AI_DAILY_CALLS = 1
    AIInteraction.objects.create(content="?", model_used="m", latency_ms=1, created_at=NOW.replace(hour=hour))
    assert bool(budgets.budget_exceeded_reason(None, NOW)) == counts


@pytest.mark.django_db
def test_day_filter_means_the_days_that_the_list_shows(read_in_tokyo):
    lead = make_lead()
    Lead.objects.filter(pk=lead.pk).update(created_at=NOW)

    def found(day: str) -> bool:
        return LeadFilter({"created_from": day, "created_to": day}, Lead.objects.all()).qs.exists()

    assert (found("2026-11-29"), found("2026-11-30")) == (False, True)
    since = AIInteractionFilter.base_filters["since"].start_of_day(AGENCY_DAY)
    assert since == datetime(2026, 11, 29, 5, tzinfo=UTC)


@pytest.mark.django_db
def test_user_saves_own_settings(new_york, ann):
    url = reverse("admin:own_settings")
    page = page_text(browser(ann).get(url))
    assert "Agency: America/New_York" in page
    assert f'href="{url}"' in page_text(browser(ann).get(reverse("admin:index")))
    chosen = {"time_zone": "Asia/Tokyo", "date_format": "YYYY-MM-DD", "time_format": "12h"}
    assert "Settings saved." in page_text(browser(ann).post(url, chosen, follow=True))
    assert User.objects.values(*chosen).get(pk=ann.pk) == chosen
    browser(ann).post(url, dict.fromkeys(chosen, ""))
    assert User.objects.values(*chosen).get(pk=ann.pk) == dict.fromkeys(chosen, "")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("time_zone", "Mars/Base", "“Mars/Base” is not a time zone. Choose one such as Europe/Berlin."),
        ("time_zone", "../etc/passwd", "is not a time zone."),
        ("date_format", "DD/MM", "The date format must be one of: "),
        ("time_format", "13h", "The time format must be one of: 24h; 12h."),
    ],
)
def test_unknown_choice_is_refused(name, value, sentence):
    ann = make_user("ann", "agent", time_zone="Asia/Tokyo")
    chosen = {"time_zone": "Europe/Berlin", "date_format": "", "time_format": "", name: value}
    page = page_text(browser(ann).post(reverse("admin:own_settings"), chosen))
    assert sentence in page
    assert User.objects.values_list("time_zone", "date_format", "time_format").get(pk=ann.pk) == ("Asia/Tokyo", "", "")
    with pytest.raises(InvalidInput):
        save_preferences(ann, **chosen, by=ann)
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.filter(pk=ann.pk).update(**{name: "." if name == "time_zone" else value})


@pytest.mark.django_db
def test_settings_of_another_user_are_refused(ann, max):
    with pytest.raises(NotPermitted, match="Max may not change the settings of Ann"):
        save_preferences(ann, time_zone="Asia/Tokyo", date_format="", time_format="", by=max)


@pytest.mark.parametrize(
    ("path", "text"), [("/", "Nov 30, 2026, 8:00 AM"), ("/t/aaaaaaaaaaaaaaaaaaaaaa/", "29 Nov 2026, 18:00")]
)
def test_page_for_outsiders_keeps_the_agencys_zone(path, text, new_york):
    request = RequestFactory().get(path)
    request.user, request.resolver_match = TOKYO_READER, resolve(path)
    written = []

    def get_response(request):
        middleware.process_view(request, None, (), {})
        written.append(local_time.format_moment(NOW))

    middleware = ReaderTimeMiddleware(get_response)
    middleware(request)
    assert written == [text]
    assert local_time.format_moment(NOW) == "29 Nov 2026, 18:00"
