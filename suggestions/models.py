"""What an agent proposes and a person decides."""

from datetime import datetime
from typing import Any

import pgtrigger
from django.db import models

from crm.models.base import (
    LIVE,
    LiveManager,
    Record,
    RecordQuerySet,
    audited,
    between,
    json_field,
    json_is,
    one_of,
    owned_by_or_free,
    sees_everyone,
)


class SuggestionType(models.TextChoices):
    TASK = "TASK", "Task"
    PR = "PR", "Pull request"
    REPLY = "REPLY", "Reply"
    FOLLOW_UP = "FOLLOW_UP", "Follow-up"
    SEND_EMAIL = "SEND_EMAIL", "Email"
    SCHEDULE_CALL = "SCHEDULE_CALL", "Call"
    SEND_PROPOSAL = "SEND_PROPOSAL", "Proposal"
    CHANGE_STATUS = "CHANGE_STATUS", "Stage change"
    CREATE_LEAD = "CREATE_LEAD", "New lead"
    LINK_THREAD = "LINK_THREAD", "Link conversation"
    RESOLVE_TICKET = "RESOLVE_TICKET", "Ticket resolution"


class SuggestionStatus(models.TextChoices):
    DRAFT = "DRAFT", "Draft"
    PENDING = "PENDING", "Waiting"
    APPROVED = "APPROVED", "Approved"
    REJECTED = "REJECTED", "Rejected"
    MODIFIED = "MODIFIED", "Approved with changes"
    FAILED = "FAILED", "Failed"


TRANSITIONS = {
    SuggestionStatus.DRAFT: {SuggestionStatus.PENDING},
    SuggestionStatus.PENDING: {
        SuggestionStatus.APPROVED,
        SuggestionStatus.MODIFIED,
        SuggestionStatus.REJECTED,
    },
    SuggestionStatus.APPROVED: {SuggestionStatus.FAILED},
    SuggestionStatus.MODIFIED: {SuggestionStatus.FAILED},
    SuggestionStatus.FAILED: {
        SuggestionStatus.APPROVED,
        SuggestionStatus.MODIFIED,
        SuggestionStatus.REJECTED,
    },
    SuggestionStatus.REJECTED: {SuggestionStatus.PENDING},
}
GO_AHEAD = (SuggestionStatus.APPROVED, SuggestionStatus.MODIFIED)
REVIEWABLE = (SuggestionStatus.DRAFT, SuggestionStatus.PENDING, SuggestionStatus.FAILED)


class SuggestionQuerySet(RecordQuerySet):
    """Named sets of suggestions."""

    def visible_to(self, user: Any) -> "SuggestionQuerySet":
        if sees_everyone(user):
            return self
        return self.filter(
            owned_by_or_free(user, "lead__assigned_to"),
            owned_by_or_free(user, "client__assigned_to"),
        )

    def waiting(self, now: datetime) -> "SuggestionQuerySet":
        """What a person can decide now: waiting, not snoozed, not expired."""
        return self.filter(
            models.Q(snoozed_until__isnull=True) | models.Q(snoozed_until__lte=now),
            models.Q(expires_at__isnull=True) | models.Q(expires_at__gt=now),
            status=SuggestionStatus.PENDING,
        )


