"""Base models of records: time-ordered keys, dates, soft deletion, and helpers for constraints."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any, ClassVar

import pghistory
import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.functions import RandomUUID
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.core.exceptions import ValidationError
from django.db import models, router
from django.db.models.functions import Coalesce, Concat, Lower, Now
from django.db.models.lookups import Exact, IsNull
from django.utils import timezone
from uuid_utils.compat import uuid7

from crm.records.constraint_statements import is_covered, may_violate_a_constraint

LIVE = models.Q(deleted_at__isnull=True)
# What is not an object in a JSON list. Strict, because a lax path unwraps a list within the list.
NON_OBJECT_PATH = 'strict $[*] ? (@.type() <> "object")'


class RecordQuerySet(models.QuerySet):
    """The QuerySet of all records."""

    # The path to the owner: rows of other owners are hidden. Empty where another rule applies, or everyone sees all.
    owner_path: ClassVar[str] = ""

    def live(self) -> "RecordQuerySet":
        return self.filter(deleted_at__isnull=True)

    def deleted(self) -> "RecordQuerySet":
        return self.filter(deleted_at__isnull=False)

    def visible_to(self, user: Any) -> "RecordQuerySet":
        """Return the rows that `user` may see; tables with another rule than an owner override this."""
        if not self.owner_path or can_see_everyone(user):
            return self
        return self.filter(owned_by_or_unassigned(user, self.owner_path))

    def identified_by(self, text: str) -> "RecordQuerySet":
        """Return the rows that `text` names by an address or a number of their own, looked up by an index.

        None where the table has no such column.
        """
        return self.none()

    def update(self, **kwargs: Any) -> int:
        """Update like Django, and set `updated_at`."""
        kwargs.setdefault("updated_at", Now())
        return super().update(**kwargs)


class LiveManager(models.Manager.from_queryset(RecordQuerySet)):
    """A manager of rows that are not soft-deleted."""

    def get_queryset(self) -> RecordQuerySet:
        return super().get_queryset().filter(deleted_at__isnull=True)


class Record(models.Model):
    """The base of all records. `objects` returns live rows, `everything` includes deleted ones."""

    id = models.UUIDField(primary_key=True, default=uuid7, db_default=RandomUUID(), editable=False)
    created_at = models.DateTimeField(default=timezone.now, db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True, db_default=Now(), editable=False)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = LiveManager()
    everything = models.Manager.from_queryset(RecordQuerySet)()

    class Meta:
        abstract = True
        base_manager_name = "everything"

    def update_last_activity(self, at: datetime) -> None:
        """Update the last activity; called when an entry dated `at` is added to the timeline."""

    @property
    def is_deleted(self) -> bool:
        return self.deleted_at is not None

    def is_visible_to(self, user: Any) -> bool:
        """Whether `visible_to(user)` has this row; without a statement where its own column names the owner."""
        rows = type(self).everything.all()
        if can_see_everyone(user):
            return True
        if rows.owner_path and "__" not in rows.owner_path:
            return getattr(self, f"{rows.owner_path}_id") in {None, user.pk}
        return rows.visible_to(user).filter(pk=self.pk).exists()

    def name_for(self, user: Any) -> str:
        """Return the name of this record, which a user who may not open it does not read."""
        return str(self) if self.is_visible_to(user) else self.hidden_name

    @property
    def hidden_name(self) -> str:
        """What a user reads who may not open this record."""
        return f"Another owner’s {self._meta.verbose_name}"

    def _get_unique_checks(self, *args: Any, **kwargs: Any) -> tuple[list[Any], list[Any]]:
        """As Django's, without columns whose value is drawn for this row alone: no other row has it.

        To look for a number that the database draws, Django would draw one for each row of the table.
        """
        checks, date_checks = super()._get_unique_checks(*args, **kwargs)
        return [(model, names) for model, names in checks if not any(map(self._is_drawn, names))], date_checks

    def _is_drawn(self, name: str) -> bool:
        """Return whether the database, or the default of the primary key, draws the value of the field `name`."""
        field = self._meta.get_field(name)
        is_from_database = hasattr(getattr(self, field.attname), "resolve_expression")
        return is_from_database or (field.primary_key and field.has_default())

    def validate_constraints(self, exclude: Collection[str] | None = None) -> None:
        """As Django's, which sends three statements for each constraint: while all hold, three answer for all."""
        using = router.db_for_write(type(self), instance=self)
        needs_each = may_violate_a_constraint(self, exclude or (), using)
        errors: dict[str, list[ValidationError]] = {}
        for constraint in self._meta.constraints:
            if is_covered(constraint) and not needs_each:
                continue
            try:
                constraint.validate(type(self), self, exclude=exclude, using=using)
            except ValidationError as error:
                if getattr(error, "code", None) == "unique" and len(constraint.fields) == 1:
                    errors.setdefault(constraint.fields[0], []).append(error)
                else:
                    errors = error.update_error_dict(errors)
        if errors:
            raise ValidationError(errors)


