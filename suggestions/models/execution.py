"""The execution of what was approved: one row for each attempt, and the switches that stop execution."""

from datetime import datetime
from typing import Any

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone
from uuid_utils.compat import uuid7

from crm.records.base import Record, RecordQuerySet, choices_check, with_row_audit
from suggestions.models.types import SuggestionType


class ExecutionState(models.TextChoices):
    # An email stays queued until its delivery is settled.
    QUEUED = "QUEUED", "Queued"
    RUNNING = "RUNNING", "Running"
    SUCCEEDED = "SUCCEEDED", "Done"
    FAILED = "FAILED", "Failed"
    # A person settles it, or the Sent folder of the mailbox does.
    UNKNOWN = "UNKNOWN", "Delivery unconfirmed"
    CANCELLED = "CANCELLED", "Cancelled"
    UNDONE = "UNDONE", "Undone"


# A suggestion has at most one attempt in these states: it may happen, may have happened, or has happened.
LIVE_STATES = (ExecutionState.QUEUED, ExecutionState.RUNNING, ExecutionState.SUCCEEDED, ExecutionState.UNKNOWN)
IN_PROGRESS_STATES = (ExecutionState.QUEUED, ExecutionState.RUNNING)
EXECUTION_STATE_COLOURS = {
    ExecutionState.QUEUED: "blue",
    ExecutionState.RUNNING: "blue",
    ExecutionState.SUCCEEDED: "green",
    ExecutionState.FAILED: "red",
    ExecutionState.UNKNOWN: "amber",
    ExecutionState.CANCELLED: "grey",
    ExecutionState.UNDONE: "grey",
}


class ExecutionQuerySet(models.QuerySet):
    """Named sets of executions."""

    def due(self, now: datetime) -> "ExecutionQuerySet":
        """Return the queued executions that are due, the longest due first."""
        return self.filter(state=ExecutionState.QUEUED, run_after__lte=now).order_by("run_after", "id")


def unless_on_its_way(collector: Any, field: models.Field, rows: models.QuerySet, using: str) -> None:
    """Delete attempts with their suggestion, unless one is in progress: its email would wait in the outbox for ever.

    Raises:
        ProtectedError: an attempt is in progress.
    """
    if in_progress := list(rows.filter(state__in=IN_PROGRESS_STATES)):
        raise models.ProtectedError("It is in progress.", set(in_progress))
    models.CASCADE(collector, field, rows, using)


class SuggestionExecution(models.Model):
    """One attempt to execute what was approved."""

    id = models.UUIDField(primary_key=True, default=uuid7, db_default=RandomUUID(), editable=False)
    suggestion = models.ForeignKey(
        "suggestions.Suggestion", on_delete=unless_on_its_way, related_name="executions", db_index=False
    )
    attempt = models.PositiveSmallIntegerField()
    state = models.CharField(
        max_length=10, choices=ExecutionState, default=ExecutionState.QUEUED, db_default=ExecutionState.QUEUED
    )
    # The same for every attempt at the same content: other systems recognize a second attempt by it.
    idempotency_key = models.CharField(max_length=100)
    external_reference = models.CharField(max_length=998, blank=True, default="", db_default="")
    error = models.TextField(blank=True, default="", db_default="")
    ordered_by = models.ForeignKey("crm.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    # `ordered_by` cannot tell: it is also empty once the approver has no account any more.
    by_policy = models.BooleanField(default=False, db_default=False)
    message = models.ForeignKey(
        "inbox.Message", null=True, blank=True, on_delete=models.SET_NULL, related_name="executions"
    )
    created_at = models.DateTimeField(default=timezone.now, db_default=Now(), editable=False)
    run_after = models.DateTimeField(default=timezone.now, db_default=Now())
    # How often the other side asked to try again later.
    retry_count = models.PositiveSmallIntegerField(default=0, db_default=0)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = models.Manager.from_queryset(ExecutionQuerySet)()

    class Meta:
        db_table = "suggestion_executions"
        verbose_name = "execution"
        default_permissions = ("view",)
        permissions = [("pause_execution", "Can stop and resume the execution of suggestions")]
        constraints = [
            choices_check("suggestion_executions", "state", ExecutionState),
            models.UniqueConstraint(
                "suggestion",
                condition=models.Q(state__in=LIVE_STATES),
                name="suggestion_executions_one_live",
                violation_error_message="This suggestion is being executed, or was executed already.",
            ),
            models.UniqueConstraint(
                "suggestion",
                "attempt",
                name="suggestion_executions_attempt_once",
                violation_error_message="This attempt exists already.",
            ),
            models.CheckConstraint(
                name="suggestion_executions_failure_says_why",
                condition=~models.Q(state__in=[ExecutionState.FAILED, ExecutionState.UNKNOWN]) | ~models.Q(error=""),
                violation_error_message="A failed attempt needs a reason.",
            ),
        ]
        indexes = [
            models.Index(
                "run_after",
                "id",
                condition=models.Q(state=ExecutionState.QUEUED),
                name="suggestion_executions_due",
            ),
            models.Index(
                "suggestion",
                condition=models.Q(state=ExecutionState.UNKNOWN),
                name="suggestion_executions_unknown",
            ),
            models.Index(
                "started_at",
                condition=models.Q(state=ExecutionState.RUNNING),
                name="suggestion_executions_running",
            ),
            models.Index(
                "created_at",
                condition=models.Q(ordered_by__isnull=True),
                name="suggestion_executions_policy",
            ),
        ]

    def __str__(self) -> str:
        return f"Attempt {self.attempt}: {self.get_state_display().lower()}"


@with_row_audit()
class ExecutionPause(Record):
    """A stop: nothing of `type` is executed while the row exists."""

    # Empty: every type.
    type = models.CharField(max_length=16, choices=SuggestionType, blank=True, default="", db_default="")
    reason = models.TextField(blank=True, default="", db_default="")
    by = models.ForeignKey("crm.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    objects = models.Manager.from_queryset(RecordQuerySet)()
    everything = models.Manager.from_queryset(RecordQuerySet)()

    class Meta(Record.Meta):
        db_table = "execution_pauses"
        default_permissions = ("view",)
        constraints = [
            models.CheckConstraint(
                name="execution_pauses_type_valid",
                condition=models.Q(type__in=["", *SuggestionType.values]),
                violation_error_message="Choose an existing type, or leave it blank for all types.",
            ),
            models.UniqueConstraint(
                "type", name="execution_pauses_once", violation_error_message="This is already paused."
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_type_display() or 'Everything'} is stopped"
