"""Tests of the page of the service levels, its preview, and what the database refuses."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import DatabaseError, connection, transaction

from crm.exceptions import IllegalTransition, InvalidInput, NotPermitted
from crm.models import ActivityLog
from support.models import Holiday, ServiceLevel, SupportTicket, WorkingDay
from support.service_levels.changes import format_minutes, load_settings
from support.service_levels.due_times import compute_outdated
from support.service_levels.forms import ServiceLevelsForm
from support.service_levels.levels import load_service_levels
from support.service_levels.transitions import save_service_levels
from support.transitions import open_ticket
from tests.cast import browser, make_client, make_ticket, page_text
from tests.queued_jobs import queued_jobs

pytestmark = pytest.mark.django_db
PAGE = "/support/service-levels/"
MONDAY = datetime(2026, 11, 23, 9, tzinfo=UTC)


def page_data(**changes) -> dict[str, str]:
    """Return what the page sends without any change, with `changes` by the end of a field's name."""
    stored = load_settings()
    form = ServiceLevelsForm(stored, list)
    data = {"loaded": stored.digest}
    for part in (*form.levels, form.new_level, *form.days, form.holidays):
        for bound in part:
            value = bound.value()
            if not isinstance(value, bool) and value is not None:
                data[bound.html_name] = value.strftime("%H:%M") if isinstance(value, time) else str(value)
    return {**data, **changes}


def level_key(priority: str, column: str) -> str:
    return f"{ServiceLevel.objects.get(issue_type='', priority=priority).pk}-{column}"


def test_first_levels_are_those_of_the_agency():
    rows = ServiceLevel.objects.values_list(
        "priority", "first_response_minutes", "resolution_minutes", "in_working_hours"
    )
    hours = {name: (first / 60, last / 60, within) for name, first, last, within in rows}
    assert hours == {
        "urgent": (1, 8, False),
        "high": (4, 8, True),
        "normal": (8, 24, True),
        "low": (16, 56, True),
    }


def test_level_of_the_issue_type_comes_before_the_general_one(ann):
    level = ServiceLevel.objects.create(
        issue_type="Claim", priority="normal", first_response_minutes=30, resolution_minutes=60, in_working_hours=False
    )
    levels = load_service_levels()
    assert levels.of("normal", "claim") == level
    assert levels.of("high", "Claim").issue_type == ""
    ticket = SupportTicket(client=make_client(), subject="x", issue_type="CLAIM", created_at=MONDAY)
    open_ticket(ticket, by=ann)
    assert ticket.resolve_due_at == MONDAY + timedelta(hours=1)


def test_page_shows_levels_week_and_holidays_and_agents_may_only_read(as_ann, as_max):
    Holiday.objects.create(day=date(2026, 12, 25), name="Christmas Day")
    page = page_text(as_max.get(PAGE))
    assert "2026-12-25 Christmas Day" in page
    assert "Monday" in page
    assert 'name="save"' in page
    page = page_text(as_ann.get(PAGE))
    assert "You can view these settings but not change them." in page
    assert 'name="save"' not in page
    assert as_ann.post(PAGE, page_data(save="")).status_code == 403


def test_user_without_tickets_may_not_read_the_levels(stranger):
    assert browser(stranger).get(PAGE).status_code == 403


@pytest.mark.parametrize("role", ["manager", "administrator"])
def test_role_may_change_the_levels(role):
    change = Permission.objects.get(codename="change_servicelevel")
    assert change in Group.objects.get(name=role).permissions.all()


def test_preview_shows_what_moves_and_changes_nothing(as_max, ann, bob):
    ticket = make_ticket(created_at=MONDAY, priority="high", subject="Broken window")
    make_ticket(created_at=MONDAY, priority="low", subject="Other priority")
    data = page_data(**{level_key("high", "resolution_minutes"): "12", "preview": ""})
    page = page_text(as_max.get(PAGE)) and page_text(as_max.post(PAGE, data))
    assert "1 unresolved ticket would get another due time." in page
    assert "Broken window" in page
    assert "Other priority" not in page
    assert "(4 h later)" in page
    assert "resolution 8 h" in page
    assert "resolution 12 h" in page
    ticket.refresh_from_db()
    assert (ticket.resolve_due_at, ticket.due_is_stale) == (MONDAY + timedelta(hours=8), False)
    assert ServiceLevel.objects.get(issue_type="", priority="high").resolution_minutes == 480


