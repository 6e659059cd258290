"""Schema requests on other pages: of a custom field, and on the dashboard."""

from datetime import datetime, timedelta

from django.db.models import Q
from django.http import HttpRequest
from django.urls import reverse

from crm.models import CustomField, SchemaChange, SchemaChangeState, User
from crm.schema.promotion.transitions import DECIDE_PERMISSION
from crm.screens.custom_fields.schema_requests import request_address
from crm.screens.panels import Panel, Place

VIEW_PERMISSION = "crm.view_schemachange"
DECISIONS_SHOWN_FOR = timedelta(days=14)
MAX_PANEL_ROWS = 10


def field_requests_panel(request: HttpRequest, field: CustomField) -> Panel | None:
    """Return the requests about the key of a custom field, with a link that makes one."""
    if not request.user.has_perm(VIEW_PERMISSION):
        return None
    rows = SchemaChange.objects.visible_to(request.user).filter(
        table=field.table, column="custom_fields", key=field.key
    )
    return Panel(
        "Schema requests",
        "crm/schema_change_panel.html",
        list(rows.select_related("requested_by").order_by("-id")[:MAX_PANEL_ROWS]),
        place=Place.SIDE,
        url=request_address(request.user, table=field.table, key=field.key),
        link_label="Request a change",
    )


def requests_panel(user: User, now: datetime) -> Panel | None:
    """Return the requests that wait for the decision of `user`, and those of `user` decided in the last two weeks."""
    if not user.has_perm(VIEW_PERMISSION):
        return None
    shown = Q(requested_by=user, decided_at__gte=now - DECISIONS_SHOWN_FOR)
    if user.has_perm(DECIDE_PERMISSION):
        shown |= Q(state=SchemaChangeState.OPEN)
    rows = (
        SchemaChange.objects.visible_to(user)
        .filter(shown)
        .select_related("requested_by")
        .order_by("-id")[:MAX_PANEL_ROWS]
    )
    url = reverse("admin:crm_schemachange_changelist")
    return Panel("Schema requests", "crm/schema_change_panel.html", list(rows), url=url) if rows else None
