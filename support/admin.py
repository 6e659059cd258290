"""The screens of tickets."""

from collections.abc import Iterable
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils.dateparse import parse_datetime
from unfold.widgets import BASE_INPUT_CLASSES

from crm.models import Client, User
from crm.records.local_time import in_agency_zone
from crm.records.timeline import Position, TimelinePage, load_target_timeline
from crm.screens.charts import ListChart
from crm.screens.custom_fields.bulk_edit import set_field_action
from crm.screens.export import ExportColumn, ListExport, visible_name
from crm.screens.lists import Column, Tab, optional_column
from crm.screens.paging import Order
from crm.screens.record_admin import RecordAdmin
from inbox.message_view import DisplayedMessage, display_message, load_message_page
from leads.models import Lead
from support.action_forms import (
    AnswerTicket,
    AssignTicket,
    DueTicket,
    EscalateTicket,
    NoteTicket,
    PrioritiseTicket,
    RateTicket,
    ReopenTicket,
    ResolveTicket,
    StartTicket,
    TakeTicket,
    WaitTicket,
)
from support.filters import DatalistInput, TicketFilter, recent_issue_types
from support.forms import TicketForm
from support.models import DUE_ORDER, UNSHOWN_LEAD_FIELDS, SupportTicket, TicketQuerySet, TicketStatus
from support.similar_tickets import find_similar_resolved
from support.transitions import open_ticket

ID_ORDER = {"id": models.F("id")}
MAX_MESSAGES_SHOWN = 20
MAX_OTHER_TICKETS_SHOWN, MAX_RESOLVED_TICKETS_SHOWN = 10, 3


def live_unresolved(rows: TicketQuerySet) -> TicketQuerySet:
    return rows.live().unresolved()


