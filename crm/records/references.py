"""Move what refers to one record to another record of the same table, and back.

The foreign keys are read from the models, so a table that is added later is not forgotten; the custom fields that
refer to a record are read from their definitions. What was moved is returned
as plain values for a JSON column; with them `restore_references` takes back exactly those rows.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, NotRequired, TypedDict
from uuid import UUID

import pghistory.models
import pgtrigger
from django.apps import apps
from django.db import connection, models, transaction

from crm.exceptions import InvalidInput
from crm.models import ActivityLog
from crm.records.custom_fields.reference_moves import MovedValues, move_values, restore_values

CUSTOM_FIELDS = "custom_fields"
# The columns of the activity log that name a record; the table of the record stands in the other column.
ACTIVITY_COLUMNS = {"target_id": "target_type", "about_id": "about_type"}
# The dates stay: a moved row is as it was. Positional parameters, because pgtrigger puts its own before them.
MOVE_SQL = """
    UPDATE "{table}" SET "{column}" = %s
     WHERE "{column}" = %s AND NOT "{key}" = ANY(%s::{key_type}[]) {condition} RETURNING "{key}"
"""
RESTORE_SQL = """
    UPDATE "{table}" SET "{column}" = %s
     WHERE "{key}" = ANY(%s::{key_type}[]) AND "{column}" = %s RETURNING "{key}"
"""
SET_FLAG_SQL = """
    UPDATE "{table}" SET "{column}" = %s
     WHERE "{key}" = ANY(%s::{key_type}[]) AND "{column}" = NOT %s RETURNING "{key}"
