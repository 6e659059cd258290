"""Charts of a list: its rows in groups, each with its count and the sum of an amount."""

from crm.screens.charts.groupings import ListChart

__all__ = ["ListChart"]