def merged_into_field() -> models.ForeignKey:
    """Return the column of a merged record that names the record it was merged into."""
    return models.ForeignKey(
        "self",
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="merged_records",
        db_index=False,
    )


def merged_into_index(table: str) -> models.Index:
    condition = models.Q(merged_into__isnull=False)
    return models.Index("merged_into", condition=condition, name=f"{table}_merged_into")


def merged_is_deleted_check(table: str) -> models.CheckConstraint:
    """Return a check that a merged record is deleted, and merged into another record."""
    is_other = ~models.Q(merged_into=models.F("id"))
    return models.CheckConstraint(
        name=f"{table}_merged_is_deleted",
        condition=models.Q(merged_into__isnull=True) | models.Q(deleted_at__isnull=False) & is_other,
        violation_error_message="This record was merged into another one. Undo the merge to restore it.",
    )


def json_field(empty: type[dict] | type[list], **kwargs: Any) -> models.JSONField:
    """Return a JSONB column that is never null and defaults to `{}` or `[]`, for raw SQL as well."""
    return models.JSONField(default=empty, blank=True, db_default=models.Value(empty(), models.JSONField()), **kwargs)


def tags_field() -> ArrayField:
    return ArrayField(
        models.CharField(max_length=60),
        default=list,
        blank=True,
        db_default=models.Value([], ArrayField(models.CharField(max_length=60))),
    )


def lower_tags(field: str) -> models.Func:
    """Return the tags in lower case, by a function of the database: tags that differ only in case are equal."""
    return models.Func(models.F(field), function="lower_tags", output_field=ArrayField(models.TextField()))


def tags_index(table: str) -> GinIndex:
    return GinIndex(lower_tags("tags"), condition=LIVE, name=f"{table}_tags")


def owned_tags_indexes(table: str) -> tuple[GinIndex, GinIndex]:
    """Return the indexes of tags of a table with owners: an agent's rows with a tag are found without other rows.

    The first serves searches without an owner, too. It does not find rows without one, which the second has.
    """
    tags, unassigned = lower_tags("tags"), models.Q(assigned_to__isnull=True)
    return (
        GinIndex(models.F("assigned_to"), tags, condition=LIVE, name=f"{table}_tags_of_owner"),
        GinIndex(tags, condition=LIVE & unassigned, name=f"{table}_tags_unassigned"),
    )


def distinct_tags_check(table: str) -> models.CheckConstraint:
    """Return a check that no two tags differ only by case."""
    are_distinct = models.Func(models.F("tags"), function="tags_are_distinct", output_field=models.BooleanField())
    return models.CheckConstraint(
        name=f"{table}_tags_distinct",
        condition=models.Q(Exact(are_distinct, models.Value(True))),
        violation_error_message="Two tags must not differ only by case.",
    )


def search_field(*parts: Any) -> models.GeneratedField:
    """Return a generated column of the lower-cased `parts`, so that one trigram index searches them all."""
    expressions: list[Any] = []
    for part in parts:
        expressions += [Coalesce(part, models.Value(""), output_field=models.TextField()), models.Value(" ")]
    return models.GeneratedField(
        expression=Lower(Concat(*expressions, output_field=models.TextField())),
        output_field=models.TextField(),
        db_persist=True,
    )


def search_index(table: str) -> GinIndex:
    return GinIndex(OpClass("search_text", name="gin_trgm_ops"), condition=LIVE, name=f"{table}_search")


def custom_fields_index(table: str) -> GinIndex:
    """Return the index that serves the filters by a value of any custom field."""
    return GinIndex(OpClass("custom_fields", name="jsonb_path_ops"), condition=LIVE, name=f"{table}_custom_fields")


def owned_by_or_unassigned(user: Any, field: str = "assigned_to") -> models.Q:
    """Return the condition for rows owned by `user` or unassigned."""
    return models.Q(**{field: user}) | models.Q(**{f"{field}__isnull": True})


def can_see_everyone(user: Any) -> bool:
    return user.has_perm("crm.see_everyone")


def choices_check(
    table: str, field: str, choices: type[models.TextChoices], *, null: bool = False
) -> models.CheckConstraint:
    """Return a check that `field` is one of `choices`, or null if allowed."""
    condition = models.Q(**{f"{field}__in": choices.values})
    if null:
        condition |= models.Q(**{f"{field}__isnull": True})
    return models.CheckConstraint(
        name=f"{table}_{field}_valid",
        condition=condition,
        violation_error_message=f"The {field.replace('_', ' ')} must be one of: {', '.join(choices.values)}.",
    )


