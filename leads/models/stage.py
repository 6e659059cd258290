"""The stages of a lead. Staff add stages as rows; rules depend only on the category."""

import pgtrigger
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

from crm.records.base import Record, choices_check, not_blank_check, truncate_protection, with_row_audit


class StageCategory(models.TextChoices):
    """The meaning of a stage for rules."""

    OPEN = "open"
    PAUSED = "paused"
    WON = "won"
    LOST = "lost"
    UNQUALIFIED = "unqualified"


OPEN_CATEGORIES = frozenset({StageCategory.OPEN, StageCategory.PAUSED})


class Colour(models.TextChoices):
    """The colours of badges, readable on light and dark backgrounds."""

    GREY = "grey"
    BLUE = "blue"
    TEAL = "teal"
    GREEN = "green"
    AMBER = "amber"
    RED = "red"
    PURPLE = "purple"


class LeadStatusManager(models.Manager):
    def get_by_natural_key(self, code: str) -> "LeadStatus":
        return self.get(code=code)


@with_row_audit()
class LeadStatus(models.Model):
    """A stage of a lead."""

    code = models.CharField(
        primary_key=True,
        max_length=40,
        help_text="Capital letters, digits and underscores. It cannot be changed later.",
    )
    label = models.CharField(max_length=60)
    category = models.CharField(max_length=12, choices=StageCategory)
    position = models.PositiveSmallIntegerField(unique=True, help_text="Order on the board and in lists.")
    colour = models.CharField(max_length=10, choices=Colour, default=Colour.GREY, db_default=Colour.GREY)
    stale_after_days = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        help_text="Highlight leads after this many days without contact. Leave blank to never do so.",
    )
    guidance = models.TextField(
        blank=True, default="", db_default="", help_text="What to do in this stage. Shown on the lead."
    )
    created_at = models.DateTimeField(default=timezone.now, db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True, db_default=Now(), editable=False)

    objects = LeadStatusManager()

    class Meta:
        db_table = "lead_statuses"
        verbose_name = "stage"
        ordering = ["position"]
        triggers = [
            pgtrigger.Trigger(
                name="category_is_kept",
                operation=pgtrigger.UpdateOf("category"),
                when=pgtrigger.Before,
                condition=pgtrigger.AnyChange("category"),
                func="""
                    IF EXISTS (SELECT FROM leads WHERE status_id = OLD.code) THEN
                        RAISE EXCEPTION 'There are leads in this stage, so its category cannot change.'
                            USING ERRCODE = 'check_violation';
                    END IF;
                    RETURN NEW;
                """,
            )
        ]
        constraints = [
            choices_check("lead_statuses", "category", StageCategory),
            choices_check("lead_statuses", "colour", Colour),
            not_blank_check("lead_statuses", "label"),
            models.CheckConstraint(
                name="lead_statuses_code_form",
                condition=models.Q(code__regex=r"^[A-Z][A-Z0-9_]*$"),
                violation_error_message="A stage code may only have capital letters, digits and underscores.",
            ),
        ]

    def __str__(self) -> str:
        return self.label

    def natural_key(self) -> tuple[str]:
        return (self.code,)

    def clean(self) -> None:
        was = type(self).objects.filter(pk=self.pk).first()
        if was and was.category != self.category and was.leads.exists():
            raise ValidationError(
                {
                    "category": "There are leads in this stage, so its category cannot change. "
                    "Create a new stage and move the leads there."
                }
            )

    @property
    def is_open(self) -> bool:
        """Whether a lead in this stage can still be won."""
        return self.category in OPEN_CATEGORIES


class LeadStageHistory(Record):
    """One move of a lead between stages; the first has no `from_status`. Deleted only together with its lead."""

    lead = models.ForeignKey("leads.Lead", on_delete=models.CASCADE, related_name="stage_history", db_index=False)
    from_status = models.ForeignKey(
        LeadStatus, null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    to_status = models.ForeignKey(LeadStatus, on_delete=models.PROTECT, related_name="+", db_index=False)
    at = models.DateTimeField(default=timezone.now, db_default=Now())
    by = models.ForeignKey("crm.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta(Record.Meta):
        db_table = "lead_stage_history"
        verbose_name_plural = "stage history"
        triggers = [
            pgtrigger.Protect(
                name="append_only",
                operation=pgtrigger.Update,
                condition=pgtrigger.AnyChange(exclude=["by", "updated_at"]),  # the user may be deleted
            ),
            truncate_protection(),
        ]
        # Declared here, because Django would create two indexes for a text key.
        indexes = [
            models.Index("lead", models.F("at").desc(), name="lead_stage_history_by_lead"),
            models.Index("at", name="lead_stage_history_at"),
            models.Index(fields=["from_status"], name="lead_stage_history_from"),
            models.Index(fields=["to_status"], name="lead_stage_history_to"),
        ]

    def __str__(self) -> str:
        return f"{self.from_status_id or 'new'} → {self.to_status_id}"
