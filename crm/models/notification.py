"""What members of staff are told: notifications, how each wants to learn of them, and reports by email."""

from typing import Any

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone
from uuid_utils.compat import uuid7

from crm.records.base import choices_check, range_check

DEFAULT_DIGEST_HOUR = 7


class NotificationKind(models.TextChoices):
    ASSIGNED = "assigned", "Assigned to you"
    MENTIONED = "mentioned", "Mentioned"
    ANSWERED = "answered", "New messages"
    DUE = "due", "Due"
    FAILED = "failed", "Failed"
    ESCALATED = "escalated", "Escalated"


IS_UNREAD = models.Q(read_at__isnull=True)
# What the digest has not told yet. What was read on the page needs no email.
IS_TO_EMAIL = models.Q(by_email=True, emailed_count__lt=models.F("count")) & IS_UNREAD


class NotificationQuerySet(models.QuerySet):
    def shown_to(self, user: Any) -> "NotificationQuerySet":
        """Return the notifications on the page of `user`, the latest first."""
        return self.filter(reader=user, in_page=True).order_by("-changed_at", "-id")

    def unread(self) -> "NotificationQuerySet":
        return self.filter(IS_UNREAD)

    def to_email(self) -> "NotificationQuerySet":
        """Return what the next email of its reader tells."""
        return self.filter(IS_TO_EMAIL)


class Notification(models.Model):
    """Something that happened to a record, for one reader. It holds no text: names are read when it is shown.

    While it is unread, what happens again to the same record adds to its `count`.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, db_default=RandomUUID(), editable=False)
    reader = models.ForeignKey("crm.User", on_delete=models.CASCADE, related_name="notifications", db_index=False)
    kind = models.CharField(max_length=10, choices=NotificationKind)
    target_type = models.CharField(max_length=60)
    target_id = models.UUIDField()
    # The colleague who did it; None for the program and for people outside.
    actor = models.ForeignKey("crm.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    count = models.PositiveIntegerField(default=1, db_default=1)
    in_page = models.BooleanField(default=True, db_default=True)
    by_email = models.BooleanField(default=False, db_default=False)
    # How much of `count` an email has told.
    emailed_count = models.PositiveIntegerField(default=0, db_default=0)
    # When the task or ticket is due; the same due time is told once.
    due_at = models.DateTimeField(null=True, blank=True)
    changed_at = models.DateTimeField(default=timezone.now, db_default=Now())
    read_at = models.DateTimeField(null=True, blank=True)

    objects = models.Manager.from_queryset(NotificationQuerySet)()

    class Meta:
        db_table = "notifications"
        default_permissions = ()
        constraints = [
            choices_check("notifications", "kind", NotificationKind),
            models.CheckConstraint(
                name="notifications_count_positive",
                condition=models.Q(count__gte=1),
                violation_error_message="A notification tells of something that happened at least once.",
            ),
            models.CheckConstraint(
                name="notifications_due_has_time",
                condition=models.Q(kind=NotificationKind.DUE) ^ models.Q(due_at__isnull=True),
                violation_error_message="A notification of what is due needs the time, and no other has one.",
            ),
            models.UniqueConstraint(
                "reader",
                "kind",
                "target_type",
                "target_id",
                condition=IS_UNREAD & models.Q(due_at__isnull=True),
                name="notifications_unread_once",
                violation_error_message="There is an unread notification of this already.",
            ),
            models.UniqueConstraint(
                "reader",
                "target_type",
                "target_id",
                "due_at",
                condition=models.Q(due_at__isnull=False),
                name="notifications_due_once",
                violation_error_message="This due time has been told already.",
            ),
        ]
        indexes = [
            models.Index(
                "reader",
                models.F("changed_at").desc(),
                models.F("id").desc(),
                condition=models.Q(in_page=True),
                name="notifications_of_reader",
            ),
            models.Index(
                "reader",
                models.F("changed_at").desc(),
                models.F("id").desc(),
                include=["kind"],
                condition=models.Q(in_page=True) & IS_UNREAD,
                name="notifications_unread",
            ),
            models.Index(
                "reader",
                "kind",
                models.F("changed_at").desc(),
                models.F("id").desc(),
                condition=models.Q(in_page=True),
                name="notifications_by_kind",
            ),
            models.Index("reader", condition=IS_TO_EMAIL, name="notifications_to_email"),
            models.Index("changed_at", name="notifications_by_age"),
            models.Index("target_id", "target_type", name="notifications_of_target"),
        ]

    def __str__(self) -> str:
        return self.get_kind_display()


class NotificationSetting(models.Model):
    """How a member of staff learns of one kind of notification, where it is not the default."""

    user = models.ForeignKey("crm.User", on_delete=models.CASCADE, related_name="notification_settings", db_index=False)
    kind = models.CharField(max_length=10, choices=NotificationKind)
    in_page = models.BooleanField()
    by_email = models.BooleanField()

    class Meta:
        db_table = "notification_settings"
        default_permissions = ()
        constraints = [
            choices_check("notification_settings", "kind", NotificationKind),
            models.UniqueConstraint(
                "user",
                "kind",
                name="notification_settings_once",
                violation_error_message="This user has a setting for this kind already.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user}: {self.get_kind_display()}"


class NotificationDigest(models.Model):
    """At which hour of the agency a member of staff gets the daily email, and the last day on which it was made."""

    user = models.OneToOneField(
        "crm.User", primary_key=True, on_delete=models.CASCADE, related_name="notification_digest"
    )
    hour = models.PositiveSmallIntegerField(default=DEFAULT_DIGEST_HOUR, db_default=DEFAULT_DIGEST_HOUR)
    made_on = models.DateField(null=True, blank=True)

    class Meta:
        db_table = "notification_digests"
        default_permissions = ()
        constraints = [range_check("notification_digests", "hour", 0, 23, null=False)]

    def __str__(self) -> str:
        return f"Daily email of {self.user}"


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
