"""Lists as files: what a column holds, and the formats it is written in."""

from crm.screens.export.columns import REFUSAL_COLUMNS, ExportColumn, ListExport, visible_name

__all__ = ["REFUSAL_COLUMNS", "ExportColumn", "ListExport", "visible_name"]
