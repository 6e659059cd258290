"""The funnel and its pace: how far new leads come, and how long a lead stays in each stage."""

from collections.abc import Iterable

from django.db import connection, models
from django.urls import reverse

from crm.models import User
from crm.screens.reports import Figure, Period, Report, ReportColumn, ReportRow, ReportTable, Unit
from leads.models import Lead, LeadStatus
from leads.reports.pipeline import leads_address

REACHED_SQL = """
    SELECT move.to_status_id, count(DISTINCT move.lead_id)
      FROM lead_stage_history AS move JOIN ({leads}) AS lead (id) ON lead.id = move.lead_id
     GROUP BY 1
"""
STAYS_SQL = """
    SELECT stage, count(*),
           percentile_cont(0.5) WITHIN GROUP (ORDER BY days), percentile_cont(0.9) WITHIN GROUP (ORDER BY days)
      FROM (SELECT move.from_status_id AS stage, extract(epoch FROM move.at - entered.at)::float8 / 86400 AS days
              FROM lead_stage_history AS move
              JOIN ({leads}) AS lead (id) ON lead.id = move.lead_id
             CROSS JOIN LATERAL (
                   SELECT at FROM lead_stage_history AS earlier
                    WHERE earlier.lead_id = move.lead_id AND (earlier.at, earlier.id) < (move.at, move.id)
                    ORDER BY at DESC, id DESC LIMIT 1) AS entered
             WHERE move.at >= %s AND move.at < %s AND move.from_status_id IS NOT NULL) AS stays
     GROUP BY 1
"""
FUNNEL_COLUMNS = (ReportColumn("Leads that were in it"), ReportColumn("Of the new leads", Unit.SHARE))
PACE_COLUMNS = (
    ReportColumn("Moves out of it"),
    ReportColumn("Median stay", Unit.DAYS),
    ReportColumn("90 % stay at most", Unit.DAYS),
    ReportColumn("Leads in it now"),
)
MEDIAN = 1


def load_pace(user: User, period: Period) -> list[ReportTable]:
    """Return how many of the leads created in `period` were ever in each stage, and how long stays in a stage were."""
    stages = list(LeadStatus.objects.all())
    leads = Lead.objects.visible_to(user)
    return [funnel_table(stages, leads, period), pace_table(stages, leads, period)]


def funnel_table(stages: Iterable[LeadStatus], leads: models.QuerySet, period: Period) -> ReportTable:
    created = leads.filter(created_at__gte=period.start, created_at__lt=period.end)
    total = created.count()
    reached = dict(fetch_for_leads(REACHED_SQL, created))
    filters = {"state": "all", **period.params("created")}
    rows = [
        ReportRow(
            stage.label,
            (
                Figure(reached[stage.pk], leads_address(filters, {"reached": stage.pk})),
                Figure(reached[stage.pk] / total),
            ),
        )
        for stage in stages
        if stage.pk in reached
    ]
    everything = ReportRow("New leads", (Figure(total, leads_address(filters, {})), Figure(None)))
    note = "Of the leads created in the period: how many were ever in a stage, up to now."
    return ReportTable("Funnel", "Stage", FUNNEL_COLUMNS, [everything, *rows] if total else [], note=note)


def pace_table(stages: Iterable[LeadStatus], leads: models.QuerySet, period: Period) -> ReportTable:
    stays = {stage: figures for stage, *figures in fetch_for_leads(STAYS_SQL, leads, period.start, period.end)}
    present = {stage: sums["leads"] for stage, sums in leads.open().sums_by_stage().items()}
    rows = [
        ReportRow(
            stage.label,
            (
                *map(Figure, stays.get(stage.pk, (0, None, None))),
                Figure(present.get(stage.pk, 0), leads_address({}, {"stage": stage.pk})),
            ),
            reverse("admin:leads_leadstatus_change", args=[stage.pk]),
        )
        for stage in stages
        if stage.is_open
    ]
    note = "Stays that ended in the period, from entering the stage to leaving it."
    return ReportTable("Pace", "Stage", PACE_COLUMNS, rows, note=note, bar=MEDIAN)


def fetch_for_leads(statement: str, leads: models.QuerySet, *params: object) -> list[tuple]:
    """Return the rows of `statement` with the keys of `leads`, which come before its own `params`."""
    sql, values = leads.order_by().values("pk").query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(statement.format(leads=sql), [*values, *params])
        return cursor.fetchall()


PACE = Report(
    "funnel",
    "Funnel and pace",
    "How far the leads of a period came, and how long leads stay in each stage.",
    "leads.view_lead",
    load_pace,
)
