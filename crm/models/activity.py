"""The activity log: what was done, by which actor, on which record's timeline."""

from typing import Any

import pgtrigger
from django.apps import apps
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone
from uuid_utils.compat import uuid7

from crm.records.base import (
    RecordQuerySet,
    can_see_everyone,
    choices_check,
    json_field,
    json_type_check,
    truncate_protection,
)


def tables_with_owners() -> dict[str, Any]:
    """Return the managers of the tables with records that not everyone sees, by label; deleted rows included."""
    tables = {}
    for model in apps.get_models():
        manager = model._base_manager if hasattr(model._base_manager, "visible_to") else model._default_manager
        queryset = manager.all()
        rule = getattr(type(queryset), "visible_to", RecordQuerySet.visible_to)
        if model is not ActivityLog and (rule is not RecordQuerySet.visible_to or getattr(queryset, "owner_path", "")):
            tables[model._meta.label_lower] = manager
    return tables


class ActorType(models.TextChoices):
    USER = "user"
    SYSTEM = "system"
    AI = "ai", "AI"
    EXTERNAL = "external"


class ActivityLogQuerySet(models.QuerySet):
    def visible_to(self, user: Any) -> "ActivityLogQuerySet":
        """Return all entries for users who may see every owner, else the user's own about records that they may open.

        What an entry names beside its target is checked when it is read (`crm.records.timeline.visible_entries`).
        """
        if can_see_everyone(user):
            return self
        rows, tables = self.filter(actor=user), tables_with_owners()
        for place in ("target", "about"):
            is_visible = ~models.Q(**{f"{place}_type__in": list(tables)})
            for label, records in tables.items():
                record = records.visible_to(user).filter(pk=models.OuterRef(f"{place}_id"))
                is_visible |= models.Q(models.Exists(record), **{f"{place}_type": label})
            rows = rows.filter(is_visible)
        return rows

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
