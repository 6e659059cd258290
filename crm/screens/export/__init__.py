"""Lists as files: what a column holds, and the formats it is written in."""

from crm.screens.export.columns import ExportColumn, ListExport, visible_name

__all__ = ["ExportColumn", "ListExport", "visible_name"]
