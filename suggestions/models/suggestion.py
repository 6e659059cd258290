"""A suggestion, and the decision about it."""

from datetime import datetime
from typing import Any

import pgtrigger
from django.db import models
from django.db.models.functions import Upper

from crm.records.base import (
    LIVE,
    LiveManager,
    Record,
    choices_check,
    json_field,
    json_type_check,
    range_check,
    with_row_audit,
)
from crm.records.owners import Assignable, AssignableQuerySet, record_owner_index
from suggestions.models.types import Level, SuggestionType


class SuggestionStatus(models.TextChoices):
    DRAFT = "DRAFT", "Draft"
    PENDING = "PENDING", "Waiting"
    APPROVED = "APPROVED", "Approved"
    REJECTED = "REJECTED", "Rejected"
    MODIFIED = "MODIFIED", "Approved with changes"
    FAILED = "FAILED", "Failed"


TYPE_LABELS = dict(SuggestionType.choices)
STATUS_LABELS = dict(SuggestionStatus.choices)

SUGGESTION_TRANSITIONS = {
    SuggestionStatus.DRAFT: {SuggestionStatus.PENDING, SuggestionStatus.REJECTED},
    SuggestionStatus.PENDING: {
        SuggestionStatus.APPROVED,
        SuggestionStatus.MODIFIED,
        SuggestionStatus.REJECTED,
    },
    # After an undo it waits again.
    SuggestionStatus.APPROVED: {SuggestionStatus.FAILED, SuggestionStatus.PENDING},
    SuggestionStatus.MODIFIED: {SuggestionStatus.FAILED, SuggestionStatus.PENDING},
    SuggestionStatus.FAILED: {
        SuggestionStatus.APPROVED,
        SuggestionStatus.MODIFIED,
        SuggestionStatus.REJECTED,
    },
    SuggestionStatus.REJECTED: {SuggestionStatus.PENDING},
}
# The columns by which a row is visible.
VIEWER_COLUMNS = ("owner", "record_owner", "restriction")
MOST_URGENT_FIRST = (models.F("priority").desc(), models.F("created_at").desc(), models.F("id").desc())
NEWEST_FIRST = (models.F("created_at").desc(), models.F("id").desc())
APPROVED_STATUSES = (SuggestionStatus.APPROVED, SuggestionStatus.MODIFIED)
# Not decided yet.
UNDECIDED_STATUSES = (SuggestionStatus.DRAFT, SuggestionStatus.PENDING)
# A person can approve these.
DECIDABLE_STATUSES = (SuggestionStatus.PENDING, SuggestionStatus.FAILED)
# A person can reject these; of them there is one for each `dedupe_key`.
OPEN_STATUSES = (SuggestionStatus.DRAFT, SuggestionStatus.PENDING, SuggestionStatus.FAILED)

# Approved by the policy alone.
AUTO_APPROVED = models.Q(
    reviewed_by__isnull=True,
    reviewed_at__isnull=False,
    autonomy=Level.AUTO_EXECUTE,
    held_because=[],
    status__in=[SuggestionStatus.APPROVED, SuggestionStatus.MODIFIED, SuggestionStatus.FAILED],
)


class RejectCode(models.TextChoices):
    NOT_NEEDED = "NOT_NEEDED", "Not needed"
    ALREADY_DONE = "ALREADY_DONE", "Already done"
    WRONG_FACTS = "WRONG_FACTS", "The facts are wrong"
    WRONG_PERSON = "WRONG_PERSON", "The wrong person"
    BAD_TIMING = "BAD_TIMING", "The wrong time"
    BAD_WORDING = "BAD_WORDING", "Badly worded"
    SUSPICIOUS = "SUSPICIOUS", "Suspicious"
    SUPERSEDED = "SUPERSEDED", "Replaced by a newer one"
    OTHER = "OTHER", "Something else"


class SuggestionQuerySet(AssignableQuerySet):
    """Named sets of suggestions."""

    def awaiting_decision(self, now: datetime) -> "SuggestionQuerySet":
        """Return the suggestions that wait for a decision now: pending, not snoozed, not expired."""
        return self.filter(
            models.Q(snoozed_until__isnull=True) | models.Q(snoozed_until__lte=now),
            models.Q(expires_at__isnull=True) | models.Q(expires_at__gt=now),
            status=SuggestionStatus.PENDING,
        )

    def auto_approved(self) -> "SuggestionQuerySet":
        """Return the suggestions that the policy approved, whatever their outcome."""
        return self.filter(AUTO_APPROVED)

    def undecided(self, now: datetime) -> "SuggestionQuerySet":
        """Return the suggestions that are not decided or expired yet, snoozed ones and drafts included."""
        return self.filter(
            models.Q(expires_at__isnull=True) | models.Q(expires_at__gt=now),
            status__in=UNDECIDED_STATUSES,
        )


