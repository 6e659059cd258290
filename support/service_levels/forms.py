"""The form of the service levels: a row for each level, the week, and the holidays as lines."""

import re
from collections.abc import Iterator
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any

from django import forms
from django.forms.utils import ErrorDict
from django.http import QueryDict
from django.utils import timezone

from crm.models import User
from crm.screens.record_forms import TypedDecimalField
from leads.action_forms import assignable_users
from support.filters import DatalistInput
from support.models import MAX_TARGET_MINUTES, MAX_WARN_MINUTES, ServiceLevel, TicketPriority, WorkingDay
from support.service_levels.changes import WEEKDAYS, ServiceSettings
from support.service_levels.working_hours import NoWorkingTime

MINUTES_PER_HOUR, SHORTEST_WEEK = 60, timedelta(hours=1)
MAX_HOLIDAYS, MAX_HOLIDAY_NAME = 500, 100
FIRST_YEAR, LAST_YEAR = 2000, 2100
HOLIDAY_LINE = re.compile(r"(\S+)\s+(.*)")
IN_HOURS, AROUND_CLOCK = "hours", "clock"


class HoursField(TypedDecimalField):
    """Hours, with a fraction or without, as whole minutes."""

    def __init__(self, label: str) -> None:
        limit = Decimal(MAX_TARGET_MINUTES) / MINUTES_PER_HOUR
        super().__init__(label=label, min_value=Decimal("0.02"), max_value=limit, max_digits=6, decimal_places=2)

    def prepare_value(self, value: Any) -> Any:
        if not isinstance(value, int):
            return value
        hours = (Decimal(value) / MINUTES_PER_HOUR).quantize(Decimal("0.01"))
        return hours.normalize() if hours != hours.to_integral() else hours.to_integral()

    def clean(self, value: Any) -> Any:
        hours = super().clean(value)
        return None if hours is None else round(hours * MINUTES_PER_HOUR)


class LevelForm(forms.Form):
    """One service level."""

    first_response_minutes = HoursField("First response (h)")
    resolution_minutes = HoursField("Resolution (h)")
    in_working_hours = forms.ChoiceField(
        label="Counts", choices=[(IN_HOURS, "Working hours"), (AROUND_CLOCK, "Around the clock")]
    )
    warn_minutes = forms.IntegerField(label="Warn before (min)", min_value=0, max_value=MAX_WARN_MINUTES)
    escalates_to = forms.ModelChoiceField(User.objects.none(), label="Escalates to", required=False, empty_label="—")
    deleted = forms.BooleanField(label="Delete", required=False)

    def __init__(self, data: QueryDict | None, level: ServiceLevel, name: str, users: list[tuple[Any, str]]) -> None:
        self.level, self.name = level, name
        super().__init__(data, prefix=str(level.pk) if level.priority else "new", initial=initial_of(level))
        self.fields["escalates_to"].queryset = assignable_users()
        self.fields["escalates_to"].choices = [("", "Same assignee"), *users]
        for bound in self:
            bound.field.widget.attrs["aria-label"] = f"{name}: {bound.label}"

    @property
    def is_general(self) -> bool:
        return not self.level.issue_type

    def clean(self) -> dict[str, Any]:
        given = super().clean()
        first, resolution = given.get("first_response_minutes"), given.get("resolution_minutes")
        if first and resolution and first > resolution:
            self.add_error("first_response_minutes", "The first response must not be due after the resolution.")
        return given

    def is_kept(self) -> bool:
        return self.is_general or not self.cleaned_data.get("deleted")

    def changed_level(self) -> ServiceLevel:
        given = self.cleaned_data
        return ServiceLevel(
            pk=self.level.pk,
            issue_type=self.level.issue_type,
            priority=self.level.priority,
            first_response_minutes=given["first_response_minutes"],
            resolution_minutes=given["resolution_minutes"],
            in_working_hours=given["in_working_hours"] == IN_HOURS,
            warn_minutes=given["warn_minutes"],
            escalates_to=given["escalates_to"],
        )


