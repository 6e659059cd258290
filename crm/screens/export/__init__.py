"""Lists as files: what a column holds, and the formats it is written in."""

from crm.screens.export.columns import PREFERENCE_COLUMNS, ExportColumn, ListExport, visible_name

__all__ = ["PREFERENCE_COLUMNS", "ExportColumn", "ListExport", "visible_name"]
