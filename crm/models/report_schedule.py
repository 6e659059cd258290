"""Reports that members of staff get by email."""

from django.db import models

from crm.records.base import choices_check


class ReportFrequency(models.TextChoices):
    WEEK = "week", "Every Monday"
    MONTH = "month", "On the first of each month"


class ReportSchedule(models.Model):
    """How often a member of staff gets a report, and the last day on which that was settled."""

    user = models.ForeignKey("crm.User", on_delete=models.CASCADE, related_name="report_schedules", db_index=False)
    # The key of the report, which the code defines.
    report = models.SlugField(max_length=60, db_index=False)
    frequency = models.CharField(max_length=5, choices=ReportFrequency)
    # The day it was chosen, or last sent. Recorded before it is sent, so a crash sends no report twice.
    settled_on = models.DateField()

    class Meta:
        db_table = "report_schedules"
        default_permissions = ()
        constraints = [
            choices_check("report_schedules", "frequency", ReportFrequency),
            models.UniqueConstraint(
                "user",
                "report",
                name="report_schedules_once",
                violation_error_message="This user gets the report already.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.report} for {self.user}, {self.get_frequency_display().lower()}"
