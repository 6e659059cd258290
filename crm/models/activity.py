"""The activity log: what was done, by which actor, on which record's timeline."""

from typing import Any

import pgtrigger
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone
from uuid_utils.compat import uuid7

from crm.records.base import can_see_everyone, choices_check, json_field, json_type_check, truncate_protection


class ActorType(models.TextChoices):
    USER = "user"
    SYSTEM = "system"
    AI = "ai", "AI"
    EXTERNAL = "external"


class ActivityLogQuerySet(models.QuerySet):
    def visible_to(self, user: Any) -> "ActivityLogQuerySet":
        """Return all entries for users who may see every owner, else the user's own."""
        return self if can_see_everyone(user) else self.filter(actor=user)

    def on_timeline_of(self, record: models.Model) -> "ActivityLogQuerySet":
        """Return the timeline of `record`, newest first."""
        return self.filter(about_type=record._meta.label_lower, about_id=record.pk).order_by("-occurred_at", "-id")

    def for_target(self, record: models.Model) -> "ActivityLogQuerySet":
        """Return the entries about `record` itself, newest first."""
        return self.filter(target_type=record._meta.label_lower, target_id=record.pk).order_by("-occurred_at", "-id")


class ActivityLog(models.Model):
    """One logged action. Append-only: only `crm.records.activity` inserts rows, and the database refuses changes."""

    id = models.UUIDField(primary_key=True, default=uuid7, db_default=RandomUUID(), editable=False)
    actor_type = models.CharField(max_length=10, choices=ActorType)
    actor = models.ForeignKey(
        "crm.User", null=True, blank=True, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    verb = models.CharField(max_length=60)
    summary = models.TextField(blank=True, default="", db_default="")
    target_type = models.CharField(max_length=60)
    target_id = models.UUIDField()
    about_type = models.CharField(max_length=60)
    about_id = models.UUIDField()
    metadata = json_field(dict)
    occurred_at = models.DateTimeField(default=timezone.now, db_default=Now())
    created_at = models.DateTimeField(default=timezone.now, db_default=Now(), editable=False)

    objects = models.Manager.from_queryset(ActivityLogQuerySet)()

    class Meta:
        db_table = "activity_logs"
        verbose_name = "activity"
        verbose_name_plural = "activity"
        default_permissions = ("view",)
        constraints = [
            choices_check("activity_logs", "actor_type", ActorType),
            json_type_check("activity_logs", "metadata", "object"),
        ]
        indexes = [
            models.Index(
                "about_type",
                "about_id",
                models.F("occurred_at").desc(),
                models.F("id").desc(),
                name="activity_logs_about",
            ),
            models.Index(
                "target_type",
                "target_id",
                models.F("occurred_at").desc(),
                models.F("id").desc(),
                name="activity_logs_target",
            ),
        ]
        triggers = [
            pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete),
            truncate_protection(),
        ]

    def __str__(self) -> str:
        return self.summary or self.verb

    @property
    def actor_name(self) -> str:
        return str(self.actor or self.metadata.get("name") or self.get_actor_type_display())
