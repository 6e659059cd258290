"""Saved views of lists."""

from typing import Any

from django.db import models

from crm.records.base import LIVE, LiveManager, Record, RecordQuerySet, not_blank_check


class SavedViewQuerySet(RecordQuerySet):
    def visible_to(self, user: Any) -> "SavedViewQuerySet":
        return self.filter(models.Q(owner=user) | models.Q(shared=True))


class SavedView(Record):
    """A named query string for the list of `table` (a model label such as `leads.lead`)."""

    name = models.CharField(max_length=80)
    table = models.CharField(max_length=60)
    owner = models.ForeignKey("crm.User", on_delete=models.CASCADE, related_name="saved_views")
    shared = models.BooleanField(default=False, db_default=False)
    query = models.TextField(blank=True, default="", db_default="")

    objects = LiveManager.from_queryset(SavedViewQuerySet)()
    everything = models.Manager.from_queryset(SavedViewQuerySet)()

    class Meta(Record.Meta):
        db_table = "saved_views"
        permissions = [("share_savedview", "Can share a saved view with everyone")]
        constraints = [
            not_blank_check("saved_views", "name"),
            models.UniqueConstraint(
                "owner",
                "table",
                "name",
                condition=LIVE,
                name="saved_views_name_once",
                violation_error_message="You already have a view with this name.",
            ),
        ]

    def __str__(self) -> str:
        return self.name
