"""Support tickets."""

import re
from datetime import UTC, datetime
from typing import Any

import pgtrigger
from django.db import models
from django.db.models.functions import Cast, Coalesce

from crm.records.base import (
    LIVE,
    NON_OBJECT_PATH,
    LiveManager,
    Record,
    choices_check,
    custom_fields_index,
    empty_for_null,
    json_field,
    json_type_check,
    jsonpath_exists,
    range_check,
    search_field,
    search_index,
    with_row_audit,
)
from crm.records.owners import Assignable, AssignableQuerySet, record_owner_index
from leads.models import Lead


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


NUMBER_PATTERN = re.compile(r"#?\s*([0-9]{1,18})")
# What a list of tickets does not read of their leads: it shows the name alone.
UNSHOWN_LEAD_FIELDS = tuple(
    f"lead__{field.name}"
    for field in Lead._meta.concrete_fields
    if field.name not in {"id", "contact_name", "company_name"}
)
# Tickets without a due time come last.
DUE_ORDER = Coalesce("resolve_due_at", models.Value(datetime(9999, 1, 1, tzinfo=UTC), models.DateTimeField()))

# A note is {at, by, body, internal}; the path finds everything else.
MALFORMED_NOTE_PATH = (
    '$[*] ? ((@.type() <> "object")'
    ' || (!exists(@.at ? (@.type() == "string" && @ like_regex "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}")))'
    ' || (!exists(@.by ? (@.type() == "string" && @ <> "")))'
    ' || (!exists(@.body ? (@.type() == "string" && @ <> "")))'
    ' || (!exists(@.internal ? (@.type() == "boolean"))))'
)
# Other programs may give NULL for these; they are stored empty.
TEXTS_OF_OTHER_PROGRAMS = ("created_by", "issue_type", "issue_description", "resolution_summary")
# The first words of the description, at most eighty characters.
DEFAULT_SUBJECT_SQL = """
    words := btrim(regexp_replace(left(btrim(NEW.issue_description, E' \\t\\r\\n'), 400), '\\s+', ' ', 'g'));
    IF length(words) > 80 THEN
        words := coalesce(substring(words FROM '^(.{1,79})\\s'), left(words, 79)) || '…';
    END IF;
    NEW.subject := coalesce(nullif(words, ''), nullif(NEW.issue_type, ''), 'Ticket');
    RETURN NEW;
"""


class TicketQuerySet(AssignableQuerySet):
    """Named sets of tickets."""

    def identified_by(self, text: str) -> "TicketQuerySet":
        """Return the ticket with the number `text`, such as `1003` or `#1003`."""
        number = NUMBER_PATTERN.fullmatch(text.strip())
        return self.filter(number=int(number[1])) if number else self.none()

    def unresolved(self) -> "TicketQuerySet":
        return self.exclude(status=TicketStatus.RESOLVED)

    def due_first(self, until: datetime) -> "TicketQuerySet":
        """Return unresolved tickets due at or before `until`, oldest first, in the order of the indexes."""
        return self.unresolved().alias(_due=DUE_ORDER).filter(_due__lte=until).order_by("_due", "id")

    def due(self, now: datetime) -> "TicketQuerySet":
        """Return unresolved tickets due at or before `now`, oldest due time first."""
        return self.unresolved().filter(resolve_due_at__lte=now).order_by("resolve_due_at", "id")


@with_row_audit(exclude=["search_text", "owner", "record_owner", "restriction"])
class SupportTicket(Assignable):
    """A support request of a client or a lead, and its resolution."""

    number = models.BigIntegerField(
        unique=True,
        editable=False,
        db_default=models.Func(
            models.Value("support_ticket_number"), function="nextval", output_field=models.BigIntegerField()
        ),
    )
    client = models.ForeignKey("crm.Client", null=True, blank=True, on_delete=models.CASCADE, related_name="tickets")
    lead = models.ForeignKey("leads.Lead", null=True, blank=True, on_delete=models.SET_NULL, related_name="tickets")
    thread = models.ForeignKey("inbox.Thread", null=True, blank=True, on_delete=models.SET_NULL, related_name="tickets")
    created_by = models.CharField(max_length=200, blank=True, default="", db_default="")
    subject = models.CharField(
        max_length=200, blank=True, default="", db_default="", help_text="Leave blank to take it from the description."
    )
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
    custom_fields = json_field(dict)
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
        triggers = [
            empty_for_null(**dict.fromkeys(TEXTS_OF_OTHER_PROGRAMS, "''"), notes="'[]'", custom_fields="'{}'"),
            pgtrigger.Trigger(
                name="subject_by_default",
                operation=pgtrigger.Insert | pgtrigger.UpdateOf("subject"),
                when=pgtrigger.Before,
                condition=pgtrigger.Condition("btrim(coalesce(NEW.subject, '')) = ''"),
                declare=[("words", "text")],
                func=DEFAULT_SUBJECT_SQL,
            ),
        ]
        constraints = [
            choices_check("support_tickets", "status", TicketStatus),
            choices_check("support_tickets", "priority", TicketPriority),
            range_check("support_tickets", "satisfaction", 1, 5),
            json_type_check("support_tickets", "notes", "array"),
            json_type_check("support_tickets", "custom_fields", "object"),
            models.CheckConstraint(
                name="support_tickets_notes_well_formed",
                condition=~models.Q(jsonpath_exists("notes", MALFORMED_NOTE_PATH))
                & ~models.Q(jsonpath_exists("notes", NON_OBJECT_PATH)),
                violation_error_message="A note needs an ISO timestamp, an author, a text and whether it is internal.",
            ),
            models.CheckConstraint(
                name="support_tickets_has_customer",
                condition=models.Q(client__isnull=False) | models.Q(lead__isnull=False),
                violation_error_message="A ticket needs a client or a lead.",
            ),
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
                "owner",
                DUE_ORDER,
                "id",
                include=["restriction"],
                condition=UNRESOLVED,
                name="support_tickets_due_of_owner",
            ),
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
            record_owner_index("support_tickets"),
            search_index("support_tickets"),
            custom_fields_index("support_tickets"),
        ]

    def __str__(self) -> str:
        return f"#{self.number} {self.subject}" if self.number else self.subject

    @property
    def customer(self) -> Any:
        """The client with the request, or the lead where there is no client."""
        return self.client or self.lead

    def is_late(self, now: datetime) -> bool:
        return self.status != TicketStatus.RESOLVED and self.resolve_due_at is not None and self.resolve_due_at < now
