"""Who has what: what each member of staff has on the desk, a column for each kind of work that an app names."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.db import models
from django.db.models import Count
from django.utils import timezone
from django.utils.module_loading import import_string

from crm.models import User
from crm.screens.reports.grouping import owner_dimension
from crm.screens.reports.period import Period
from crm.screens.reports.tables import Figure, Report, ReportColumn, ReportRow, ReportTable, Unit


@dataclass(frozen=True)
class WorkloadColumn:
    """A kind of work: how much each user has, None for what is unassigned, and the list of it.

    `url` is the address of the list with its filters, and `parameter` its filter by user; without an address, the
    figures have no list.
    """

    label: str
    amounts: Mapping[Any, Any]
    url: str = ""
    filters: Mapping[str, str] | None = None
    parameter: str = "owner"
    unit: Unit = Unit.COUNT

    def figure(self, owner: Any) -> Figure:
        amount = self.amounts.get(owner, 0)
        if not self.url or not amount:
            return Figure(amount)
        return Figure(amount, f"{self.url}?{urlencode({**(self.filters or {}), self.parameter: owner or 'none'})}")


def count_by_user(rows: models.QuerySet, column: str) -> dict[Any, int]:
    """Return the number of `rows` by the key of the user in `column`."""
    return dict(rows.order_by().values_list(column).annotate(count=Count("*")))


def load_workload(user: User, period: Period) -> list[ReportTable]:
    """Return what each member of staff has, as far as `user` sees it; those with the most in the first column first."""
    now: datetime = timezone.now()
    columns = [column for name in settings.WORKLOAD_COLUMNS for column in import_string(name)(user, now)]
    owners = {owner for column in columns for owner, amount in column.amounts.items() if amount}
    describe = owner_dimension([(owner, ()) for owner in owners]).describe
    rows = [ReportRow(describe(owner)[0], [column.figure(owner) for column in columns]) for owner in owners]
    rows.sort(key=lambda row: (-row.figures[0].value, row.label))
    return [ReportTable("Now", "Owner", [ReportColumn(one.label, one.unit) for one in columns], rows)]


WORKLOAD = Report(
    "workload",
    "Who has what",
    "What each of us has on the desk now, and what of it is late.",
    "leads.view_lead",
    load_workload,
    has_period=False,
)
