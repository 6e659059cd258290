"""The page of what the log comes to: charts and tables of what is filtered."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.http import HttpRequest
from django.utils import timezone

from ai_log.usage.charts import MOST_DAYS_BY_DAY, charts
from ai_log.usage.totals import LONGEST_DAYS, PERIODS, figures, totals

DAYS = ("since", "until")
BY = {"agent": "By agent", "model": "By model"}
PER = {"day": "Per day", "week": "Per week"}


def context(request: HttpRequest, filtered: Callable[[dict[str, str]], Any]) -> dict[str, Any]:
    """What the page shows of what is asked; `filtered` makes the list's FilterSet of parameters.

    A filter that cannot be used narrows nothing down and is named; the list does the same.
    """
    asked = request.GET.dict()
    form: forms.Form = filtered(asked).form
    # Days bound what is read of calls and of decisions, each by its own time.
    narrowing = filtered({name: value for name, value in asked.items() if name not in DAYS})
    calls = narrowing.qs
    form.is_valid()
    given = form.cleaned_data
    days, period, notes = span(request.GET.get("days", ""), given.get("since"), given.get("until"))
    by, per = chosen(request, "by", BY), chosen(request, "per", PER, "week" if length(days) > MOST_DAYS_BY_DAY else "")
    found = figures(request.user, calls, given, days)
    kept, faults = in_force(form, asked)
    narrowed = [(name, value) for name, value in kept if name not in DAYS]

    def address(**changed: Any) -> str:
        return "?" + urlencode([*kept, *{"days": period, "by": by, "per": per, **changed}.items()])

    return {
        "title": "What it cost",
        "periods": [
            (f"Last {n} days", "?" + urlencode([*narrowed, ("days", n), ("by", by)]), n == period) for n in PERIODS
        ],
        "ways": [(label, address(by=name), name == by) for name, label in BY.items()],
        "steps": [(label, address(per=name), name == per) for name, label in PER.items()],
        "chips": [
            (form.fields[name].label, in_words(narrowing.form, name, value), without(asked, name))
            for name, value in kept
        ],
        "kept": urlencode(kept),
        "first": days[0],
        "last": days[1],
        "notes": [*faults, *notes, *found.notes],
        "charts": charts(found, by, per),
        "tables": [(f"By {name}", rows) for name, rows in totals(found, kept, per).items()],
        "has_calls": found.has_calls,
    }


def in_force(form: forms.Form, asked: dict[str, str]) -> tuple[list[tuple[str, str]], list[str]]:
    """The filters that narrow down, as pairs for a link, and sentences about those that cannot be used."""
    kept = [(name, asked[name]) for name in form.fields if asked.get(name) and name not in form.errors]
    return kept, [
        f"{form.fields[name].label}: {' '.join(said)} This filter was left out." for name, said in form.errors.items()
    ]


def without(asked: dict[str, str], name: str) -> str:
    return "?" + urlencode([(key, value) for key, value in asked.items() if key != name])


def in_words(form: forms.Form, name: str, value: str) -> str:
    return next((str(said) for code, said in getattr(form.fields[name], "choices", ()) if str(code) == value), value)


def chosen(request: HttpRequest, name: str, offered: dict[str, str], usual: str = "") -> str:
    asked = request.GET.get(name, "")
    return asked if asked in offered else usual or next(iter(offered))


def span(asked: str, since: date | None, until: date | None) -> tuple[tuple[date, date], int | None, list[str]]:
    """The first and the last day that are told, which of the periods that is, and what was cut off.

    Days that are filtered come before a period; of more than three years the latest are told.
    """
    today = timezone.localdate()
    if since is None and until is None:
        period = int(asked) if asked in map(str, PERIODS) else PERIODS[1]
        return (today - timedelta(days=period - 1), today), period, []
    last = min(until or today, today)
    first = min(since or last - timedelta(days=PERIODS[1] - 1), last)
    if (last - first).days < LONGEST_DAYS:
        return (first, last), None, []
    return (last - timedelta(days=LONGEST_DAYS - 1), last), None, [f"Only the latest {LONGEST_DAYS:,} days are told."]


def length(days: tuple[date, date]) -> int:
    return (days[1] - days[0]).days + 1
