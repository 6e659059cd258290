"""The figure of fields on the dashboard of those who look after the schema."""

from datetime import datetime

from django.urls import reverse

from crm.models import FieldStatistic, User
from crm.screens.panels import CountedFigure


def conflicting_fields_figure(user: User, now: datetime) -> CountedFigure | None:
    """Return the number of keys with values of conflicting kinds, for users who see the fields in use."""
    if not user.has_perm("crm.view_fieldstatistic"):
        return None
    url = reverse("admin:crm_fieldstatistic_changelist") + "?finding=conflict"
    rows = FieldStatistic.objects.visible_to(user).filter(has_conflict=True)
    return CountedFigure.of_rows("Fields with conflicting values", rows, url)
