"""Requests to change how a JSON key is stored: what is proposed, the decision, and how far it is carried out."""

from typing import Any

import pgtrigger
from django.contrib.postgres.functions import RandomUUID
from django.core.validators import ProhibitNullCharactersValidator
from django.db import models
from django.db.models.functions import MD5, Coalesce, Now
from django.utils import timezone
from uuid_utils.compat import uuid7

from crm.models.custom_field import CustomField, CustomFieldKind, CustomFieldTable
from crm.records.base import can_see_everyone, choices_check, not_blank_check

MAX_REQUEST_KEY_LENGTH = 1_000
MAX_REASON_LENGTH = 2_000


class SchemaDecision(models.TextChoices):
    STAY = "stay", "Stay in JSON"
    INDEX = "index", "Index"
    COLUMN = "column", "Column"
    TABLE = "table", "Table"


class SchemaChangeState(models.TextChoices):
    OPEN = "OPEN", "Open"
    WITHDRAWN = "WITHDRAWN", "Withdrawn"
    # Nothing to carry out: the key stays in JSON. Columns and tables decided before a job could make them, too.
    DECIDED = "DECIDED", "Decided"
    QUEUED = "QUEUED", "Queued"
    RUNNING = "RUNNING", "Running"
    PAUSED = "PAUSED", "Paused"
    FAILED = "FAILED", "Failed"
    APPLIED = "APPLIED", "Applied"
    UNDOING = "UNDOING", "Undoing"
    UNDONE = "UNDONE", "Undone"


State = SchemaChangeState
# The decisions that a job carries out.
APPLIED_BY_JOB = frozenset({SchemaDecision.INDEX, SchemaDecision.COLUMN, SchemaDecision.TABLE})
TRANSITIONS = {
    State.OPEN: {State.DECIDED, State.QUEUED, State.WITHDRAWN},
    State.WITHDRAWN: set(),
    State.DECIDED: set(),
    State.QUEUED: {State.RUNNING, State.PAUSED, State.UNDOING},
    State.RUNNING: {State.APPLIED, State.PAUSED, State.FAILED, State.UNDOING},
    State.PAUSED: {State.QUEUED, State.UNDOING},
    State.FAILED: {State.QUEUED, State.UNDOING},
    # An applied change is queued again to repair what was removed by hand.
    State.APPLIED: {State.QUEUED, State.UNDOING},
    # An undoing that failed is tried again.
    State.UNDOING: {State.UNDONE, State.UNDOING},
    State.UNDONE: set(),
}
# While a request is in one of these, another one for the same key waits.
UNFINISHED_STATES = (State.OPEN, State.QUEUED, State.RUNNING, State.PAUSED, State.FAILED, State.UNDOING)
# A job works on the change, or is about to.
BUSY_STATES = frozenset({State.QUEUED, State.RUNNING, State.UNDOING})
UNDECIDED_STATES = (State.OPEN, State.WITHDRAWN)
STATE_COLOURS = {
    State.OPEN: "amber",
    State.DECIDED: "teal",
    State.QUEUED: "blue",
    State.RUNNING: "blue",
    State.PAUSED: "amber",
    State.FAILED: "red",
    State.APPLIED: "green",
    State.UNDOING: "blue",
}


class JsonColumn(models.TextChoices):
    """The JSON columns that a request can be about."""

    CUSTOM_FIELDS = "custom_fields", "Custom fields"
    AUTO_DATA = "auto_data", "Auto data"
    HOME_DATA = "home_data", "Home data"
    LINE_DATA = "line_data", "Data of other lines"
    DATA = "data", "Policy data"


COLUMNS_BY_TABLE: dict[str, tuple[str, ...]] = {
    CustomFieldTable.LEAD: ("custom_fields", "auto_data", "home_data", "line_data"),
    CustomFieldTable.CLIENT: ("custom_fields",),
    CustomFieldTable.CONTACT: ("custom_fields",),
    CustomFieldTable.POLICY: ("custom_fields", "data"),
    CustomFieldTable.TICKET: ("custom_fields",),
}


