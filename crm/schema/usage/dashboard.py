"""The figure of fields on the dashboard of those who look after the schema."""

from datetime import datetime

from django.urls import reverse

from crm.models import FieldStatistic, User
from crm.screens.paging import capped_count
from crm.screens.panels import DashboardFigure


def conflicting_fields_figure(user: User, now: datetime) -> DashboardFigure | None:
    """Return the number of keys with values of conflicting kinds, for users who see the fields in use."""
    if not user.has_perm("crm.view_fieldstatistic"):
        return None
    url = reverse("admin:crm_fieldstatistic_changelist") + "?finding=conflict"
    count = capped_count(FieldStatistic.objects.filter(has_conflict=True))
    return DashboardFigure.from_count("Fields with conflicting values", count, url)
