"""Stages a lead goes through. Staff add stages as rows; rules read the category."""

import pgtrigger
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

from crm.records.base import Record, choices_check, not_blank_check, truncate_protection, with_row_audit


class StageCategory(models.TextChoices):
    """What a stage means to the rules."""

    OPEN = "open"
    PAUSED = "paused"
    WON = "won"
    LOST = "lost"
    UNQUALIFIED = "unqualified"


OPEN_CATEGORIES = frozenset({StageCategory.OPEN, StageCategory.PAUSED})


class Colour(models.TextChoices):
    """Badge colours; each is readable on light and dark."""

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
    """A stage."""

    code = models.CharField(
        primary_key=True,
        max_length=40,
        help_text="Capitals and underscores; never changes once leads use it.",
    )
    label = models.CharField(max_length=60)
    category = models.CharField(max_length=12, choices=StageCategory)
    position = models.PositiveSmallIntegerField(unique=True, help_text="Order on the board and in lists.")
    colour = models.CharField(max_length=10, choices=Colour, default=Colour.GREY, db_default=Colour.GREY)
    stale_after_days = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="Silence beyond this many days is pointed out; empty: never."
    )
    guidance = models.TextField(
        blank=True, default="", db_default="", help_text="What to do in this stage; shown on the lead."
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
                        RAISE EXCEPTION 'Leads stand in this stage: its category cannot change.'
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
                violation_error_message="A stage's code is capitals, digits and underscores.",
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
                {"category": "Leads stand in this stage: its category cannot change. Make a new stage and move them."}
            )

    @property
    def is_open(self) -> bool:
        """Whether a lead in this stage can still be won."""
        return self.category in OPEN_CATEGORIES


class LeadStageHistory(Record):
    """One move of a lead from stage to stage; the first has no `from_status`. Goes only with its lead."""

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
                condition=pgtrigger.AnyChange(exclude=["by", "updated_at"]),  # who did it may be purged
            ),
            truncate_protection(),
        ]
        # Named here, because the automatic index of a text key is made twice.
        indexes = [
            models.Index("lead", models.F("at").desc(), name="lead_stage_history_by_lead"),
            models.Index(fields=["from_status"], name="lead_stage_history_from"),
            models.Index(fields=["to_status"], name="lead_stage_history_to"),
        ]

    def __str__(self) -> str:
        return f"{self.from_status_id or 'new'} → {self.to_status_id}"