class SchemaChangeQuerySet(models.QuerySet):
    def visible_to(self, user: Any) -> "SchemaChangeQuerySet":
        """Return the requests that `user` may see.

        A key without a definition comes from records, so its requests are for users who see the records of every
        owner, and for the requester.
        """
        if can_see_everyone(user):
            return self
        defined = CustomField.objects.filter(table=models.OuterRef("table"), key=models.OuterRef("key"))
        is_defined = models.Q(models.Exists(defined), column=JsonColumn.CUSTOM_FIELDS)
        return self.filter(is_defined | models.Q(requested_by=user.pk))

    def open(self) -> "SchemaChangeQuerySet":
        """Return the requests that wait for a decision."""
        return self.filter(state=State.OPEN)

    def applied(self) -> "SchemaChangeQuerySet":
        return self.filter(state=State.APPLIED)

    def decided(self) -> "SchemaChangeQuerySet":
        """Return the requests with a decision that is not, or not yet, in force."""
        return self.exclude(state__in=[*UNDECIDED_STATES, State.APPLIED])


def with_promotion(fields: models.QuerySet) -> models.QuerySet:
    """Return custom fields with `promotion`: the decision in force for the key, empty if there is none.

    Of a column and an index, it is the column.
    """
    applied = SchemaChange.objects.applied().filter(
        column=JsonColumn.CUSTOM_FIELDS, **{name: models.OuterRef(name) for name in ("table", "key", "kind")}
    )
    decision = models.Subquery(applied.order_by("decision").values("decision")[:1])
    return fields.annotate(promotion=Coalesce(decision, models.Value("")))


# A user account that is deleted leaves the decision as it is, so the decider may become null.
SECOND_DECISION = pgtrigger.Condition(
    "OLD.decision IS NOT NULL AND (NEW.decision, NEW.decision_reason, NEW.decided_at, NEW.kind)"
    " IS DISTINCT FROM (OLD.decision, OLD.decision_reason, OLD.decided_at, OLD.kind)"
    " OR OLD.decision IS NOT NULL AND NEW.decided_by_id <> OLD.decided_by_id"
)