class NewLevelForm(LevelForm):
    """A level of an issue type that has none yet; without an issue type there is none."""

    issue_type = forms.CharField(label="Issue type", max_length=80)
    priority = forms.ChoiceField(label="Priority", choices=TicketPriority.choices, initial=TicketPriority.NORMAL)

    def __init__(self, data: QueryDict | None, users: list[tuple[Any, str]], issue_types: Any) -> None:
        super().__init__(data, ServiceLevel(warn_minutes=60), "New level", users)
        self.fields["issue_type"].widget = DatalistInput(
            issue_types, {"maxlength": 80, "aria-label": "New level: Issue type", "placeholder": "New issue type"}
        )
        # An empty row is no level, and needs no values.
        self.empty_permitted, self.use_required_attribute = True, False

    @property
    def is_empty(self) -> bool:
        names = ("issue_type", "first_response_minutes", "resolution_minutes")
        return not any(self.data.get(self.add_prefix(name), "").strip() for name in names)

    def full_clean(self) -> None:
        """As Django's, without errors where the row is empty."""
        super().full_clean()
        if self.is_bound and self.is_empty:
            self._errors, self.cleaned_data = ErrorDict(), {}

    def is_kept(self) -> bool:
        return not self.is_empty

    def changed_level(self) -> ServiceLevel:
        level = super().changed_level()
        level.issue_type, level.priority = self.cleaned_data["issue_type"].strip(), self.cleaned_data["priority"]
        return level


def initial_of(level: ServiceLevel) -> dict[str, Any]:
    return {
        "first_response_minutes": level.first_response_minutes,
        "resolution_minutes": level.resolution_minutes,
        "in_working_hours": IN_HOURS if level.in_working_hours else AROUND_CLOCK,
        "warn_minutes": level.warn_minutes,
        "escalates_to": level.escalates_to_id,
    }


def time_field(label: str) -> forms.TimeField:
    widget = forms.TimeInput(attrs={"type": "time"}, format="%H:%M")
    return forms.TimeField(label=label, required=False, widget=widget, input_formats=["%H:%M", "%H:%M:%S"])


class DayForm(forms.Form):
    """The hours of one weekday; without any it is a day off."""

    opens_at = time_field("Opens")
    closes_at = time_field("Closes")
    break_from = time_field("Break from")
    break_to = time_field("Break to")

    def __init__(self, data: QueryDict | None, day: WorkingDay) -> None:
        self.day, self.name = day, WEEKDAYS[day.weekday]
        initial = {name: getattr(day, name) for name in self.base_fields}
        super().__init__(data, prefix=f"day-{day.weekday}", initial=initial)
        for bound in self:
            bound.field.widget.attrs["aria-label"] = f"{self.name}: {bound.label}"

    def clean(self) -> dict[str, Any]:
        given = super().clean()
        if not self.errors:
            self.check_hours(*(given[name] for name in ("opens_at", "closes_at", "break_from", "break_to")))
        return given

    def check_hours(self, opens: time | None, closes: time | None, start: time | None, end: time | None) -> None:
        if (opens is None) != (closes is None):
            self.add_error(None, f"{self.name} needs both times, or neither for a day off.")
        elif opens is not None and not opens < end_of(closes):
            self.add_error(None, f"{self.name} must open before it closes.")
        elif (start is None) != (end is None):
            self.add_error(None, f"The break of {self.name} needs both times, or neither.")
        elif start is not None and not (opens is not None and opens < start < end < end_of(closes)):
            self.add_error(None, f"The break of {self.name} must begin and end within its working hours.")

    def changed_day(self) -> WorkingDay:
        return WorkingDay(pk=self.day.pk, weekday=self.day.weekday, **self.cleaned_data)


def end_of(closes: time) -> time:
    """Return the closing time; midnight is the end of the day."""
    return time.max if closes == time.min else closes


