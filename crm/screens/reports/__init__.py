"""Reports: tables of figures about a period, each with the rows behind it one click away."""

from crm.screens.reports.period import Period
from crm.screens.reports.tables import Figure, Report, ReportColumn, ReportLink, ReportRow, ReportTable, Unit

__all__ = ["Figure", "Period", "Report", "ReportColumn", "ReportLink", "ReportRow", "ReportTable", "Unit"]