class SchemaChange(models.Model):
    """A request about one JSON key, its decision with a reason, and how far a job has carried it out.

    A request is never deleted: it is withdrawn, decided or undone.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, db_default=RandomUUID(), editable=False)
    table = models.CharField(max_length=60, choices=CustomFieldTable.choices)
    column = models.CharField(
        max_length=40,
        choices=JsonColumn.choices,
        default=JsonColumn.CUSTOM_FIELDS,
        db_default=JsonColumn.CUSTOM_FIELDS,
    )
    key = models.CharField(
        max_length=MAX_REQUEST_KEY_LENGTH,
        validators=[ProhibitNullCharactersValidator()],
        help_text="The name that the values are stored under, such as account_level.",
    )
    proposed = models.CharField("proposal", max_length=10, choices=SchemaDecision.choices)
    why = models.TextField(
        max_length=MAX_REASON_LENGTH,
        validators=[ProhibitNullCharactersValidator()],
        help_text="What is slow, missing or wrong today.",
    )
    expected_use = models.TextField(
        max_length=MAX_REASON_LENGTH,
        validators=[ProhibitNullCharactersValidator()],
        help_text="How the field will be used: how many people filter, sort or report by it, and how often.",
    )
    created_at = models.DateTimeField(default=timezone.now, db_default=Now(), editable=False)
    requested_by = models.ForeignKey("crm.User", null=True, on_delete=models.SET_NULL, related_name="+", editable=False)
    state = models.CharField(
        max_length=10, choices=State.choices, default=State.OPEN, db_default=State.OPEN, editable=False
    )

    decision = models.CharField(max_length=10, choices=SchemaDecision.choices, null=True, editable=False)
    decision_reason = models.TextField(blank=True, default="", db_default="", editable=False)
    decided_by = models.ForeignKey("crm.User", null=True, on_delete=models.SET_NULL, related_name="+", editable=False)
    decided_at = models.DateTimeField(null=True, editable=False)
    # The kind of the values when it was decided, by which an index compares them; empty without an index.
    kind = models.CharField(
        max_length=20, choices=CustomFieldKind.choices, blank=True, default="", db_default="", editable=False
    )

    # What the job does now, how far it is in percent, and why it waits or has failed.
    step = models.CharField(max_length=200, blank=True, default="", db_default="", editable=False)
    progress = models.PositiveSmallIntegerField(null=True, editable=False)
    error_message = models.TextField(blank=True, default="", db_default="", editable=False)
    applied_at = models.DateTimeField(null=True, editable=False)
    rolled_back_at = models.DateTimeField(null=True, editable=False)

    objects = SchemaChangeQuerySet.as_manager()

    class Meta:
        db_table = "schema_changes"
        verbose_name = "schema request"
        base_manager_name = "objects"
        default_permissions = ("view", "add")
        permissions = [("decide_schemachange", "Can decide a schema request and carry it out")]
        triggers = [
            pgtrigger.Protect(
                name="request_is_fixed",
                operation=pgtrigger.Update,
                condition=pgtrigger.AnyChange("table", "column", "key", "proposed", "why", "expected_use"),
            ),
            pgtrigger.Protect(name="decided_once", operation=pgtrigger.Update, condition=SECOND_DECISION),
        ]
        constraints = [
            choices_check("schema_changes", "table", CustomFieldTable),
            choices_check("schema_changes", "column", JsonColumn),
            choices_check("schema_changes", "proposed", SchemaDecision),
            choices_check("schema_changes", "state", State),
            choices_check("schema_changes", "decision", SchemaDecision, null=True),
            models.CheckConstraint(
                name="schema_changes_kind_valid",
                condition=models.Q(kind__in=["", *CustomFieldKind.values]),
                violation_error_message="The kind must be one of a custom field.",
            ),
            *(not_blank_check("schema_changes", name) for name in ("key", "why", "expected_use")),
            models.CheckConstraint(
                name="schema_changes_column_of_table",
                condition=models.Q(
                    *(models.Q(table=table.value, column__in=columns) for table, columns in COLUMNS_BY_TABLE.items()),
                    _connector=models.Q.OR,
                ),
                violation_error_message="This table does not have that JSON column.",
            ),
            models.CheckConstraint(
                name="schema_changes_decision_has_reason",
                condition=models.Q(decision__isnull=True, decided_at__isnull=True, decision_reason="")
                | models.Q(decision__isnull=False, decided_at__isnull=False) & ~models.Q(decision_reason=""),
                violation_error_message="A decision needs a reason and a date.",
            ),
            models.CheckConstraint(
                name="schema_changes_state_fits_decision",
                condition=models.Q(state__in=UNDECIDED_STATES, decision__isnull=True)
                | models.Q(decision__isnull=False, state=State.DECIDED, kind="")
                & ~models.Q(decision=SchemaDecision.INDEX)
                | models.Q(decision__isnull=False)
                & ~models.Q(decision=SchemaDecision.STAY)
                & ~models.Q(state__in=[*UNDECIDED_STATES, State.DECIDED]),
                violation_error_message="This state does not fit the decision.",
            ),
            models.CheckConstraint(
                name="schema_changes_kind_fits_decision",
                condition=~models.Q(decision__in=[SchemaDecision.INDEX, SchemaDecision.COLUMN])
                | models.Q(state=State.DECIDED)
                | ~models.Q(kind=""),
                violation_error_message="An index or a column needs the kind of its values.",
            ),
            models.CheckConstraint(
                name="schema_changes_outcome_is_dated",
                condition=(~models.Q(state=State.APPLIED) | models.Q(applied_at__isnull=False))
                & (~models.Q(state=State.UNDONE) | models.Q(rolled_back_at__isnull=False)),
                violation_error_message="An applied or undone change needs its date.",
            ),
            models.UniqueConstraint(
                "table",
                "column",
                MD5("key"),
                condition=models.Q(state__in=UNFINISHED_STATES),
                name="schema_changes_one_unfinished",
                violation_error_message="There is an unfinished request for this key already.",
            ),
            models.UniqueConstraint(
                "table",
                "column",
                MD5("key"),
                "decision",
                condition=models.Q(state=State.APPLIED),
                name="schema_changes_applied_once",
                violation_error_message="This change is applied already.",
            ),
        ]
        indexes = [
            models.Index("requested_by", name="schema_changes_requested_by"),
            models.Index("decided_by", name="schema_changes_decided_by"),
        ]

    def __str__(self) -> str:
        return f"{self.get_table_display()}: {self.key[:60]}"

    @property
    def colour(self) -> str:
        return STATE_COLOURS.get(State(self.state), "grey")

    @property
    def is_busy(self) -> bool:
        return self.state in BUSY_STATES

    @property
    def is_carried_out_by_job(self) -> bool:
        return self.decision in APPLIED_BY_JOB and self.state != State.DECIDED

    def defined_field(self) -> CustomField | None:
        """Return the definition of the key, if it has one."""
        if self.column != JsonColumn.CUSTOM_FIELDS:
            return None
        return CustomField.objects.filter(table=self.table, key=self.key).first()
