"""Support tickets."""

from datetime import UTC, datetime
from typing import Any

from django.db import models
from django.db.models.functions import Cast, Coalesce

from crm.records.base import (
    LIVE,
    LiveManager,
    Record,
    RecordQuerySet,
    can_see_everyone,
    choices_check,
    json_field,
    json_type_check,
    not_blank_check,
    owned_by_or_unassigned,
    range_check,
    search_field,
    search_index,
    with_row_audit,
)


class TicketStatus(models.TextChoices):
    OPEN = "Open"
    IN_PROGRESS = "In Progress"
    RESOLVED = "Resolved"
    ESCALATED = "Escalated"


TICKET_TRANSITIONS = {
    TicketStatus.OPEN: {TicketStatus.IN_PROGRESS, TicketStatus.RESOLVED, TicketStatus.ESCALATED},
    TicketStatus.IN_PROGRESS: {TicketStatus.RESOLVED, TicketStatus.ESCALATED},
    TicketStatus.ESCALATED: {TicketStatus.IN_PROGRESS, TicketStatus.RESOLVED},
    TicketStatus.RESOLVED: {TicketStatus.OPEN},
}


class TicketPriority(models.TextChoices):
    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    URGENT = "urgent"


UNRESOLVED = LIVE & ~models.Q(status=TicketStatus.RESOLVED)


# Tickets without a due time come last.
DUE_ORDER = Coalesce("resolve_due_at", models.Value(datetime(9999, 1, 1, tzinfo=UTC), models.DateTimeField()))


class TicketQuerySet(RecordQuerySet):
    """Named sets of tickets."""

    def visible_to(self, user: Any) -> "TicketQuerySet":
        """Return the tickets `user` may see: own and unassigned ones, those of own clients, or all."""
        if can_see_everyone(user):
            return self
        return self.filter(owned_by_or_unassigned(user) | models.Q(client__assigned_to=user))

    def unresolved(self) -> "TicketQuerySet":
        return self.exclude(status=TicketStatus.RESOLVED)

    def due(self, now: datetime) -> "TicketQuerySet":
        """Return unresolved tickets due at or before `now`, oldest due time first."""
        return self.unresolved().filter(resolve_due_at__lte=now).order_by("resolve_due_at", "id")


@with_row_audit(exclude=["search_text"])
class SupportTicket(Record):
    """A support request of a client, and its resolution."""

    number = models.BigIntegerField(
        unique=True,
        editable=False,
        db_default=models.Func(
            models.Value("support_ticket_number"), function="nextval", output_field=models.BigIntegerField()
        ),
    )
    client = models.ForeignKey("crm.Client", on_delete=models.CASCADE, related_name="tickets")
    lead = models.ForeignKey("leads.Lead", null=True, blank=True, on_delete=models.SET_NULL, related_name="tickets")
    thread = models.ForeignKey("inbox.Thread", null=True, blank=True, on_delete=models.SET_NULL, related_name="tickets")
    created_by = models.CharField(max_length=200, blank=True, default="", db_default="")
    subject = models.CharField(max_length=200)
    issue_type = models.CharField(max_length=80, blank=True, default="", db_default="")
    issue_description = models.TextField(blank=True, default="", db_default="")
    resolution_summary = models.TextField(blank=True, default="", db_default="")
    status = models.CharField(
        max_length=12, choices=TicketStatus, default=TicketStatus.OPEN, db_default=TicketStatus.OPEN
    )
    priority = models.CharField(
        max_length=8, choices=TicketPriority, default=TicketPriority.NORMAL, db_default=TicketPriority.NORMAL
    )
    assigned_to = models.ForeignKey(
        "crm.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="tickets"
    )
    notes = json_field(list)
    first_response_due_at = models.DateTimeField(null=True, blank=True)
    resolve_due_at = models.DateTimeField(null=True, blank=True)
    first_responded_at = models.DateTimeField(null=True, blank=True)
    resolved_at = models.DateTimeField(null=True, blank=True)
    escalated_at = models.DateTimeField(null=True, blank=True)
    satisfaction = models.PositiveSmallIntegerField(null=True, blank=True)
    search_text = search_field(Cast("number", models.TextField()), "subject", "issue_description")

    objects = LiveManager.from_queryset(TicketQuerySet)()
    everything = models.Manager.from_queryset(TicketQuerySet)()

    class Meta(Record.Meta):
        db_table = "support_tickets"
        verbose_name = "ticket"
        permissions = [
            ("resolve_supportticket", "Can start, escalate, resolve and reopen tickets"),
            ("reassign_supportticket", "Can reassign a ticket"),
            ("restore_supportticket", "Can restore a deleted ticket"),
            ("purge_supportticket", "Can permanently delete a ticket"),
        ]
        constraints = [
            choices_check("support_tickets", "status", TicketStatus),
            choices_check("support_tickets", "priority", TicketPriority),
            range_check("support_tickets", "satisfaction", 1, 5),
            not_blank_check("support_tickets", "subject"),
            json_type_check("support_tickets", "notes", "array"),
            models.CheckConstraint(
                name="support_tickets_resolved_says_how",
                condition=~models.Q(status=TicketStatus.RESOLVED)
                | (~models.Q(resolution_summary="") & models.Q(resolved_at__isnull=False)),
                violation_error_message="A resolved ticket needs a resolution summary and the time of its resolution.",
            ),
        ]
        indexes = [
            models.Index(DUE_ORDER, "id", condition=UNRESOLVED, name="support_tickets_due"),
            models.Index(
                "status",
                models.F("created_at").desc(),
                models.F("id").desc(),
                condition=LIVE,
                name="support_tickets_by_status",
            ),
            models.Index(
                models.F("created_at").desc(),
                models.F("id").desc(),
                condition=LIVE,
                name="support_tickets_newest",
            ),
            models.Index(
                "issue_type",
                models.F("created_at").desc(),
                models.F("id").desc(),
                condition=LIVE,
                name="support_tickets_of_issue",
            ),
            models.Index(
                models.F("created_at").desc(),
                models.F("id").desc(),
                condition=models.Q(deleted_at__isnull=False),
                name="support_tickets_deleted",
            ),
            search_index("support_tickets"),
        ]

    def __str__(self) -> str:
        return f"#{self.number} {self.subject}" if self.number else self.subject

    def is_late(self, now: datetime) -> bool:
        return self.status != TicketStatus.RESOLVED and self.resolve_due_at is not None and self.resolve_due_at < now