"""


class ForeignKeyReference(NamedTuple):
    """A column of `model` that refers to the records of a table."""

    model: type[models.Model]
    field: models.ForeignKey


class MovedRows(TypedDict):
    """The rows of one column that were moved, and those that stayed because a unique constraint has them already."""

    model: str
    column: str
    ids: list[Any]
    staying: list[Any]


class ChangedFlag(TypedDict):
    """The rows whose flag `column` was set to `value`, because only one row may have it."""

    model: str
    column: str
    ids: list[Any]
    value: bool


class MovedReferences(TypedDict):
    """What `move_references` did, in its order. Merges of an earlier version have no `custom_fields`."""

    flags: list[ChangedFlag]
    rows: list[MovedRows]
    custom_fields: NotRequired[list[MovedValues]]


def references_to(model: type[models.Model], *, excluded: Collection[str] = ()) -> list[ForeignKeyReference]:
    """Return the foreign keys of all tables that refer to `model`, except those of the tables named in `excluded`.

    Left out are the row audit, which keeps what was, and keys that allow one row only, because that row belongs to its
    record.
    """
    return [
        ForeignKeyReference(other, field)
        for other in apps.get_models(include_auto_created=True)
        if other._meta.managed and not issubclass(other, pghistory.models.Event)
        if other._meta.db_table not in excluded and other is not model
        for field in other._meta.local_concrete_fields
        if isinstance(field, models.ForeignKey) and field.related_model is model and not field.unique
    ]


@transaction.atomic
def move_references(source: models.Model, target: models.Model, *, excluded: Collection[str] = ()) -> MovedReferences:
    """Let everything that refers to `source` refer to `target`, and return what was moved.

    The caller has locked both. A row that a unique constraint refuses beside one of `target` stays with `source`; where
    only one row may have a flag, that of `target` keeps it. Two to four statements a column, however many rows.

    Raises:
        InvalidInput: `source` and `target` are the same record, or stand in different tables.
    """
    if type(source) is not type(target) or source.pk == target.pk:
        raise InvalidInput("Choose two different records of the same table.")
    moved = MovedReferences(flags=[], rows=[])
    references = references_to(type(source), excluded=excluded)
    with allow_changes([ActivityLog, *(reference.model for reference in references)]):
        for reference in references:
            staying = settle_unique_constraints(reference, source, target, moved["flags"])
            ids = execute(MOVE_SQL, reference.model, reference.field.column, [target.pk, source.pk, staying])
            if ids or staying:
                moved["rows"].append(describe_moved(reference.model, reference.field.column, ids, staying))
        for column, type_column in ACTIVITY_COLUMNS.items():
            condition = f"AND {type_column} = '{source._meta.label_lower}'"
            ids = execute(MOVE_SQL, ActivityLog, column, [target.pk, source.pk, []], condition)
            if ids:
                moved["rows"].append(describe_moved(ActivityLog, column, ids, []))
    moved["custom_fields"] = move_values(source, target)
    return moved


@transaction.atomic
def restore_references(moved: MovedReferences, *, source: models.Model, target: models.Model) -> list[MovedRows]:
    """Let the rows that `move_references` moved from `source` to `target` refer to `source` again.

    Only rows that still refer to `target` are taken back. Return the others: purged, or moved elsewhere since.
    """
    custom_values = restore_values(moved.get("custom_fields", []), source=source, target=target)
    remaining = [
        describe_moved(apps.get_model(entry["table"]), CUSTOM_FIELDS, entry["ids"], []) for entry in custom_values
    ]
    tables = {apps.get_model(entry["model"]) for entry in moved["rows"]}
    with allow_changes(tables):
        for entry in moved["rows"]:
            model = apps.get_model(entry["model"])
            ids = execute(RESTORE_SQL, model, entry["column"], [source.pk, entry["ids"], target.pk])
            if left := sorted(set(entry["ids"]) - set(ids)):
                remaining.append(describe_moved(model, entry["column"], left, []))
        for flag in reversed(moved["flags"]):
            set_flag(apps.get_model(flag["model"]), flag["column"], flag["ids"], value=not flag["value"])
    return remaining


def describe_moved(model: type[models.Model], column: str, ids: list[Any], staying: list[Any]) -> MovedRows:
    return MovedRows(model=model._meta.label_lower, column=column, ids=ids, staying=staying)


@contextmanager
def allow_changes(tables: Collection[type[models.Model]]) -> Iterator[None]:
    """Let the append-only tables among `tables` be changed inside the block; the row audit goes on."""
    uris = [
        f"{model._meta.label}:{trigger.name}"
        for model in {*tables}
        for trigger in getattr(model._meta, "triggers", [])
        if isinstance(trigger, pgtrigger.Protect)
    ]
    with pgtrigger.ignore(*uris):
        yield


def settle_unique_constraints(
    reference: ForeignKeyReference, source: models.Model, target: models.Model, flags: list[ChangedFlag]
) -> list[Any]:
    """Prepare the rows of `source` for `target`. Return the keys of those that must stay; add the flags changed."""
    staying: dict[Any, Any] = {}
    constraints = [one for one in reference.model._meta.constraints if isinstance(one, models.UniqueConstraint)]
    own = [one for one in constraints if reference.field.name in constrained_fields(one)]
    for constraint in sorted(own, key=lambda one: len(flag_fields(reference.model, one))):
        pairs = conflicting_pairs(reference, constraint, source, target)
        if names := flag_fields(reference.model, constraint):
            keys = [key for key in pairs if key not in staying]
            change_flag(reference.model, names[0], keys, flags, value=False)
        else:
            staying |= pairs
    for constraint in constraints:
        if constraint not in own and staying:
            pass_on_flags(reference.model, flag_fields(reference.model, constraint), staying, flags)
    return list(staying)


def pass_on_flags(
    model: type[models.Model], names: list[str], staying: dict[Any, Any], flags: list[ChangedFlag]
) -> None:
    """Give the flags of rows that stay to the rows that `target` has in their place."""
    for name in names:
        rows = model._base_manager.filter(**{"pk__in": staying, name: True})
        keys = [plain_key(key) for key in rows.values_list("pk", flat=True)]
        change_flag(model, name, keys, flags, value=False)
        change_flag(model, name, [staying[key] for key in keys], flags, value=True)


def constrained_fields(constraint: models.UniqueConstraint) -> list[str]:
    expressions = [one.name for one in constraint.expressions if isinstance(one, models.F)]
    return [*constraint.fields, *expressions]


def flag_fields(model: type[models.Model], constraint: models.UniqueConstraint) -> list[str]:
    """Return the boolean fields that must be true for the constraint to count."""
    return [name for name, value in walk_condition(constraint.condition) if value is True and is_boolean(model, name)]


def is_boolean(model: type[models.Model], name: str) -> bool:
    return "__" not in name and isinstance(model._meta.get_field(name), models.BooleanField)


def walk_condition(condition: models.Q | None) -> Iterator[tuple[str, Any]]:
    for child in condition.children if condition else []:
        if isinstance(child, models.Q):
            yield from walk_condition(child)
        elif isinstance(child, tuple):
            yield child


def conflicting_pairs(
    reference: ForeignKeyReference, constraint: models.UniqueConstraint, source: models.Model, target: models.Model
) -> dict[Any, Any]:
    """Return the rows of `source` that the constraint refuses for `target`, each with the row that `target` has."""
    field, rows = reference.field.name, reference.model._base_manager.filter(constraint.condition or models.Q())
    same = {name: models.OuterRef(name) for name in constrained_fields(constraint) if name != field}
    twin = rows.filter(**{field: target}, **same).values("pk")[:1]
    found = rows.filter(**{field: source}).annotate(twin=models.Subquery(twin)).filter(twin__isnull=False)
    return {plain_key(key): plain_key(other) for key, other in found.values_list("pk", "twin")}


def change_flag(
    model: type[models.Model], column: str, keys: list[Any], flags: list[ChangedFlag], *, value: bool
) -> None:
    """Set a flag and add what was changed to `flags`."""
    if keys and (ids := set_flag(model, column, keys, value=value)):
        flags.append(ChangedFlag(model=model._meta.label_lower, column=column, ids=ids, value=value))


def set_flag(model: type[models.Model], column: str, keys: Sequence[Any], *, value: bool) -> list[Any]:
    return execute(SET_FLAG_SQL, model, column, [value, keys, value])


def execute(
    statement: str, model: type[models.Model], column: str, params: list[Any], condition: str = ""
) -> list[Any]:
    """Run a statement of this module on the table of `model`. Return the keys of the changed rows."""
    key = model._meta.pk
    names = {"table": model._meta.db_table, "column": column, "condition": condition}
    with connection.cursor() as cursor:
        cursor.execute(statement.format(key=key.column, key_type=key.db_type(connection), **names), params)
        return [plain_key(value) for (value,) in cursor.fetchall()]


def plain_key(value: Any) -> Any:
    """Return a primary key as JSON can hold it."""
    return str(value) if isinstance(value, UUID) else value