class HolidaysForm(forms.Form):
    """The holidays, one a line."""

    holidays = forms.CharField(
        label="Holidays",
        required=False,
        max_length=100_000,
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false"}),
        help_text="One a line: 2026-12-25 Christmas Day",
    )

    def clean_holidays(self) -> dict[date, str]:
        lines = [line.strip() for line in self.cleaned_data["holidays"].replace("\x00", "").splitlines()]
        found, errors = {}, []
        for number, line in enumerate(lines, start=1):
            if line:
                day, name, error = read_holiday(line)
                error = error or (f"{day.isoformat()} is listed twice." if day in found else "")
                if error:
                    errors.append(f"Line {number}: {error}")
                else:
                    found[day] = name
        if len(found) > MAX_HOLIDAYS:
            errors.append(f"There can be at most {MAX_HOLIDAYS} holidays; these are {len(found):,}.")
        if errors:
            raise forms.ValidationError(errors[:10])
        return found


def read_holiday(line: str) -> tuple[date, str, str]:
    """Return the day and the name of a holiday in `line`, and what is wrong with it, if anything."""
    parts = HOLIDAY_LINE.fullmatch(line)
    if parts is None:
        return date.min, "", f"“{line[:40]}” needs a date and a name, such as 2026-12-25 Christmas Day."
    try:
        day = date.fromisoformat(parts[1]) if len(parts[1]) == len("2026-12-25") else date.min
    except ValueError:
        day = date.min
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        return day, "", f"“{parts[1][:40]}” is no date from {FIRST_YEAR} to {LAST_YEAR}, such as 2026-12-25."
    if len(parts[2]) > MAX_HOLIDAY_NAME:
        return day, "", f"The name of a holiday can have at most {MAX_HOLIDAY_NAME} characters."
    return day, parts[2], ""


class ServiceLevelsForm:
    """The whole page: the levels, a new one, the week and the holidays."""

    def __init__(self, stored: ServiceSettings, issue_types: Any, data: QueryDict | None = None) -> None:
        users = [(user.pk, str(user)) for user in assignable_users()]
        self.levels = [LevelForm(data, level, str(level), users) for level in stored.levels]
        self.new_level = NewLevelForm(data, users, issue_types)
        self.days = [DayForm(data, day) for day in stored.days]
        lines = "\n".join(f"{day.isoformat()} {name}" for day, name in sorted(stored.holidays.items()))
        self.holidays = HolidaysForm(data, initial={"holidays": lines})
        self.errors: list[str] = []

    def disable(self) -> None:
        """Show the values to a user who may not change them."""
        for form in (*self.levels, *self.days, self.holidays):
            for field in form.fields.values():
                field.disabled = True

    def read(self) -> ServiceSettings | None:
        """Return what was entered; None if something is wrong, which `errors` or the forms say."""
        forms_given = [*self.levels, self.new_level, *self.days, self.holidays]
        invalid = [form for form in forms_given if not form.is_valid()]
        if invalid:
            return None
        given = ServiceSettings(
            [form.changed_level() for form in (*self.levels, self.new_level) if form.is_kept()],
            [form.changed_day() for form in self.days],
            self.holidays.cleaned_data["holidays"],
        )
        self.errors = list(problems_of(given))
        return None if self.errors else given


def problems_of(given: ServiceSettings) -> Iterator[str]:
    """Yield what is wrong with the settings as a whole."""
    keys = [(level.issue_type.lower(), level.priority) for level in given.levels]
    for key, level in zip(keys, given.levels, strict=True):
        if keys.count(key) > 1 and key[0]:
            yield f"There are two levels for “{level}”. Change or delete the first one."
            return
    levels, now = given.as_levels(), timezone.now()
    spans = (span for day in levels.hours.week.values() for span in day)
    if sum((length_of(*span) for span in spans), timedelta()) < SHORTEST_WEEK:
        yield "The week needs at least one working hour."
        return
    for level in given.levels:
        try:
            levels.hours_of(level).add(now, timedelta(minutes=level.resolution_minutes))
        except NoWorkingTime:
            yield f"“{level}”: its resolution would not be due within ten years. Enter more working hours."


def length_of(opens: time, closes: time) -> timedelta:
    minutes = (closes.hour - opens.hour) * MINUTES_PER_HOUR + closes.minute - opens.minute
    return timedelta(minutes=minutes if closes != time.min else minutes + 24 * MINUTES_PER_HOUR)
