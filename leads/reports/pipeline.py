"""The pipeline: the open leads, what they are worth, and what they are likely to bring."""

from collections.abc import Sequence
from typing import Any

from django.db.models import DateField, F
from django.db.models.functions import Cast, TruncMonth
from django.urls import reverse

from crm.models import User
from crm.screens.reports import Figure, Period, Report, ReportColumn, ReportTable, Unit
from crm.screens.reports.grouping import Params, Sums, group_rows, list_address, make_table, owner_dimension
from leads.models import Lead, LeadStatus
from leads.reports.dimensions import closing_dimension, line_dimension, stage_dimension

COLUMNS = (ReportColumn("Leads"), ReportColumn("Value", Unit.MONEY), ReportColumn("Weighted", Unit.MONEY))
SUMS = ("count(*)", "sum(value)", "sum(value * coalesce(probability, 0))")
WEIGHTED, LEADS = 2, 0
NOTE = "Weighted: the value of each lead × the probability that it is won."


def load_pipeline(user: User, period: Period) -> list[ReportTable]:
    """Return the open leads that `user` sees by stage, owner, line and month of the expected close."""
    rows = (
        Lead.objects.visible_to(user)
        .open()
        .values(
            stage=F("status_id"),
            owner=F("assigned_to_id"),
            line=F("insurance_type_id"),
            month=Cast(TruncMonth("expected_close_date"), DateField()),
            value=F("estimated_value"),
            probability=F("predicted_close_probability"),
        )
    )
    by = group_rows(rows, ("stage", "owner", "line", "month"), SUMS).by
    stages = LeadStatus.objects.in_bulk()
    by["stage"].sort(key=lambda group: stages[group[0]].position)
    return [
        make_table(stage_dimension(stages), by["stage"], COLUMNS, make_figures, note=NOTE, bar=WEIGHTED),
        make_table(owner_dimension(by["owner"]), by["owner"], COLUMNS, make_figures, bar=WEIGHTED),
        make_table(line_dimension(), by["line"], COLUMNS, make_figures, bar=WEIGHTED),
        make_table(closing_dimension(), by["month"], COLUMNS, make_figures, bar=WEIGHTED),
    ]


def make_figures(sums: Sums, params: Params | None) -> Sequence[Figure]:
    count, value, weighted = sums
    return (Figure(count, leads_address({}, params)), Figure(value or 0), Figure(weighted or 0))


def leads_address(filters: dict[str, Any], params: Params | None) -> str:
    return list_address(reverse("admin:leads_lead_changelist"), filters, params)


PIPELINE = Report(
    "pipeline",
    "Pipeline",
    "Open leads by stage, owner, line and month: how many, their value, and what they are likely to bring.",
    "leads.view_lead",
    load_pipeline,
    has_period=False,
)
