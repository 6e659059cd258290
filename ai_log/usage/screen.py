"""The AI usage page: charts and tables of the filtered calls."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.http import HttpRequest
from django.utils import timezone

from ai_log.usage.charts import MAX_DAYS_FOR_DAILY_STEPS, build_charts
from ai_log.usage.totals import MAX_DAYS, PERIOD_DAYS, load_usage, usage_tables

DATE_FILTERS = ("since", "until")
DIMENSION_LABELS = {"agent": "By agent", "model": "By model"}
STEP_LABELS = {"day": "Per day", "week": "Per week"}


def usage_context(request: HttpRequest, make_filterset: Callable[[dict[str, str]], Any]) -> dict[str, Any]:
    """Return the context of the page; `make_filterset` creates the FilterSet of the list from parameters.

    An invalid filter is ignored and reported, as on the list.
    """
    params = request.GET.dict()
    form: forms.Form = make_filterset(params).form
    # The dates limit calls and decisions, each by their own time, so they are not filtered here.
    filterset = make_filterset({name: value for name, value in params.items() if name not in DATE_FILTERS})
    calls = filterset.qs
    form.is_valid()
    cleaned = form.cleaned_data
    days, period, notes = resolve_period(request.GET.get("days", ""), cleaned.get("since"), cleaned.get("until"))
    by = choose_option(request, "by", DIMENSION_LABELS)
    default_step = "week" if count_days(days) > MAX_DAYS_FOR_DAILY_STEPS else ""
    per = choose_option(request, "per", STEP_LABELS, default_step)
    usage = load_usage(request.user, calls, cleaned, days)
    active_filters, filter_errors = applied_filters(form, params)
    other_filters = [(name, value) for name, value in active_filters if name not in DATE_FILTERS]

    def url_with(**changed: Any) -> str:
        return "?" + urlencode([*active_filters, *{"days": period, "by": by, "per": per, **changed}.items()])

    return {
        "title": "AI usage and cost",
        "periods": [
            (f"Last {n} days", "?" + urlencode([*other_filters, ("days", n), ("by", by)]), n == period)
            for n in PERIOD_DAYS
        ],
        "dimension_links": [(label, url_with(by=name), name == by) for name, label in DIMENSION_LABELS.items()],
        "step_links": [(label, url_with(per=name), name == per) for name, label in STEP_LABELS.items()],
        "chips": filter_chips(filterset.form, active_filters, params),
        "active_filters": urlencode(active_filters),
        "first": days[0],
        "last": days[1],
        "notes": [*filter_errors, *notes, *usage.notes],
        "charts": build_charts(usage, by, per),
        "tables": [(f"By {name}", rows) for name, rows in usage_tables(usage, active_filters, per).items()],
        "has_calls": usage.has_calls,
    }


def applied_filters(form: forms.Form, params: dict[str, str]) -> tuple[list[tuple[str, str]], list[str]]:
    """Return the active filters as pairs for a link, and messages about the invalid ones."""
    pairs = [(name, params[name]) for name in form.fields if params.get(name) and name not in form.errors]
    return pairs, [
        f"{form.fields[name].label}: {' '.join(messages)} This filter was left out."
        for name, messages in form.errors.items()
    ]


def filter_chips(
    form: forms.Form, active_filters: list[tuple[str, str]], params: dict[str, str]
) -> list[tuple[str, str, str]]:
    """Return the label and value of each active filter, and a link that removes it."""
    return [
        (form.fields[name].label, filter_display_value(form, name, value), url_without_filter(params, name))
        for name, value in active_filters
    ]


def url_without_filter(params: dict[str, str], name: str) -> str:
    return "?" + urlencode([(key, value) for key, value in params.items() if key != name])


def filter_display_value(form: forms.Form, name: str, value: str) -> str:
    return next((str(text) for code, text in getattr(form.fields[name], "choices", ()) if str(code) == value), value)


def choose_option(request: HttpRequest, name: str, choices: dict[str, str], default: str = "") -> str:
    value = request.GET.get(name, "")
    return value if value in choices else default or next(iter(choices))


def resolve_period(
    days: str, since: date | None, until: date | None
) -> tuple[tuple[date, date], int | None, list[str]]:
    """Return the first and last day, the chosen standard period if any, and notes on what was cut off.

    Date filters take precedence over a period. At most three years are shown, the latest ones.
    """
    today = timezone.localdate()
    if since is None and until is None:
        period = int(days) if days in map(str, PERIOD_DAYS) else PERIOD_DAYS[1]
        return (today - timedelta(days=period - 1), today), period, []
    last_day = min(until or today, today)
    first_day = min(since or last_day - timedelta(days=PERIOD_DAYS[1] - 1), last_day)
    if (last_day - first_day).days < MAX_DAYS:
        return (first_day, last_day), None, []
    return (last_day - timedelta(days=MAX_DAYS - 1), last_day), None, [f"Only the latest {MAX_DAYS:,} days are shown."]


def count_days(days: tuple[date, date]) -> int:
    return (days[1] - days[0]).days + 1
