"""Changes of the kind of a custom field: what was decided, how far the job is, and the values before it."""

from typing import Any

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone
from uuid_utils.compat import uuid7

from crm.models.custom_field import CustomField, CustomFieldKind, CustomFieldTable
from crm.records.base import choices_check, json_field, json_type_check


class KindChangeState(models.TextChoices):
    QUEUED = "QUEUED", "Queued"
    RUNNING = "RUNNING", "Converting"
    APPLIED = "APPLIED", "Changed"
    # Values did not convert, so nothing was changed.
    STOPPED = "STOPPED", "Stopped"
    UNDOING = "UNDOING", "Undoing"
    UNDONE = "UNDONE", "Undone"


State = KindChangeState
TRANSITIONS = {
    State.QUEUED: {State.RUNNING, State.STOPPED},
    State.RUNNING: {State.APPLIED, State.UNDOING},
    State.APPLIED: {State.UNDOING},
    State.STOPPED: set(),
    State.UNDOING: {State.UNDONE},
    State.UNDONE: set(),
}
BUSY_STATES = (State.QUEUED, State.RUNNING, State.UNDOING)
STATE_COLOURS = {
    State.QUEUED: "blue",
    State.RUNNING: "blue",
    State.APPLIED: "green",
    State.STOPPED: "red",
    State.UNDOING: "blue",
}


class MisfitRule(models.TextChoices):
    """What becomes of values that do not convert."""

    STOP = "stop", "Stop: change nothing if a value does not convert"
    SET_ASIDE = "aside", "Set them aside, among the other values of the record"


class KindChangeQuerySet(models.QuerySet):
    def busy(self) -> "KindChangeQuerySet":
        """Return the changes that a job has yet to finish."""
        return self.filter(state__in=BUSY_STATES)


class KindChange(models.Model):
    """The change of the kind of a field. `before` and `after` are the columns of the definition that it changes."""

    id = models.UUIDField(primary_key=True, default=uuid7, db_default=RandomUUID(), editable=False)
    field = models.ForeignKey(CustomField, on_delete=models.CASCADE, related_name="kind_changes")
    from_kind = models.CharField(max_length=20, choices=CustomFieldKind.choices)
    to_kind = models.CharField(max_length=20, choices=CustomFieldKind.choices)
    misfit_rule = models.CharField(max_length=10, choices=MisfitRule.choices)
    # The key of the values that were set aside.
    aside_key = models.CharField(max_length=120)
    state = models.CharField(
        max_length=10, choices=KindChangeState.choices, default=State.QUEUED, db_default=State.QUEUED
    )
    before = json_field(dict)
    after = json_field(dict)
    rows_done = models.PositiveIntegerField(default=0, db_default=0)
    row_count = models.PositiveIntegerField("records with a value", null=True, blank=True)
    # Why the job stopped before its end; empty once it goes on.
    error_message = models.TextField(blank=True, default="", db_default="", editable=False)
    misfit_count = models.PositiveIntegerField("values that do not convert", default=0, db_default=0)
    created_at = models.DateTimeField(default=timezone.now, db_default=Now(), editable=False)
    created_by = models.ForeignKey("crm.User", null=True, on_delete=models.SET_NULL, related_name="+")
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = models.Manager.from_queryset(KindChangeQuerySet)()

    class Meta:
        db_table = "kind_changes"
        default_permissions = ()
        verbose_name = "change of kind"
        constraints = [
            choices_check("kind_changes", "from_kind", CustomFieldKind),
            choices_check("kind_changes", "to_kind", CustomFieldKind),
            choices_check("kind_changes", "misfit_rule", MisfitRule),
            choices_check("kind_changes", "state", KindChangeState),
            json_type_check("kind_changes", "before", "object"),
            json_type_check("kind_changes", "after", "object"),
            models.CheckConstraint(
                name="kind_changes_another_kind",
                condition=~models.Q(from_kind=models.F("to_kind")),
                violation_error_message="The field has this kind already.",
            ),
            models.UniqueConstraint(
                "field",
                condition=models.Q(state__in=BUSY_STATES),
                name="kind_changes_one_busy",
                violation_error_message="The kind of this field is being changed already.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_from_kind_display()} → {self.get_to_kind_display()}"

    @property
    def colour(self) -> str:
        return STATE_COLOURS.get(State(self.state), "grey")

    @property
    def is_busy(self) -> bool:
        return self.state in BUSY_STATES

    @property
    def percent(self) -> int | None:
        """How much of the values is done; None if their number is not known yet."""
        return min(100, 100 * self.rows_done // self.row_count) if self.row_count else None


class KindChangeValue(models.Model):
    """The value of one record before and after a change of kind; no value after it means that it was set aside.

    Undoing deletes the rows it restores. `is_kept` marks those that it left, because people have changed the value.
    """

    id = models.BigAutoField(primary_key=True)
    change = models.ForeignKey(KindChange, on_delete=models.CASCADE, related_name="values", db_index=False)
    table = models.CharField(max_length=60, choices=CustomFieldTable.choices)
    record_id = models.UUIDField()
    before: Any = models.JSONField()
    after: Any = models.JSONField(null=True)
    is_kept = models.BooleanField(default=False, db_default=False)

    class Meta:
        db_table = "kind_change_values"
        default_permissions = ()
        verbose_name = "value before a change of kind"
        constraints = [
            choices_check("kind_change_values", "table", CustomFieldTable),
            models.UniqueConstraint(
                "change",
                "record_id",
                name="kind_change_values_once",
                violation_error_message="A change of kind converts each record once.",
            ),
        ]
        indexes = [models.Index("record_id", name="kind_change_values_of_record")]

    def __str__(self) -> str:
        return f"value of {self.record_id}"
