"""Rows with an owner that follows the records that they are about: conversations, suggestions, tickets, tasks.

The database keeps the owner on the row (`leads/ownership.py`), so that a list of an agent's rows needs no join.
"""

from collections.abc import Iterator
from typing import Any, ClassVar

from django.apps import apps
from django.db import models

from crm.records.base import Record, RecordQuerySet, can_see_everyone


class Restriction(models.IntegerChoices):
    """Why a row without an owner is only for users who see the records of every owner."""

    NONE = 0, "None"
    # It is about records of different owners.
    MIXED_OWNERS = 1, "About records of several owners"
    # A record that it was about was purged, and it was kept.
    PURGED = 2, "About a record that was deleted permanently"


def restriction_field() -> models.PositiveSmallIntegerField:
    return models.PositiveSmallIntegerField(
        choices=Restriction, default=Restriction.NONE, db_default=Restriction.NONE, editable=False
    )


class OwnedByRecordsQuerySet(RecordQuerySet):
    """The QuerySet of tables with an `owner` that the database maintains."""

    owner_path = "owner"
    # The columns of users who see a row.
    viewer_columns: ClassVar[tuple[str, ...]] = ("owner",)

    def visible_to(self, user: Any) -> "OwnedByRecordsQuerySet":
        """Return the rows of `user`, and those without an owner that are not restricted."""
        if can_see_everyone(user):
            return self
        is_visible = models.Q(owner__isnull=True, restriction=Restriction.NONE)
        for column in self.viewer_columns:
            is_visible |= models.Q(**{column: user})
        return self.filter(is_visible)


class AssignableQuerySet(OwnedByRecordsQuerySet):
    """The QuerySet of rows that can be assigned to another user than the owner of their record."""

    viewer_columns = ("owner", "record_owner")


class OwnedByRecords(Record):
    """The base of rows that belong to the owner of the records that they are about."""

    # The columns that refer to these records.
    owner_links: ClassVar[tuple[str, ...]] = ("lead", "client")

    owner = models.ForeignKey(
        "crm.User", null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )
    restriction = restriction_field()

    class Meta(Record.Meta):
        abstract = True

    def is_visible_to(self, user: Any) -> bool:
        """Whether `visible_to(user)` has this row; its own columns say so."""
        if can_see_everyone(user):
            return True
        columns = type(self).everything.all().viewer_columns
        is_open = self.owner_id is None and self.restriction == Restriction.NONE
        return is_open or user.pk in {getattr(self, f"{column}_id") for column in columns}


class Assignable(OwnedByRecords):
    """The base of rows that can be assigned to another user than the owner of their record. Both see them."""

    # The owner of the record, where `owner` is another user.
    record_owner = models.ForeignKey(
        "crm.User", null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="+", db_index=False
    )

    class Meta(OwnedByRecords.Meta):
        abstract = True


def record_owner_index(table: str) -> models.Index:
    """Return the index of the few rows that are assigned to another user than the owner of their record."""
    condition = models.Q(record_owner__isnull=False)
    return models.Index("record_owner", condition=condition, name=f"{table}_record_owner")


def rows_left_by(record: models.Model) -> Iterator[models.QuerySet]:
    """Yield for each table the rows about `record`, which a purge of it would keep, restricted."""
    for model in apps.get_models():
        if issubclass(model, OwnedByRecords):
            for field in owner_links(model):
                if field.related_model is type(record) and field.remote_field.on_delete is models.SET_NULL:
                    yield model.everything.filter(**{field.name: record.pk})


def without_other_records(rows: models.QuerySet, record: models.Model) -> models.QuerySet:
    """Return those of `rows` about `record` that are about no lead, client or project besides."""
    others = (field for field in owner_links(rows.model) if field.related_model is not type(record))
    return rows.filter(**{field.name: None for field in others if not issubclass(field.related_model, OwnedByRecords)})


def owner_links(model: type[OwnedByRecords]) -> list[models.ForeignKey]:
    return [model._meta.get_field(name) for name in model.owner_links]
