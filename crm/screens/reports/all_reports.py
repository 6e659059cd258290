"""The reports that the settings name."""

from django.conf import settings
from django.utils.module_loading import import_string

from crm.screens.reports.tables import Report, ReportLink


def all_reports() -> list[Report | ReportLink]:
    return [import_string(name) for name in settings.REPORTS]


def find_report(key: str) -> Report | None:
    return next((one for one in all_reports() if isinstance(one, Report) and one.key == key), None)