def range_check(table: str, field: str, low: Any, high: Any, *, null: bool = True) -> models.CheckConstraint:
    """Return a check that `field` lies between `low` and `high`, or is null if allowed."""
    condition = models.Q(**{f"{field}__gte": low, f"{field}__lte": high})
    if null:
        condition |= models.Q(**{f"{field}__isnull": True})
    return models.CheckConstraint(
        name=f"{table}_{field}_range",
        condition=condition,
        violation_error_message=f"The {field.replace('_', ' ')} must lie between {low} and {high}.",
    )


def json_type_check(table: str, field: str, kind: str, *, or_null: bool = False) -> models.CheckConstraint:
    """Return a check that JSON `field` is of `kind` ("object" or "array"), or also null."""
    json_type = models.Func(models.F(field), function="jsonb_typeof", output_field=models.TextField())
    condition = models.Q(Exact(json_type, models.Value(kind)))
    if or_null:
        # Before a row is saved, Django checks an empty column as JSON's null.
        condition |= models.Q(Exact(json_type, models.Value("null")))
    return models.CheckConstraint(
        name=f"{table}_{field}_{kind}",
        condition=condition,
        violation_error_message=f"The {field.replace('_', ' ')} must be a JSON {kind}.",
    )


def no_empty_tag_check(table: str) -> models.CheckConstraint:
    """Return a check that no element of `tags` is empty or null."""
    null_position = models.Func(
        models.F("tags"),
        models.Value(None, models.CharField()),
        function="array_position",
        output_field=models.IntegerField(),
    )
    return models.CheckConstraint(
        name=f"{table}_tags_not_empty",
        condition=~models.Q(tags__contains=[""]) & models.Q(IsNull(null_position, True)),
        violation_error_message="A tag must not be empty.",
    )


def not_blank_check(table: str, field: str) -> models.CheckConstraint:
    return models.CheckConstraint(
        name=f"{table}_{field}_not_blank",
        condition=~models.Q(**{field: ""}),
        violation_error_message=f"The {field.replace('_', ' ')} must not be empty.",
    )


def jsonpath_exists(field: str, path: str) -> models.Func:
    """Return whether JSON `field` has something that `path` finds, for checks of its shape."""
    quoted = path.replace("'", "''")
    return models.Func(
        models.F(field),
        template=f"jsonb_path_exists(%(expressions)s, '{quoted}'::jsonpath)",
        output_field=models.BooleanField(),
    )


def empty_for_null(**empty_values: str) -> pgtrigger.Trigger:
    """Return a trigger that stores the empty value of a column (in SQL) where an INSERT gives NULL.

    For tables that other programs fill with plain SQL, in which NULL is the usual word for "nothing".
    """
    columns = [f"NEW.{name} := coalesce(NEW.{name}, {value});" for name, value in empty_values.items()]
    return pgtrigger.Trigger(
        name="empty_for_null",
        operation=pgtrigger.Insert,
        when=pgtrigger.Before,
        condition=pgtrigger.Condition(" OR ".join(f"NEW.{name} IS NULL" for name in empty_values)),
        func=" ".join([*columns, "RETURN NEW;"]),
    )


def truncate_protection() -> pgtrigger.Trigger:
    """Return a trigger that refuses TRUNCATE on append-only tables; row triggers do not fire on it."""
    return pgtrigger.Trigger(
        name="no_truncate",
        level=pgtrigger.Statement,
        operation=pgtrigger.Truncate,
        when=pgtrigger.Before,
        func="RAISE EXCEPTION 'pgtrigger: Cannot truncate table %', TG_TABLE_NAME;",
    )


def with_row_audit(*, exclude: Iterable[str] = ()) -> Any:
    """Add a row audit by database triggers: each change or purge stores the old row, the user and the source.

    `exclude` names bulk-computed columns. A change of these columns alone is not audited.
    """
    excluded_fields = ["updated_at", *exclude]

    def decorate(model: type[models.Model]) -> type[models.Model]:
        return pghistory.track(
            pghistory.UpdateEvent(
                row=pghistory.Old, condition=pgtrigger.AnyChange(exclude=excluded_fields, exclude_auto=True)
            ),
            pghistory.DeleteEvent(),
            exclude=[name for name in excluded_fields if name != "updated_at"],
            obj_field=pghistory.ObjForeignKey(related_name="events", db_constraint=False),
            meta={"db_table": f"{model._meta.db_table}_history", "indexes": []},
        )(model)

    return decorate
