"""Won and lost: how the leads that closed in a period ended, and why they were lost."""

from collections.abc import Sequence

from django.db.models import F

from crm.models import User
from crm.screens.reports import Figure, Period, Report, ReportColumn, ReportTable, Unit
from crm.screens.reports.grouping import Params, Sums, group_rows, make_table, owner_dimension
from leads.models import Lead, StageCategory
from leads.reports.dimensions import line_dimension, loss_dimension, source_dimension
from leads.reports.pipeline import leads_address

COLUMNS = (
    ReportColumn("Won"),
    ReportColumn("Lost"),
    ReportColumn("Unqualified"),
    ReportColumn("Win rate", Unit.SHARE),
    ReportColumn("Value won", Unit.MONEY),
    ReportColumn("Value lost", Unit.MONEY),
)
LOSS_COLUMNS = (ReportColumn("Lost"), ReportColumn("Value lost", Unit.MONEY))
ENDS = (StageCategory.WON, StageCategory.LOST, StageCategory.UNQUALIFIED)
SUMS = (
    *(f"count(*) FILTER (WHERE outcome = '{one}')" for one in ENDS),
    "sum(value) FILTER (WHERE outcome = 'won')",
    "sum(value) FILTER (WHERE outcome = 'lost')",
)
NOTE = "Win rate: won ÷ won and lost. Leads that did not qualify do not count."


def load_outcomes(user: User, period: Period) -> list[ReportTable]:
    """Return how the leads ended that closed in `period`, by owner, line and source, and the reasons of losses."""
    closed = Lead.objects.visible_to(user).closed().filter(closed_at__gte=period.start, closed_at__lt=period.end)
    rows = closed.values(
        owner=F("assigned_to_id"),
        line=F("insurance_type_id"),
        source=F("source_type"),
        reason=F("loss_reason"),
        outcome=F("status__category"),
        value=F("estimated_value"),
    )
    by = group_rows(rows, ("owner", "line", "source", "reason"), SUMS).by
    filters = {"state": "closed", **period.params("closed")}

    def make_figures(sums: Sums, params: Params | None) -> Sequence[Figure]:
        won, lost, _, value_won, value_lost = sums
        counts = [
            Figure(count, leads_address({**filters, "outcome": end}, params))
            for end, count in zip(ENDS, sums, strict=False)
        ]
        rate = won / (won + lost) if won + lost else None
        return (*counts, Figure(rate), Figure(value_won or 0), Figure(value_lost or 0))

    def make_loss_figures(sums: Sums, params: Params | None) -> Sequence[Figure]:
        _, lost, _, _, value_lost = sums
        return (
            Figure(lost, leads_address({**filters, "outcome": StageCategory.LOST}, params)),
            Figure(value_lost or 0),
        )

    dimensions = {"owner": owner_dimension(by["owner"]), "line": line_dimension(), "source": source_dimension()}
    tables = [
        make_table(one, by[column], COLUMNS, make_figures, note=NOTE if column == "owner" else "")
        for column, one in dimensions.items()
    ]
    losses = [group for group in by["reason"] if group[1][1]]
    return [*tables, make_table(loss_dimension(), losses, LOSS_COLUMNS, make_loss_figures)]


OUTCOMES = Report(
    "won-and-lost",
    "Won and lost",
    "How the leads that closed in a period ended, by owner, line and source, and why they were lost.",
    "leads.view_lead",
    load_outcomes,
)