def test_preview_lists_only_tickets_that_the_reader_may_open(bob, ann):
    ann.user_permissions.add(Permission.objects.get(codename="change_servicelevel"))
    make_ticket(created_at=MONDAY, priority="high", subject="Of Bob", assigned_to=bob)
    data = page_data(**{level_key("high", "resolution_minutes"): "12", "preview": ""})
    page = page_text(browser(ann).post(PAGE, data))
    assert "1 unresolved ticket would get another due time." in page
    assert "Of Bob" not in page


def test_save_applies_all_logs_it_and_has_due_times_computed(as_max, max):
    ticket = make_ticket(created_at=MONDAY, priority="high")
    data = page_data(
        **{
            level_key("high", "resolution_minutes"): "12",
            "new-issue_type": "Claim",
            "new-priority": "urgent",
            "new-first_response_minutes": "0.5",
            "new-resolution_minutes": "4",
            "new-in_working_hours": "clock",
            "day-0-break_from": "12:00",
            "day-0-break_to": "13:00",
            "day-5-opens_at": "10:00",
            "day-5-closes_at": "00:00",
            "holidays": "2026-11-24 Day of the dog\n\n 2026-12-25  Christmas Day \n",
            "save": "",
        }
    )
    answer = as_max.post(PAGE, data, follow=True)
    assert "Saved:" in page_text(answer), answer.context["form"].errors
    level = ServiceLevel.objects.get(issue_type="Claim")
    assert (level.first_response_minutes, level.resolution_minutes, level.in_working_hours) == (30, 240, False)
    saturday = WorkingDay.objects.get(weekday=5)
    assert (saturday.opens_at, saturday.closes_at) == (time(10), time(0))
    assert dict(Holiday.objects.values_list("day", "name")) == {
        date(2026, 11, 24): "Day of the dog",
        date(2026, 12, 25): "Christmas Day",
    }
    line = ActivityLog.objects.get(target_type="support.servicelevel")
    assert line.actor == max
    for words in ("Claim, urgent: new", "Monday: 09:00–17:00 → 09:00–12:00, 13:00–17:00", "Day of the dog"):
        assert words in line.summary
    assert queued_jobs("support.compute_due_times")
    compute_outdated()
    ticket.refresh_from_db()
    # Seven hours on Monday, a holiday on Tuesday, five on Wednesday.
    assert ticket.resolve_due_at == MONDAY + timedelta(days=2, hours=5)


def test_level_of_an_issue_type_can_be_deleted_and_general_ones_stay(as_max):
    level = ServiceLevel.objects.create(
        issue_type="Claim", priority="low", first_response_minutes=60, resolution_minutes=60
    )
    general = level_key("low", "deleted")
    as_max.post(PAGE, page_data(**{f"{level.pk}-deleted": "on", general: "on", "save": ""}))
    assert not ServiceLevel.objects.filter(pk=level.pk).exists()
    assert ServiceLevel.objects.count() == 4


WRONG = [
    ({"day-0-opens_at": "18:00"}, "Monday must open before it closes."),
    ({"day-0-opens_at": ""}, "Monday needs both times, or neither for a day off."),
    ({"day-1-break_from": "12:00"}, "The break of Tuesday needs both times, or neither."),
    (
        {"day-1-break_from": "12:00", "day-1-break_to": "18:00"},
        "The break of Tuesday must begin and end within its working hours.",
    ),
    ({"day-0-opens_at": "25:00"}, "Enter a valid time."),
    ({f"day-{day}-{end}_at": "" for day in range(5) for end in ("opens", "closes")}, "at least one working hour"),
    ({"holidays": "2026-13-45 Nothing"}, "Line 1: “2026-13-45” is no date from 2000 to 2100"),
    ({"holidays": "20261225 Christmas"}, "Line 1: “20261225” is no date"),
    ({"holidays": "2026-12-25"}, "Line 1: “2026-12-25” needs a date and a name"),
    ({"holidays": "2026-12-25 A\n2026-12-25 B"}, "Line 2: 2026-12-25 is listed twice."),
    ({"holidays": f"2026-12-25 {'x' * 101}"}, "at most 100 characters"),
    ({"new-issue_type": "Claim", "new-priority": "low"}, "This field is required."),
    ({"new-first_response_minutes": "2"}, "This field is required."),
]


@pytest.mark.parametrize(("changes", "sentence"), WRONG)
def test_wrong_input_is_refused_in_a_sentence_and_changes_nothing(as_max, changes, sentence):
    before = load_settings().digest
    answer = as_max.post(PAGE, page_data(**changes, save=""))
    assert answer.status_code == 422
    assert sentence in page_text(answer)
    assert load_settings().digest == before


