"""How far agents may go by themselves, for each user and each type of suggestion."""

from decimal import Decimal

from django.db import models

from crm.records.base import Record, RecordQuerySet, choices_check, range_check, with_row_audit
from suggestions.models.types import Level, SuggestionType

MAX_UNDO_SECONDS = 24 * 3600


@with_row_audit()
class AutonomySetting(Record):
    """What agents may do by themselves with one type of suggestion for a user; without a user, the agency's rule."""

    user = models.ForeignKey("crm.User", null=True, blank=True, on_delete=models.CASCADE, related_name="autonomy")
    type = models.CharField(max_length=16, choices=SuggestionType)
    level = models.CharField(max_length=12, choices=Level, default=Level.SUGGEST, db_default=Level.SUGGEST)
    daily_cap = models.PositiveIntegerField(
        default=20, db_default=20, help_text="How many may be executed automatically in a day."
    )
    value_ceiling = models.DecimalField(
        max_digits=12,
        decimal_places=2,
        null=True,
        blank=True,
        help_text="If the lead is worth more, a person decides.",
    )
    confidence_floor = models.DecimalField(
        max_digits=3,
        decimal_places=2,
        default=Decimal("0.80"),
        db_default=Decimal("0.80"),
        help_text="Below this confidence a person decides.",
    )
    undo_seconds = models.PositiveIntegerField(
        default=300, db_default=300, help_text="How long it can be undone before it is executed."
    )
    lowered_at = models.DateTimeField(null=True, blank=True)
    lowered_because = models.TextField(blank=True, default="", db_default="")

    objects = models.Manager.from_queryset(RecordQuerySet)()
    everything = models.Manager.from_queryset(RecordQuerySet)()

    class Meta(Record.Meta):
        db_table = "autonomy_settings"
        default_permissions = ("view", "change")
        permissions = [("change_everyones_autonomy", "Can set the autonomy of the agency and of other users")]
        constraints = [
            choices_check("autonomy_settings", "type", SuggestionType),
            choices_check("autonomy_settings", "level", Level),
            range_check("autonomy_settings", "confidence_floor", 0, 1),
            range_check("autonomy_settings", "undo_seconds", 0, MAX_UNDO_SECONDS),
            models.CheckConstraint(
                name="autonomy_settings_value_ceiling_valid",
                condition=models.Q(value_ceiling__isnull=True) | models.Q(value_ceiling__gte=0),
                violation_error_message="The value ceiling must not be negative.",
            ),
            models.UniqueConstraint(
                "user",
                "type",
                nulls_distinct=False,
                name="autonomy_settings_once",
                violation_error_message="This user has a setting for this type already.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_type_display()} for {self.user or 'all users'}: {self.get_level_display().lower()}"
