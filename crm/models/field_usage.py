"""What is known of each key of a JSON column: how it is used, what it holds, and which indexes are read."""

from collections.abc import Iterable
from hashlib import md5
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models.functions import MD5, Now
from django.db.models.lookups import Exact
from django.utils import timezone
from uuid_utils.compat import uuid7

from crm.models.custom_field import CustomField
from crm.records.base import (
    LiveManager,
    Record,
    RecordQuerySet,
    can_see_everyone,
    choices_check,
    json_field,
    json_type_check,
    not_blank_check,
)
from crm.records.json_keys import path_steps


class ScannedTable(models.TextChoices):
    """The tables with JSON columns where keys are counted and scanned, by model label."""

    LEAD = "leads.lead", "Leads"
    CLIENT = "crm.client", "Clients"
    CONTACT = "crm.contact", "Contacts"
    POLICY = "leads.policy", "Policies"
    TICKET = "support.supportticket", "Tickets"
    THREAD = "inbox.thread", "Threads"
    MESSAGE = "inbox.message", "Messages"


class FieldUse(models.TextChoices):
    """The ways to use a key; each is a column of `field_usages`."""

    FILTERED = "filtered", "Filtered"
    SORTED = "sorted", "Sorted"
    SHOWN = "shown", "Shown"
    EDITED = "edited", "Edited"
    EXPORTED = "exported", "Exported"


class ValueKind(models.TextChoices):
    """The kinds of stored values, told apart as the filters of custom fields do."""

    TEXT = "text", "Text"
    NUMERIC_TEXT = "numeric_text", "Text that reads as a number"
    DATE = "date", "Date or time"
    NUMBER = "number", "Number"
    HUGE_NUMBER = "huge_number", "Number too large for most programs"
    YES_NO = "yes_no", "Yes or no"
    LIST = "list", "List"
    ROWS = "rows", "List of records"
    OBJECT = "object", "Group"
    EMPTY = "empty", "Empty"


class FieldUsageQuerySet(models.QuerySet):
    def of_keys(self, tables: Iterable[str], keys: Iterable[str]) -> "FieldUsageQuerySet":
        """Return the uses of `keys` in `tables`. The index has digests of the keys."""
        digests = {md5(key.encode(), usedforsecurity=False).hexdigest() for key in keys}
        return self.alias(digest=MD5("key")).filter(table__in=set(tables), digest__in=digests)

    def of_outer_key(self) -> "FieldUsageQuerySet":
        """Return the uses of the key that the row of the outer query names, for a subquery."""
        same_key = Exact(MD5("key"), MD5(models.OuterRef("key")))
        return self.filter(same_key, table=models.OuterRef("table"), column=models.OuterRef("column")).order_by()


class FieldUsage(models.Model):
    """How often a key was used on one day, and by which users."""

    id = models.UUIDField(primary_key=True, default=uuid7, db_default=RandomUUID(), editable=False)
    table = models.CharField(max_length=60, choices=ScannedTable.choices)
    column = models.CharField(max_length=63)
    # The path of the key, as `crm.records.json_keys` writes it.
    key = models.TextField()
    day = models.DateField()
    filtered = models.PositiveIntegerField(default=0, db_default=0)
    sorted = models.PositiveIntegerField(default=0, db_default=0)
    shown = models.PositiveIntegerField(default=0, db_default=0)
    edited = models.PositiveIntegerField(default=0, db_default=0)
    exported = models.PositiveIntegerField(default=0, db_default=0)
    # The keys of the users. The screens show only how many they are.
    people = ArrayField(
        models.UUIDField(),
        default=list,
        db_default=models.Value([], ArrayField(models.UUIDField())),
    )

    objects = models.Manager.from_queryset(FieldUsageQuerySet)()

    class Meta:
        db_table = "field_usages"
        default_permissions = ()
        verbose_name = "use of a field"
        constraints = [
            choices_check("field_usages", "table", ScannedTable),
            # A digest, because a key may be longer than an entry of an index.
            models.UniqueConstraint(
                "table",
                "column",
                MD5("key"),
                "day",
                name="field_usages_once",
                violation_error_message="The uses of a key on one day stand in one row.",
            ),
        ]
        indexes = [models.Index("day", name="field_usages_day")]

    def __str__(self) -> str:
        return f"uses of {self.key} on {self.day}"