@audited()
class Suggestion(Record):
    """A proposal: what would be done, why, and what became of it."""

    type = models.CharField(max_length=16, choices=SuggestionType)
    status = models.CharField(
        max_length=10,
        choices=SuggestionStatus,
        default=SuggestionStatus.PENDING,
        db_default=SuggestionStatus.PENDING,
    )
    lead = models.ForeignKey(
        "leads.Lead",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="suggestions",
        db_index=False,
    )
    thread = models.ForeignKey(
        "inbox.Thread", null=True, blank=True, on_delete=models.SET_NULL, related_name="suggestions"
    )
    message = models.ForeignKey(
        "inbox.Message", null=True, blank=True, on_delete=models.SET_NULL, related_name="suggestions"
    )
    ticket = models.ForeignKey(
        "support.SupportTicket", null=True, blank=True, on_delete=models.SET_NULL, related_name="suggestions"
    )
    project = models.ForeignKey(
        "crm.Project", null=True, blank=True, on_delete=models.SET_NULL, related_name="suggestions"
    )
    client = models.ForeignKey(
        "crm.Client", null=True, blank=True, on_delete=models.SET_NULL, related_name="suggestions"
    )
    confidence = models.DecimalField(max_digits=3, decimal_places=2, null=True, blank=True)
    reasoning = models.TextField(blank=True, default="", db_default="")
    evidence = json_field(list)
    ai_model_version = models.CharField(max_length=100, blank=True, default="", db_default="")
    prompt_tokens = models.PositiveIntegerField(null=True, blank=True)
    completion_tokens = models.PositiveIntegerField(null=True, blank=True)
    interaction = models.ForeignKey(
        "ai_log.AIInteraction", null=True, blank=True, on_delete=models.SET_NULL, related_name="suggestions"
    )
    suggested_content = json_field(dict)
    approved_content = models.JSONField(null=True, blank=True)
    reviewed_by = models.ForeignKey("crm.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    reviewed_at = models.DateTimeField(null=True, blank=True)
    review_note = models.TextField(blank=True, default="", db_default="")
    snoozed_until = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    content_hash = models.CharField(max_length=64, blank=True, default="", db_default="")
    tainted = models.BooleanField(
        default=False, db_default=False, help_text="Rests on words of somebody outside the team."
    )
    executed_at = models.DateTimeField(null=True, blank=True)
    result = models.JSONField(null=True, blank=True)
    error_message = models.TextField(blank=True, default="", db_default="")
    dedupe_key = models.CharField(max_length=200, blank=True, default="", db_default="")

    objects = LiveManager.from_queryset(SuggestionQuerySet)()
    everything = models.Manager.from_queryset(SuggestionQuerySet)()

    class Meta(Record.Meta):
        db_table = "suggestions"
        permissions = [
            ("decide_suggestion", "Can approve, change, reject and restore suggestions"),
            ("restore_suggestion", "Can restore a deleted suggestion"),
            ("purge_suggestion", "Can purge a suggestion for ever"),
        ]
        triggers = [
            pgtrigger.Protect(
                name="content_is_kept",
                operation=pgtrigger.Update,
                condition=pgtrigger.Condition(
                    'OLD."suggested_content" IS DISTINCT FROM NEW."suggested_content" AND OLD."status" <> \'DRAFT\''
                ),
            )
        ]
        constraints = [
            one_of("suggestions", "type", SuggestionType),
            one_of("suggestions", "status", SuggestionStatus),
            between("suggestions", "confidence", 0, 1),
            json_is("suggestions", "evidence", "array"),
            json_is("suggestions", "suggested_content", "object"),
            models.CheckConstraint(
                name="suggestions_approved_has_content",
                condition=~models.Q(status__in=GO_AHEAD)
                | (models.Q(approved_content__isnull=False, reviewed_at__isnull=False) & ~models.Q(content_hash="")),
                violation_error_message="What is approved has its content, its hash and its date.",
            ),
            models.CheckConstraint(
                name="suggestions_failed_says_why",
                condition=~models.Q(status=SuggestionStatus.FAILED) | ~models.Q(error_message=""),
                violation_error_message="A failed suggestion says why.",
            ),
            models.UniqueConstraint(
                "dedupe_key",
                condition=LIVE & models.Q(status__in=REVIEWABLE) & ~models.Q(dedupe_key=""),
                name="suggestions_one_live_per_key",
                violation_error_message="The same suggestion is already waiting.",
            ),
        ]
        indexes = [
            models.Index(
                "lead",
                models.F("created_at").desc(),
                condition=LIVE & models.Q(lead__isnull=False),
                name="suggestions_of_lead",
            ),
            models.Index(
                "status",
                models.F("created_at").desc(),
                models.F("id").desc(),
                condition=LIVE,
                name="suggestions_by_status",
            ),
            models.Index(
                "type",
                models.F("created_at").desc(),
                models.F("id").desc(),
                condition=LIVE,
                name="suggestions_by_type",
            ),
            models.Index(
                models.F("created_at").desc(),
                models.F("id").desc(),
                condition=LIVE,
                name="suggestions_newest",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_type_display()} for {self.lead}" if self.lead_id else self.get_type_display()
