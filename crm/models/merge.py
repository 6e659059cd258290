"""The record of each merge: which rows there were, what was chosen, what moved."""

from typing import Any

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone
from uuid_utils.compat import uuid7

from crm.records.base import json_field, json_type_check


class MergeQuerySet(models.QuerySet):
    def in_force(self) -> "MergeQuerySet":
        """Return the merges that were not undone."""
        return self.filter(undone_at__isnull=True)

    def of_loser(self, record: models.Model) -> "MergeQuerySet":
        """Return the merges by which `record` was merged into another one."""
        return self.filter(table=record._meta.label_lower, loser_id=record.pk)

    def of_winner(self, record: models.Model) -> "MergeQuerySet":
        """Return the merges of other records into `record`."""
        return self.filter(table=record._meta.label_lower, winner_id=record.pk)


class Merge(models.Model):
    """The record `loser_id` was merged into `winner_id`. The rows are kept as they were before and right after."""

    id = models.UUIDField(primary_key=True, default=uuid7, db_default=RandomUUID(), editable=False)
    table = models.CharField(max_length=60)
    winner_id = models.UUIDField()
    loser_id = models.UUIDField()
    choices = json_field(dict)
    moved = json_field(dict)
    winner_before = json_field(dict)
    winner_after = json_field(dict)
    loser_before = json_field(dict)
    loser_after = json_field(dict)
    merged_at = models.DateTimeField(default=timezone.now, db_default=Now(), editable=False)
    merged_by = models.ForeignKey("crm.User", null=True, on_delete=models.SET_NULL, related_name="+")
    undone_at = models.DateTimeField(null=True, blank=True)
    undone_by = models.ForeignKey("crm.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    objects = models.Manager.from_queryset(MergeQuerySet)()

    class Meta:
        db_table = "merges"
        default_permissions = ()
        constraints = [
            json_type_check("merges", "moved", "object"),
            models.CheckConstraint(
                name="merges_of_two_records",
                condition=~models.Q(winner_id=models.F("loser_id")),
                violation_error_message="A record cannot be merged into itself.",
            ),
            models.UniqueConstraint(
                "table",
                "loser_id",
                condition=models.Q(undone_at__isnull=True),
                name="merges_one_in_force",
                violation_error_message="This record is already merged into another one.",
            ),
        ]
        indexes = [models.Index("table", "winner_id", name="merges_of_winner")]

    def __str__(self) -> str:
        return f"{self.row_name('loser')} merged into {self.row_name('winner')}"

    def row_name(self, side: str) -> str:
        """Return the name that the winner or the loser had before the merge."""
        row: dict[str, Any] = getattr(self, f"{side}_before")
        return row.get("contact_name") or row.get("name") or "A record"