class FieldStatisticQuerySet(RecordQuerySet):
    def visible_to(self, user: Any) -> "FieldStatisticQuerySet":
        """Return all to users who see the records of every owner: the names of the keys come from those records."""
        return self if can_see_everyone(user) else self.none()


class FieldStatistic(Record):
    """What the last scan found in a key. Counts of a sample are projected onto the whole table."""

    table = models.CharField(max_length=60, choices=ScannedTable.choices)
    column = models.CharField(max_length=63)
    key = models.TextField()
    row_count = models.BigIntegerField("live records of the table")
    filled_count = models.BigIntegerField("records with a value")
    # The true count lies within this distance with a probability of 95 %; 0 if every record was read.
    margin = models.BigIntegerField(default=0, db_default=0)
    # How many of the records have a value of each kind.
    kinds = json_field(dict)
    distinct_count = models.BigIntegerField("distinct values", default=0, db_default=0)
    longest = models.IntegerField("characters of the longest text", default=0, db_default=0)
    # When the newest record with a value was created.
    newest_record_at = models.DateTimeField(null=True, blank=True)
    # How many records were read; null if every record was.
    sample_size = models.IntegerField(null=True, blank=True)
    has_conflict = models.BooleanField(default=False, db_default=False)
    near_keys = ArrayField(
        models.TextField(), default=list, db_default=models.Value([], ArrayField(models.TextField()))
    )
    scanned_at = models.DateTimeField(default=timezone.now, db_default=Now())
    # What a trial of the advised index cost and gained (`crm.schema.advice.trials`), and when.
    trial = json_field(dict)
    tried_at = models.DateTimeField(null=True, blank=True)

    objects = LiveManager.from_queryset(FieldStatisticQuerySet)()
    everything = models.Manager.from_queryset(FieldStatisticQuerySet)()

    class Meta(Record.Meta):
        db_table = "field_statistics"
        default_permissions = ("view",)
        permissions = [("measure_fieldstatistic", "Can scan JSON columns and measure a trial index")]
        verbose_name = "field in use"
        verbose_name_plural = "fields in use"
        constraints = [
            choices_check("field_statistics", "table", ScannedTable),
            json_type_check("field_statistics", "kinds", "object"),
            json_type_check("field_statistics", "trial", "object"),
            models.CheckConstraint(
                name="field_statistics_filled_range",
                condition=models.Q(filled_count__gte=0, filled_count__lte=models.F("row_count")),
                violation_error_message="The records with a value must be between none and all of the table.",
            ),
            models.UniqueConstraint(
                "table",
                "column",
                MD5("key"),
                name="field_statistics_once",
                violation_error_message="This key has statistics already.",
            ),
        ]

    def __str__(self) -> str:
        return self.key

    def defined_field(self) -> CustomField | None:
        """Return the custom field that the key is defined as, if it is."""
        steps = path_steps(self.key)
        if self.column != "custom_fields" or len(steps) != 1:
            return None
        return CustomField.objects.filter(table=self.table, key=steps[0]).first()


class IndexUsage(models.Model):
    """When an index was last seen in use, from the server's counter of its scans."""

    name = models.CharField(max_length=63, primary_key=True)
    table = models.CharField(max_length=63)
    scan_count = models.BigIntegerField()
    size = models.BigIntegerField("bytes")
    # Since when its scans are watched, and when their number last changed.
    watched_since = models.DateTimeField(default=timezone.now, db_default=Now())
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "index_usages"
        default_permissions = ()
        verbose_name = "use of an index"
        constraints = [not_blank_check("index_usages", "table")]

    def __str__(self) -> str:
        return self.name