@pytest.mark.parametrize(
    ("column", "value", "sentence"),
    [
        ("resolution_minutes", "0", "greater than or equal to 0.02"),
        ("resolution_minutes", "3000", "less than or equal to 2160"),
        ("resolution_minutes", "abc", "Enter a number."),
        ("first_response_minutes", "9", "must not be due after the resolution"),
        ("warn_minutes", "-1", "greater than or equal to 0"),
        ("in_working_hours", "never", "Select a valid choice"),
        ("escalates_to", "01990000-0000-7000-8000-000000000001", "Select a valid choice"),
    ],
)
def test_wrong_value_of_a_level_is_refused(as_max, column, value, sentence):
    answer = as_max.post(PAGE, page_data(**{level_key("high", column): value, "save": ""}))
    assert answer.status_code == 422
    assert sentence in page_text(answer)


def test_second_level_of_a_type_is_refused(as_max):
    ServiceLevel.objects.create(issue_type="Claim", priority="low", first_response_minutes=60, resolution_minutes=60)
    new = {"new-issue_type": "claim", "new-priority": "low"}
    hours = {"new-first_response_minutes": "1", "new-resolution_minutes": "2"}
    answer = as_max.post(PAGE, page_data(**new, **hours, save=""))
    assert "There are two levels for “Claim, low”." in page_text(answer)


def test_resolution_that_no_working_hour_reaches_is_refused(as_max):
    only = {f"day-{day}-{end}_at": "" for day in range(1, 5) for end in ("opens", "closes")}
    data = page_data(**only, **{"day-0-opens_at": "09:00", "day-0-closes_at": "10:00", "save": ""})
    answer = as_max.post(PAGE, {**data, level_key("low", "resolution_minutes"): "600"})
    assert "its resolution would not be due within ten years" in page_text(answer)


def test_page_that_a_colleague_changed_meanwhile_saves_nothing(as_max):
    data = page_data(**{level_key("high", "resolution_minutes"): "12", "save": ""})
    Holiday.objects.create(day=date(2026, 12, 25), name="Christmas Day")
    answer = as_max.post(PAGE, data)
    assert "The service levels were changed meanwhile." in page_text(answer)
    assert Holiday.objects.exists()
    assert "Nothing was changed." in page_text(as_max.post(PAGE, page_data(save="")))


def test_saving_needs_the_permission(ann, max):
    with pytest.raises(NotPermitted):
        save_service_levels(load_settings(), load_settings().digest, by=ann)
    with pytest.raises(IllegalTransition, match="Nothing was changed"):
        save_service_levels(load_settings(), load_settings().digest, by=max)


def test_constraint_of_the_database_is_a_sentence(max):
    changed = load_settings()
    changed.days[0].opens_at = time(20)
    with pytest.raises(InvalidInput, match="A working day must open before it closes"):
        save_service_levels(changed, load_settings().digest, by=max)


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("DELETE FROM service_levels WHERE priority = 'low'", "can be changed, not deleted"),
        ("UPDATE service_levels SET issue_type = 'x' WHERE priority = 'low'", "can be changed, not deleted"),
        ("UPDATE working_days SET opens_at = NULL, closes_at = NULL", "at least one working hour"),
        ("DELETE FROM working_days", "at least one working hour"),
        ("UPDATE working_days SET break_from = '08:00', break_to = '10:00'", "break_valid"),
        ("UPDATE working_days SET closes_at = '08:00' WHERE weekday = 0", "hours_valid"),
        ("UPDATE service_levels SET first_response_minutes = 9999", "answer_before_resolution"),
        ("INSERT INTO holidays (day, name) VALUES ('2026-12-25', '')", "name_not_blank"),
    ],
)
def test_database_refuses(statement, sentence):
    with pytest.raises(DatabaseError, match=sentence), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE service_levels SET resolution_minutes = 600 WHERE priority = 'high'",
        "UPDATE working_days SET closes_at = '16:00' WHERE weekday = 0",
        "INSERT INTO holidays (day, name) VALUES ('2026-12-25', 'Christmas Day')",
    ],
)
def test_any_change_marks_the_due_times_of_unresolved_tickets(statement):
    ticket, own = make_ticket(), make_ticket(resolve_due_at=MONDAY)
    with connection.cursor() as cursor:
        cursor.execute(statement)
    for row in (ticket, own):
        row.refresh_from_db()
    assert (ticket.due_is_stale, own.due_is_stale) == (True, False)


def test_page_takes_few_statements(as_max, django_assert_max_num_queries):
    with django_assert_max_num_queries(15):
        as_max.get(PAGE)


@pytest.mark.parametrize(("minutes", "words"), [(60, "1 h"), (90, "1 h 30 min"), (5, "5 min"), (0, "0 min")])
def test_minutes_are_written_as_hours(minutes, words):
    assert format_minutes(minutes) == words
