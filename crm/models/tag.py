"""The colours of tags. The tags themselves stand in the records that have them."""

from collections.abc import Iterable

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models.functions import Lower
from uuid_utils.compat import uuid7

from crm.models.badge_colour import BadgeColour
from crm.records.base import choices_check, not_blank_check
from crm.text.tags import MAX_TAG_LENGTH


class TagQuerySet(models.QuerySet):
    def with_names(self, names: Iterable[str]) -> "TagQuerySet":
        """Return the tags with these names, whatever their case, as the database compares it."""
        lowered = [Lower(models.Value(name, models.TextField())) for name in names]
        return self.alias(_lower=Lower("name", output_field=models.TextField())).filter(_lower__in=lowered)


class Tag(models.Model):
    """A tag that has a colour, whether a record has it or not. All others are grey."""

    id = models.UUIDField(primary_key=True, default=uuid7, db_default=RandomUUID(), editable=False)
    name = models.CharField(max_length=MAX_TAG_LENGTH)
    colour = models.CharField(max_length=10, choices=BadgeColour.choices)

    objects = TagQuerySet.as_manager()

    class Meta:
        db_table = "tags"
        default_permissions = ("change",)
        constraints = [
            choices_check("tags", "colour", BadgeColour),
            not_blank_check("tags", "name"),
            models.UniqueConstraint(
                Lower("name"), name="tags_name_once", violation_error_message="Two tags must not differ only by case."
            ),
        ]

    def __str__(self) -> str:
        return self.name
