"""How reports group leads, each way with the filters of the list that find the rows."""

from calendar import monthrange
from collections.abc import Mapping
from datetime import date
from typing import Any

from crm.records.local_time import format_month
from crm.screens.reports.grouping import Dimension
from leads.filters import NO_LINE
from leads.models import InsuranceType, LeadStatus, LossReason, Source


def line_dimension() -> Dimension:
    lines = {line.pk: line for line in InsuranceType.objects.only("code", "name")}
    return Dimension(
        "By line",
        "Line",
        lambda key: (lines[key].name, {"line": lines[key].code}) if key else ("No line", {"line": NO_LINE}),
    )


def stage_dimension(stages: Mapping[str, LeadStatus]) -> Dimension:
    return Dimension("By stage", "Stage", lambda code: (stages[code].label, {"stage": code}))


def source_dimension() -> Dimension:
    return Dimension("By source", "Source", lambda code: (Source(code).label, {"source": code}))


def loss_dimension() -> Dimension:
    def describe(code: str) -> tuple[str, dict[str, str] | None]:
        return (LossReason(code).label, {"loss_reason": code}) if code else ("No reason given", None)

    return Dimension("Why leads were lost", "Reason", describe)


def closing_dimension() -> Dimension:
    """By the month in which leads are expected to close."""

    def describe(month: date | None) -> tuple[str, dict[str, Any] | None]:
        if month is None:
            return "No date", None
        first, last = days_of_month(month)
        return format_month(month), {"closing_from": first.isoformat(), "closing_to": last.isoformat()}

    return Dimension("By expected close", "Month", describe, in_order=True)


def days_of_month(day: date) -> tuple[date, date]:
    """Return the first and the last day of the month of `day`."""
    return day.replace(day=1), day.replace(day=monthrange(day.year, day.month)[1])
