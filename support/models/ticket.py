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
# Tickets without a due time come last, and those that wait for the customer: their time stands still.
LAST = models.Value(datetime(9999, 1, 1, tzinfo=UTC), models.DateTimeField())
DUE_ORDER = models.Case(
    models.When(waiting_since__isnull=True, then=Coalesce("resolve_due_at", LAST)),
    default=LAST,
    output_field=models.DateTimeField(),
)
# What the job of each minute looks at: due times that were not escalated yet.
COUNTED = UNRESOLVED & models.Q(waiting_since__isnull=True)
IS_UNANSWERED = COUNTED & models.Q(first_responded_at__isnull=True)

# A note is {at, by, body, internal}; the path finds everything else.
MALFORMED_NOTE_PATH = (
    '$[*] ? ((@.type() <> "object")'
    ' || (!exists(@.at ? (@.type() == "string" && @ like_regex "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}")))'
    ' || (!exists(@.by ? (@.type() == "string" && @ <> "")))'
    ' || (!exists(@.body ? (@.type() == "string" && @ <> "")))'
    ' || (!exists(@.internal ? (@.type() == "boolean"))))'
)
# A wait is {from, to}, both in UTC; the path finds everything else.
MOMENT_PATTERN = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+)?[+]00:00$"
MALFORMED_WAIT_PATH = (
    '$[*] ? ((@.type() <> "object")'
    f' || (!exists(@.from ? (@.type() == "string" && @ like_regex "{MOMENT_PATTERN}")))'
    f' || (!exists(@.to ? (@.type() == "string" && @ like_regex "{MOMENT_PATTERN}")))'
    " || (@.to < @.from))"
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


# A due time by the service level is computed again once what it depends on changes, by whatever means.
DUE_TIME_IS_OUTDATED = """
    NEW.status <> 'Resolved' AND NOT NEW.has_own_due_times
    AND (NEW.priority <> OLD.priority OR NEW.issue_type <> OLD.issue_type OR OLD.status = 'Resolved')
    AND NEW.first_response_due_at IS NOT DISTINCT FROM OLD.first_response_due_at
    AND NEW.resolve_due_at IS NOT DISTINCT FROM OLD.resolve_due_at
"""
DUE_TIME_IS_MISSING = "NEW.resolve_due_at IS NULL AND NEW.status <> 'Resolved' AND NOT NEW.has_own_due_times"
MARK_STALE_SQL = "NEW.due_is_stale := true; RETURN NEW;"
END_WAIT_SQL = """
    NEW.waits := NEW.waits || ticket_wait(NEW.waiting_since, coalesce(NEW.resolved_at, now()));
    NEW.waiting_since := NULL;
    RETURN NEW;
"""


def not_escalated_since(due_time: str) -> models.Q:
    """Return the condition that the due time in the column `due_time` was not escalated."""
    return models.Q(escalated_at__isnull=True) | models.Q(escalated_at__lt=models.F(due_time))


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
        """Return unresolved tickets due at or before `now`, oldest due time first.

        The time of a ticket that waits for the customer stands still: it is not due.
        """
        return self.unresolved().alias(_due=DUE_ORDER).filter(_due__lte=now).order_by("_due", "id")


@with_row_audit(
    exclude=[
        *("search_text", "owner", "record_owner", "restriction"),
        # The activity log has the waits, and when the ticket was reopened.
        *("opened_at", "waits", "due_is_stale", "warned_for"),
    ]
)
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
    # When it was opened, or reopened the last time: its time runs from here.
    opened_at = models.DateTimeField(blank=True, editable=False)
    # Since when we wait for the customer, and the earlier waits since it was opened.
    waiting_since = models.DateTimeField(null=True, blank=True, editable=False)
    waits = json_field(list, editable=False)
    # A person gave the due times; they do not follow the service level.
    has_own_due_times = models.BooleanField(default=False, db_default=False, editable=False)
    # The due times must be computed again.
    due_is_stale = models.BooleanField(default=False, db_default=False, editable=False)
    # The due time that the assignee was warned of.
    warned_for = models.DateTimeField(null=True, blank=True, editable=False)
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
            empty_for_null(
                **dict.fromkeys(TEXTS_OF_OTHER_PROGRAMS, "''"),
                notes="'[]'",
                custom_fields="'{}'",
                opened_at="NEW.created_at",
            ),
            pgtrigger.Trigger(
                name="due_is_stale",
                operation=pgtrigger.UpdateOf("priority", "issue_type", "status"),
                when=pgtrigger.Before,
                condition=pgtrigger.Condition(DUE_TIME_IS_OUTDATED),
                func=MARK_STALE_SQL,
            ),
            pgtrigger.Trigger(
                name="due_is_missing",
                operation=pgtrigger.Insert,
                when=pgtrigger.Before,
                condition=pgtrigger.Condition(DUE_TIME_IS_MISSING),
                func=MARK_STALE_SQL,
            ),
            pgtrigger.Trigger(
                name="resolution_ends_wait",
                operation=pgtrigger.UpdateOf("status"),
                when=pgtrigger.Before,
                condition=pgtrigger.Condition("NEW.status = 'Resolved' AND NEW.waiting_since IS NOT NULL"),
                func=END_WAIT_SQL,
            ),
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
            json_type_check("support_tickets", "waits", "array"),
            models.CheckConstraint(
                name="support_tickets_waits_well_formed",
                condition=~models.Q(jsonpath_exists("waits", MALFORMED_WAIT_PATH))
                & ~models.Q(jsonpath_exists("waits", NON_OBJECT_PATH)),
                violation_error_message="A wait needs its begin and its later end, both as ISO timestamps in UTC.",
            ),
            models.CheckConstraint(
                name="support_tickets_resolved_waits_for_nobody",
                condition=~models.Q(status=TicketStatus.RESOLVED) | models.Q(waiting_since__isnull=True),
                violation_error_message="A resolved ticket cannot wait for the customer.",
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
            # What the jobs of each minute read: the due times to warn of and to escalate, waits, threads, stale times.
            models.Index(
                "resolve_due_at",
                condition=COUNTED & not_escalated_since("resolve_due_at"),
                name="support_tickets_to_resolve",
            ),
            models.Index(
                "first_response_due_at",
                condition=IS_UNANSWERED & not_escalated_since("first_response_due_at"),
                name="support_tickets_to_answer",
            ),
            models.Index(
                "waiting_since", condition=models.Q(waiting_since__isnull=False), name="support_tickets_waiting"
            ),
            models.Index(
                "thread",
                condition=UNRESOLVED & models.Q(thread__isnull=False),
                name="support_tickets_in_threads",
            ),
            models.Index("id", condition=models.Q(due_is_stale=True), name="support_tickets_stale"),
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
        is_counted = self.status != TicketStatus.RESOLVED and self.waiting_since is None
        return is_counted and self.resolve_due_at is not None and self.resolve_due_at < now

    def is_first_response_late(self, now: datetime) -> bool:
        is_counted = self.status != TicketStatus.RESOLVED and self.waiting_since is None
        due_at = self.first_response_due_at
        return is_counted and self.first_responded_at is None and due_at is not None and due_at < now

    @property
    def past_waits(self) -> list[tuple[datetime, datetime]]:
        """The waits for the customer that have ended, since the ticket was opened."""
        return [(datetime.fromisoformat(wait["from"]), datetime.fromisoformat(wait["to"])) for wait in self.waits]