@admin.register(SupportTicket)
class SupportTicketAdmin(RecordAdmin):
    form = TicketForm
    filterset_class = TicketFilter
    search_label = "Search number, subject or description"
    found_name = "subject"
    row_template = "support/row.html"
    page_template = "support/page.html"
    list_select_related = ("client", "lead", "assigned_to")
    page_select_related = ("client__assigned_to", "lead__assigned_to", "lead__status", "thread")
    list_defer = (
        "issue_description",
        "resolution_summary",
        "notes",
        "waits",
        "custom_fields",
        "search_text",
        *(f"client__{name}" for name in ("notes", "address", "custom_fields", "search_text")),
        *UNSHOWN_LEAD_FIELDS,
    )
    columns = (
        Column("Ticket", exports=("Number", "Subject")),
        Column("Customer", exports=("Client", "Lead")),
        Column("Priority", exports=("Priority",)),
        Column("Status", exports=("Status",)),
        Column("Assignee", exports=("Assigned to",)),
        Column("Due", "due", exports=("Due",)),
        optional_column("Issue type", "Issue type"),
        optional_column("Created", "Created at", order="newest"),
        optional_column("First response", "First response"),
        optional_column("Resolved", "Resolved at"),
        optional_column("Satisfaction", "Satisfaction"),
    )
    orders = {
        "due": Order("Next due first", {"due": DUE_ORDER, **ID_ORDER}, descending=False),
        "newest": Order("Newest first", {"created": models.F("created_at"), **ID_ORDER}),
    }
    tabs = (
        Tab("Due next", {}, lambda rows, user: live_unresolved(rows)),
        Tab("Mine", {"assignee": "me"}, lambda rows, user: live_unresolved(rows).filter(assigned_to=user)),
        Tab("Unassigned", {"assignee": "none"}, lambda rows, user: live_unresolved(rows).filter(assigned_to=None)),
        Tab(
            "Escalated",
            {"status": TicketStatus.ESCALATED},
            lambda rows, user: rows.live().filter(status=TicketStatus.ESCALATED),
        ),
        Tab("Resolved", {"status": TicketStatus.RESOLVED}, rows_to_count=None, order="newest"),
        Tab("All", {"state": "all"}, rows_to_count=None, order="newest"),
        Tab(
            "Deleted",
            {"deleted": "true"},
            lambda rows, user: rows.deleted(),
            "support.restore_supportticket",
            order="newest",
        ),
    )
    page_actions = (
        StartTicket,
        ResolveTicket,
        ReopenTicket,
        RateTicket,
        TakeTicket,
        AssignTicket,
        NoteTicket,
        PrioritiseTicket,
        WaitTicket,
        AnswerTicket,
        DueTicket,
        EscalateTicket,
    )
    bulk_actions = (
        StartTicket,
        TakeTicket,
        AssignTicket,
        PrioritiseTicket,
        EscalateTicket,
        set_field_action(SupportTicket),
    )
    list_chart = ListChart(
        {
            "status": "status",
            "priority": "priority",
            "issue_type": "issue_type",
            "assignee": "assigned_to_id",
        },
    )
    list_export = ListExport(
        (
            ExportColumn("Number", "number"),
            ExportColumn("Client", "client_name"),
            ExportColumn("Lead", "lead_name"),
            ExportColumn("Subject", "subject"),
            ExportColumn("Issue type", "issue_type"),
            ExportColumn("Description", "issue_description"),
            ExportColumn("Priority", "priority"),
            ExportColumn("Status", "status"),
            ExportColumn("Assigned to", "assigned_to__username"),
            ExportColumn("Created by", "created_by"),
            ExportColumn("Created at", "created_at"),
            ExportColumn("Opened at", "opened_at"),
            ExportColumn("First response due", "first_response_due_at"),
            ExportColumn("First response", "first_responded_at"),
            ExportColumn("Due", "resolve_due_at"),
            ExportColumn("Waiting since", "waiting_since"),
            ExportColumn("Resolved at", "resolved_at"),
            ExportColumn("Resolution", "resolution_summary"),
            ExportColumn("Satisfaction", "satisfaction"),
        ),
        prepare=lambda tickets, user: (
            tickets.select_related("assigned_to")
            .defer("search_text", "notes")
            .annotate(
                client_name=visible_name(Client, "client", "name", user),
                lead_name=visible_name(Lead, "lead", "contact_name", user),
            )
        ),
        has_custom_fields=True,
    )
    autocomplete_fields = ("client", "lead", "thread")

    def get_fields(self, request: HttpRequest, obj: SupportTicket | None = None) -> tuple[Any, ...]:
        if obj:
            return ("subject", "issue_type", "issue_description", "custom_fields", "loaded_digest")
        assignee_fields = ("assigned_to",) if self.user_can(request, "reassign") else ()
        return (
            ("client", "lead"),
            "subject",
            ("issue_type", "priority"),
            "issue_description",
            *assignee_fields,
            "thread",
            "custom_fields",
        )

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer only clients, leads and threads that the user may see, and only active users as assignee."""
        rows = db_field.remote_field.model.objects
        staff = db_field.remote_field.model is User
        kwargs["queryset"] = rows.filter(is_active=True) if staff else rows.visible_to(request.user)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_dbfield(self, db_field: models.Field, request: HttpRequest, **kwargs: Any) -> Any:
        """Suggest the issue types of the tickets that the user may see."""
        if db_field.name == "issue_type":
            options, attrs = partial(recent_issue_types, request.user), {"class": " ".join(BASE_INPUT_CLASSES)}
            kwargs["widget"] = DatalistInput(options, {**attrs, "maxlength": 80})
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def found_details(self, row: SupportTicket, reader: User) -> Iterable[Any]:
        return row.customer.name_for(reader) if row.customer else "", row.status

    def create_record(self, request: HttpRequest, row: SupportTicket) -> None:
        open_ticket(row, by=request.user)

    # The page

    def page_context(self, request: HttpRequest, row: SupportTicket) -> dict[str, Any]:
        context = super().page_context(request, row)
        page_actions = context["page_actions"]
        customer = {"client": row.client_id} if row.client_id else {"client": None, "lead": row.lead_id}
        tickets = SupportTicket.objects.visible_to(request.user).filter(**customer).exclude(pk=row.pk)
        return {
            **context,
            "page_actions": [form for form in page_actions if form.verb != ResolveTicket.verb],
            "customer_query": urlencode({name: key for name, key in customer.items() if key}),
            "resolve_form": next((form for form in page_actions if form.verb == ResolveTicket.verb), None),
            "notes": [{**note, "at": parse_time(note["at"])} for note in reversed(row.notes)],
            "displayed": self.conversation(request, row),
            "other_tickets": load_other_tickets(tickets),
            "similar_tickets": find_similar_resolved(row, request.user) if row.status != TicketStatus.RESOLVED else [],
        }

    def load_timeline(self, request: HttpRequest, row: SupportTicket, before: Position | None) -> TimelinePage:
        return load_target_timeline(request.user, row, before)

    def conversation(self, request: HttpRequest, row: SupportTicket) -> list[DisplayedMessage]:
        """Return the newest messages of the ticket's thread, oldest first; none if the user may not see it."""
        thread = row.thread
        if thread is None or thread.is_deleted or not request.user.has_perm("inbox.view_thread"):
            return []
        if not thread.is_visible_to(request.user):
            return []
        return [
            display_message(message, thread_subject=thread.subject)
            for message in reversed(load_message_page(thread, size=MAX_MESSAGES_SHOWN).rows)
        ]


def load_other_tickets(tickets: TicketQuerySet) -> list[SupportTicket]:
    """Return those of `tickets` that are due next, then the few that were resolved last, in one statement."""
    due = tickets.unresolved().order_by(DUE_ORDER, "id").values("pk")[:MAX_OTHER_TICKETS_SHOWN]
    resolved = tickets.filter(status=TicketStatus.RESOLVED).order_by("-resolved_at", "-id")
    keys = due.union(resolved.values("pk")[:MAX_RESOLVED_TICKETS_SHOWN], all=True)
    rows = SupportTicket.objects.filter(pk__in=keys).order_by(DUE_ORDER, "id")
    found = list(rows.defer("issue_description", "resolution_summary", "notes", "search_text"))
    closed = [ticket for ticket in found if ticket.status == TicketStatus.RESOLVED]
    closed.sort(key=lambda ticket: (ticket.resolved_at, ticket.pk), reverse=True)
    return [*(ticket for ticket in found if ticket.status != TicketStatus.RESOLVED), *closed]


def parse_time(text: str) -> datetime | None:
    """Return a timestamp from JSON as a datetime; None if there is no such date."""
    try:
        parsed = parse_datetime(text)
    except ValueError:
        return None
    return in_agency_zone(parsed) if parsed else None