@with_row_audit(exclude=["owner", "record_owner", "restriction"])
class Suggestion(Assignable):
    """A proposal: what to do, why, what was decided, and the result."""

    owner_links = ("lead", "client", "project", "thread", "ticket")

    type = models.CharField(max_length=16, choices=SuggestionType)
    status = models.CharField(
        max_length=10,
        choices=SuggestionStatus,
        default=SuggestionStatus.PENDING,
        db_default=SuggestionStatus.PENDING,
    )
    # Counts the changes: the approver names the version that they have seen.
    version = models.PositiveIntegerField(default=1, db_default=1)
    agent = models.CharField(
        max_length=100, blank=True, default="", db_default="", help_text="The agent that proposed it."
    )
    proposed_by = models.ForeignKey(
        "crm.User",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="The user who proposed it.",
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
    # The rule of the agent that it follows, such as "question": with agent and type, what it is compared by.
    rule = models.CharField(max_length=40, blank=True, default="", db_default="")
    # Urgency × value, for the order of the queue. A row from elsewhere stands in the middle.
    priority = models.PositiveSmallIntegerField(default=8, db_default=8)
    confidence = models.DecimalField(max_digits=3, decimal_places=2, null=True, blank=True)
    # What the confidence is based on: of so many earlier ones that were decided, so many were approved unchanged.
    similar_decided = models.PositiveIntegerField(null=True, blank=True)
    similar_unchanged = models.PositiveIntegerField(null=True, blank=True)
    reasoning = models.TextField(blank=True, default="", db_default="")
    evidence = json_field(list)
    ai_model_version = models.CharField(max_length=100, blank=True, default="", db_default="")
    # A model is asked once; cleared if it did not answer for a temporary reason.
    model_asked_at = models.DateTimeField(
        null=True, blank=True, help_text="When a model was asked to improve the draft."
    )
    prompt_tokens = models.PositiveIntegerField(null=True, blank=True)
    completion_tokens = models.PositiveIntegerField(null=True, blank=True)
    interaction = models.ForeignKey(
        "ai_log.AIInteraction", null=True, blank=True, on_delete=models.SET_NULL, related_name="suggestions"
    )
    suggested_content = json_field(dict)
    approved_content = models.JSONField(null=True, blank=True)
    # What a person approved with changes, after the approval was undone: the form offers it again.
    edited_content = models.JSONField(null=True, blank=True)
    reviewed_by = models.ForeignKey("crm.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    reviewed_at = models.DateTimeField(null=True, blank=True)
    review_note = models.TextField(blank=True, default="", db_default="")
    reject_code = models.CharField(max_length=12, choices=RejectCode, blank=True, default="", db_default="")
    superseded_by = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="superseded"
    )
    findings = json_field(list, help_text="The findings of the policy when it was proposed.")
    autonomy = models.CharField(
        max_length=12,
        choices=Level,
        default=Level.SUGGEST,
        db_default=Level.SUGGEST,
        help_text="The level of autonomy when it was proposed.",
    )
    held_because = json_field(list, help_text="Why a person decides although the level is to carry it out.")
    acknowledged = json_field(list, help_text="The findings that the approver confirmed.")
    snoozed_until = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    content_hash = models.CharField(max_length=64, blank=True, default="", db_default="")
    tainted = models.BooleanField(default=False, db_default=False, help_text="Based on untrusted content.")
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
            ("open_pull_request", "Can approve pull requests"),
            ("restore_suggestion", "Can restore a deleted suggestion"),
            ("purge_suggestion", "Can permanently delete a suggestion"),
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
            choices_check("suggestions", "type", SuggestionType),
            choices_check("suggestions", "status", SuggestionStatus),
            choices_check("suggestions", "autonomy", Level),
            json_type_check("suggestions", "held_because", "array"),
            range_check("suggestions", "confidence", 0, 1),
            models.CheckConstraint(
                name="suggestions_similar_counts_valid",
                condition=models.Q(similar_decided__isnull=True, similar_unchanged__isnull=True)
                | models.Q(similar_unchanged__lte=models.F("similar_decided")),
                violation_error_message="Of the similar suggestions, at most those decided were approved unchanged.",
            ),
            json_type_check("suggestions", "evidence", "array"),
            json_type_check("suggestions", "suggested_content", "object"),
            json_type_check("suggestions", "edited_content", "object", or_null=True),
            json_type_check("suggestions", "findings", "array"),
            json_type_check("suggestions", "acknowledged", "array"),
            models.CheckConstraint(
                name="suggestions_reject_code_valid",
                condition=models.Q(reject_code__in=["", *RejectCode.values]),
                violation_error_message="Choose a reject code from the list.",
            ),
            models.CheckConstraint(
                name="suggestions_rejected_has_code",
                condition=models.Q(reject_code="") | models.Q(status=SuggestionStatus.REJECTED),
                violation_error_message="Only a rejected suggestion has a reject code.",
            ),
            models.CheckConstraint(
                name="suggestions_approved_has_content",
                condition=~models.Q(status__in=APPROVED_STATUSES)
                | (models.Q(approved_content__isnull=False, reviewed_at__isnull=False) & ~models.Q(content_hash="")),
                violation_error_message="An approved suggestion needs its content, hash and date.",
            ),
            models.CheckConstraint(
                name="suggestions_failed_says_why",
                condition=~models.Q(status=SuggestionStatus.FAILED) | ~models.Q(error_message=""),
                violation_error_message="A failed suggestion needs a reason.",
            ),
            models.UniqueConstraint(
                "dedupe_key",
                condition=LIVE & models.Q(status__in=OPEN_STATUSES) & ~models.Q(dedupe_key=""),
                name="suggestions_one_live_per_key",
                violation_error_message="The same suggestion is already waiting.",
            ),
        ]
        indexes = [
            # Deleted suggestions are in it too: they follow the owner of their lead, and purging a lead clears them.
            models.Index(
                "lead",
                models.F("created_at").desc(),
                condition=models.Q(lead__isnull=False),
                name="suggestions_by_lead",
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
            # All columns that the queue filters by, so that it skips the rows of others without reading them.
            models.Index(
                *MOST_URGENT_FIRST,
                condition=LIVE & models.Q(status=SuggestionStatus.PENDING),
                include=[*VIEWER_COLUMNS, "snoozed_until", "expires_at", "type", "confidence"],
                name="suggestions_waiting",
            ),
            models.Index(
                *NEWEST_FIRST,
                condition=LIVE & models.Q(status=SuggestionStatus.PENDING, snoozed_until__isnull=False),
                include=["snoozed_until", *VIEWER_COLUMNS],
                name="suggestions_snoozed",
            ),
            # For an owner with few suggestions among many of other owners.
            models.Index(
                "owner",
                *MOST_URGENT_FIRST,
                # The columns that the queue filters by, so that its counts need no access to the table.
                include=["snoozed_until", "expires_at", "restriction"],
                condition=LIVE & models.Q(status=SuggestionStatus.PENDING),
                name="suggestions_pending_of_owner",
            ),
            # The decisions about suggestions of models, for the charts of the AI log.
            models.Index(
                models.F("reviewed_at").desc(),
                models.F("id").desc(),
                condition=LIVE & models.Q(interaction__isnull=False, reviewed_by__isnull=False),
                name="suggestions_judged",
            ),
            # The report on decisions reads those of a period.
            models.Index(
                "reviewed_at", condition=LIVE & models.Q(reviewed_at__isnull=False), name="suggestions_decided"
            ),
            models.Index(*NEWEST_FIRST, condition=models.Q(deleted_at__isnull=False), name="suggestions_deleted"),
            record_owner_index("suggestions"),
            # Agents and models are filtered by name, in any case.
            models.Index(
                Upper("agent"), *NEWEST_FIRST, condition=LIVE & ~models.Q(agent=""), name="suggestions_of_agent"
            ),
            models.Index(
                Upper("ai_model_version"),
                *NEWEST_FIRST,
                condition=LIVE & ~models.Q(ai_model_version=""),
                name="suggestions_of_model",
            ),
            # The latest decisions for each agent and type.
            models.Index(
                "agent",
                "type",
                models.F("created_at").desc(),
                condition=LIVE & ~models.Q(agent=""),
                name="suggestions_by_agent",
            ),
            # The latest decisions about suggestions of a rule, for the confidence of the next.
            models.Index(
                "agent",
                "type",
                "rule",
                models.F("reviewed_at").desc(),
                condition=LIVE & ~models.Q(rule="") & models.Q(reviewed_by__isnull=False),
                name="suggestions_by_rule",
            ),
            models.Index(
                models.F("created_at").desc(),
                models.F("id").desc(),
                condition=LIVE & AUTO_APPROVED,
                name="suggestions_by_policy",
            ),
        ]

    def __str__(self) -> str:
        # Its lead is not named: a reader may not be allowed to see it.
        return self.type_label

    def set_track_record(self, record: Any) -> None:
        """Take confidence and its basis from the track record of its rule."""
        self.confidence = record.confidence
        self.similar_decided, self.similar_unchanged = record.decided, record.unchanged

    @property
    def confidence_basis(self) -> str:
        """Return what the confidence is based on; empty where the agent stated it."""
        if self.similar_decided is None:
            return ""
        if not self.similar_decided:
            return "No similar suggestion decided yet"
        return f"{self.similar_unchanged} of {self.similar_decided} similar ones approved unchanged"

    # A list shows the type and status of each row several times; Django's `get_…_display` is slower.

    @property
    def type_label(self) -> str:
        return TYPE_LABELS.get(self.type, self.type)

    @property
    def status_label(self) -> str:
        return STATUS_LABELS.get(self.status, self.status)
