"""The AI usage page: charts and tables of the filtered calls."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.views.decorators.http import require_safe

from ai_log.filters import AIInteractionFilter
from ai_log.models import AIInteraction
from ai_log.usage.charts import MAX_DAYS_FOR_DAILY_STEPS, build_charts
from ai_log.usage.totals import MAX_DAYS, PERIOD_DAYS, load_usage, usage_tables
from crm.records.local_time import agency_today

DATE_FILTERS = ("since", "until")
DIMENSION_LABELS = {"agent": "By agent", "model": "By model"}
STEP_LABELS = {"day": "Per day", "week": "Per week"}


@dataclass(frozen=True)
class UsageQuery:
    """What the address of the page asks for: filters, days, and how the figures are grouped.

    A filter that cannot be used narrows nothing down and is named in `notes`; the list does the same.
    """

    form: forms.Form
    params: dict[str, str]
    active_filters: list[tuple[str, str]]
    first_day: date
    last_day: date
    period: int | None
    by: str
    per: str
    notes: list[str]

    @classmethod
    def from_request(cls, request: HttpRequest) -> "UsageQuery":
        params = request.GET.dict()
        form = make_filterset(request, params).form
        form.is_valid()
        cleaned = form.cleaned_data
        days, period, notes = resolve_period(params.get("days", ""), cleaned.get("since"), cleaned.get("until"))
        active_filters, filter_errors = applied_filters(form, params)
        coarse_step = "week" if count_days(days) > MAX_DAYS_FOR_DAILY_STEPS else ""
        by = choose_option(params, "by", DIMENSION_LABELS)
        per = choose_option(params, "per", STEP_LABELS, coarse_step)
        return cls(form, params, active_filters, *days, period, by, per, [*filter_errors, *notes])

    def url_with(self, **changed: Any) -> str:
        """Return the address of this page with the parameters in `changed`."""
        options = {"days": self.period, "by": self.by, "per": self.per, **changed}
        return "?" + urlencode([*self.active_filters, *options.items()])

    def period_links(self) -> list[tuple[str, str, bool]]:
        """Return label, address and whether it is the current one of each period."""
        other_filters = [(name, value) for name, value in self.active_filters if name not in DATE_FILTERS]
        return [
            (f"Last {n} days", "?" + urlencode([*other_filters, ("days", n), ("by", self.by)]), n == self.period)
            for n in PERIOD_DAYS
        ]

    def chips(self, form: forms.Form) -> list[tuple[str, str, str]]:
        """Return label, value and the address without it of each filter in force; `form` knows the labels of values."""
        return [
            (
                self.form.fields[name].label,
                filter_display_value(form, name, value),
                url_without_filter(self.params, name),
            )
            for name, value in self.active_filters
        ]


def make_filterset(request: HttpRequest, params: dict[str, str]) -> AIInteractionFilter:
    """Return the list's own filters on the calls that the user may see."""
    return AIInteractionFilter(params, AIInteraction.objects.visible_to(request.user), request=request)


@require_safe
def usage_view(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Show what the filtered calls cost, in charts and tables."""
    if not request.user.has_perm("ai_log.view_aiinteraction"):
        raise PermissionDenied
    context = {**site.each_context(request), "opts": AIInteraction._meta, **usage_context(request)}
    return TemplateResponse(request, "ai_log/totals.html", context)


def usage_context(request: HttpRequest) -> dict[str, Any]:
    """Return what the page shows for the parameters of `request`."""
    query = UsageQuery.from_request(request)
    # Days bound calls and decisions, each by its own time, so they are no filter of the calls.
    params = {name: value for name, value in query.params.items() if name not in DATE_FILTERS}
    filterset = make_filterset(request, params)
    days = (query.first_day, query.last_day)
    usage = load_usage(request.user, filterset.qs, query.form.cleaned_data, days)
    tables = usage_tables(usage, query.active_filters, query.per)
    return {
        "title": "AI usage and cost",
        "periods": query.period_links(),
        "dimension_links": [
            (label, query.url_with(by=name), name == query.by) for name, label in DIMENSION_LABELS.items()
        ],
        "step_links": [(label, query.url_with(per=name), name == query.per) for name, label in STEP_LABELS.items()],
        "chips": query.chips(filterset.form),
        "active_filters": urlencode(query.active_filters),
        "first": query.first_day,
        "last": query.last_day,
        "notes": [*query.notes, *usage.notes],
        "charts": build_charts(usage, query.by, query.per),
        "tables": [(f"By {name}", rows) for name, rows in tables.items()],
        "has_calls": usage.has_calls,
    }


def applied_filters(form: forms.Form, params: dict[str, str]) -> tuple[list[tuple[str, str]], list[str]]:
    """Return the active filters as pairs for a link, and messages about the invalid ones."""
    pairs = [(name, params[name]) for name in form.fields if params.get(name) and name not in form.errors]
    return pairs, [
        f"{form.fields[name].label}: {' '.join(messages)} This filter was left out."
        for name, messages in form.errors.items()
    ]


def url_without_filter(params: dict[str, str], name: str) -> str:
    return "?" + urlencode([(key, value) for key, value in params.items() if key != name])


def filter_display_value(form: forms.Form, name: str, value: str) -> str:
    return next((str(text) for code, text in getattr(form.fields[name], "choices", ()) if str(code) == value), value)


def choose_option(params: dict[str, str], name: str, choices: dict[str, str], default: str = "") -> str:
    value = params.get(name, "")
    return value if value in choices else default or next(iter(choices))


def resolve_period(
    days: str, since: date | None, until: date | None
) -> tuple[tuple[date, date], int | None, list[str]]:
    """Return the first and last day, the chosen standard period if any, and notes on what was cut off.

    Date filters take precedence over a period. At most three years are shown, the latest ones.
    """
    today = agency_today()
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
