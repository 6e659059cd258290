"""What users keep of their lists: saved views, and the columns that they chose."""

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from uuid_utils.compat import uuid7

from crm.records.base import LIVE, LiveManager, Record, RecordQuerySet, not_blank_check

MAX_LIST_COLUMNS = 30
MAX_COLUMN_NAME_LENGTH = 300


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


class ListColumnsQuerySet(models.QuerySet):
    def visible_to(self, user: Any) -> "ListColumnsQuerySet":
        """Return the user's own choices: those of others concern no one else."""
        return self.filter(user=user)


class ListColumns(models.Model):
    """The columns that `user` chose for the list of `table` (a model label such as `leads.lead`), in their order."""

    id = models.UUIDField(primary_key=True, default=uuid7, db_default=RandomUUID(), editable=False)
    user = models.ForeignKey("crm.User", on_delete=models.CASCADE, related_name="list_columns")
    table = models.CharField(max_length=60)
    names = ArrayField(models.CharField(max_length=MAX_COLUMN_NAME_LENGTH))

    objects = ListColumnsQuerySet.as_manager()

    class Meta:
        db_table = "list_columns"
        verbose_name = verbose_name_plural = "columns of a list"
        default_permissions = ()
        constraints = [
            not_blank_check("list_columns", "table"),
            models.UniqueConstraint(
                "user",
                "table",
                name="list_columns_once",
                violation_error_message="This user has chosen the columns of this list already.",
            ),
            models.CheckConstraint(
                name="list_columns_number",
                condition=models.Q(names__len__range=(1, MAX_LIST_COLUMNS)),
                violation_error_message=f"A list shows 1 to {MAX_LIST_COLUMNS} columns.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.table}: {', '.join(self.names)}"
