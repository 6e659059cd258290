"""Schema requests on other pages: of a custom field, and on the first one."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial

from django.db.models import Q
from django.http import HttpRequest
from django.urls import reverse

from crm.models import CustomField, SchemaChange, SchemaChangeState, User
from crm.schema.promotion.transitions import DECIDE_PERMISSION
from crm.screens.custom_fields.schema_requests import request_address
from crm.screens.panels import Panel, Place
from crm.screens.today.items import Candidate, TodayAction, TodayItem, TodaySource, Urgency

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


def requests_source(user: User, now: datetime) -> TodaySource | None:
    """Return the requests that wait for the decision of `user`, and those of `user` decided in the last two weeks."""
    if not user.has_perm(VIEW_PERMISSION):
        return None
    shown = Q(requested_by=user, decided_at__gte=now - DECISIONS_SHOWN_FOR)
    if user.has_perm(DECIDE_PERMISSION):
        shown |= Q(state=SchemaChangeState.OPEN)
    rows = SchemaChange.objects.visible_to(user).filter(shown)

    def load(size: int) -> Iterator[Candidate]:
        for change in rows.select_related("requested_by").order_by("-id")[:size]:
            yield Candidate(Urgency.LATER, None, change.created_at, partial(build_request, change))

    url = reverse("admin:crm_schemachange_changelist")
    return TodaySource("request", "Requests", "list_alt", url, rows, load, is_rare=True)


def build_request(change: SchemaChange) -> TodayItem:
    url = reverse("admin:crm_schemachange_change", args=[change.pk])
    is_open = change.state == SchemaChangeState.OPEN
    decision = change.get_decision_display() or change.get_proposed_display()
    reason = "" if is_open or not change.decision_reason else f". {change.decision_reason}"
    return TodayItem(
        person=change.key,
        text=f"{change.get_state_display()}: {decision}{reason}",
        url=url,
        icon="list_alt",
        action=TodayAction("Decide" if is_open else "Read", url),
        since=change.created_at if is_open else change.decided_at,
        since_label="requested" if is_open else "decided",
    )
