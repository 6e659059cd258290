"""References in custom fields, when their record is merged into another one, or deleted for good.

They follow to the winner of a merge, and return when it is undone. With a record that is purged or erased, they are
emptied in the same transaction. Retired and deleted definitions count, and deleted records: both can be restored.
"""

from collections.abc import Collection, Iterator
from typing import Any, TypedDict

from django.apps import apps
from django.db import connection, models
from psycopg import sql
from psycopg.types.json import Jsonb

from crm.models import CustomField, Merge
from crm.models.custom_field import REFERENCE_TABLES

# Live rows by the GIN index of the column; deleted ones are few. Other programs may write keys in capitals.
FIND_SQL = "(custom_fields @> {old} OR custom_fields @> {capitals}) AND (deleted_at IS {state})"
MOVE_SQL = "UPDATE {table} SET custom_fields = custom_fields || {new} WHERE {condition} RETURNING id"
EMPTY_SQL = (
    "UPDATE {table} SET custom_fields = custom_fields - {key}, updated_at = now() WHERE {condition} RETURNING id"
)
EMPTY_MISSING_SQL = sql.SQL("""
    UPDATE {table} AS referring SET custom_fields = custom_fields - {key}, updated_at = now()
     WHERE custom_fields ? {key} AND json_uuid(custom_fields, {key}) IS NOT NULL
       AND NOT EXISTS (SELECT FROM {target} AS target WHERE target.id = json_uuid(referring.custom_fields, {key}))
""")
FIND_LOSERS_SQL = sql.SQL("""
    SELECT DISTINCT target.id, target.merged_into_id
      FROM {table} AS referring JOIN {target} AS target ON target.id = json_uuid(referring.custom_fields, {key})
     WHERE referring.custom_fields ? {key} AND target.merged_into_id IS NOT NULL
""")
ROW_STATES = ("NULL", "NOT NULL")


class MovedValues(TypedDict):
    """The records of `table` (a model label) in which the field `key` was moved to another record."""

    table: str
    key: str
    ids: list[str]


def fields_referring_to(model: type[models.Model]) -> Iterator[CustomField]:
    """Return the custom fields that refer to the records of `model`, whatever their state."""
    kinds = [kind for kind, table in REFERENCE_TABLES.items() if table == model._meta.label_lower]
    return (
        CustomField.everything.filter(kind__in=kinds).order_by("table", "key", "id").iterator() if kinds else iter(())
    )


def change_values(
    field: CustomField, statement: str, old: Any, new: Any = None, among: list[str] | None = None
) -> list:
    """Run `statement` on the records that refer to `old` by `field`, of those `among` if given; return their keys."""
    parts = {
        "table": sql.Identifier(apps.get_model(field.table)._meta.db_table),
        "key": sql.SQL("{}::text").format(sql.Literal(field.key)),
        "new": sql.Literal(Jsonb({field.key: str(new)})),
        "old": sql.Literal(Jsonb({field.key: str(old)})),
        "capitals": sql.Literal(Jsonb({field.key: str(old).upper()})),
    }
    chosen = sql.SQL("") if among is None else sql.SQL(" AND id = ANY({}::uuid[])").format(sql.Literal(among))
    changed: list[str] = []
    with connection.cursor() as cursor:
        for state in ROW_STATES:
            condition = sql.SQL(FIND_SQL).format(**parts, state=sql.SQL(state)) + chosen
            cursor.execute(sql.SQL(statement).format(**parts, condition=condition).as_string())
            changed += [str(pk) for (pk,) in cursor.fetchall()]
    return changed


def move_values(source: models.Model, target: models.Model) -> list[MovedValues]:
    """Let every custom field that refers to `source` refer to `target`, and return which did.

    The dates of the records stay, as when a foreign key is moved.
    """
    moved = []
    for field in fields_referring_to(type(source)):
        if ids := change_values(field, MOVE_SQL, source.pk, target.pk):
            moved.append(MovedValues(table=field.table, key=field.key, ids=ids))
    return moved


def restore_values(moved: Collection[MovedValues], *, source: models.Model, target: models.Model) -> list[MovedValues]:
    """Let the values that `move_values` moved from `source` to `target` refer to `source` again.

    Only those that still refer to `target` are taken back. Return the others.
    """
    remaining = []
    for entry in moved:
        field = CustomField(table=entry["table"], key=entry["key"])
        ids = change_values(field, MOVE_SQL, target.pk, source.pk, among=entry["ids"])
        if left := sorted(set(entry["ids"]) - set(ids)):
            remaining.append(MovedValues(table=entry["table"], key=entry["key"], ids=left))
    return remaining


def empty_values(model: type[models.Model], keys: Collection[Any]) -> None:
    """Empty every custom field that refers to one of the records `keys` of `model`, because these are deleted."""
    for field in fields_referring_to(model):
        for key in keys:
            change_values(field, EMPTY_SQL, key)


def empty_missing(field: CustomField) -> None:
    """Empty `field` where it refers to a record that was deleted for good while the field had another kind."""
    table, target = (sql.Identifier(apps.get_model(name)._meta.db_table) for name in (field.table, field.refers_to))
    key = sql.SQL("{}::text").format(sql.Literal(field.key))
    with connection.cursor() as cursor:
        cursor.execute(EMPTY_MISSING_SQL.format(table=table, target=target, key=key).as_string())


def follow_merges(field: CustomField) -> None:
    """Let `field` refer to the winners of merges that took place while the field had another kind.

    The merges remember it, so that undoing one takes these values back.
    """
    model = apps.get_model(field.refers_to)
    if not any(one.name == "merged_into" for one in model._meta.fields):
        return
    while losers := find_losers(field, model):
        for loser, winner in losers:
            ids = change_values(field, MOVE_SQL, loser, winner)
            moved = MovedValues(table=field.table, key=field.key, ids=ids)
            for merge in Merge.objects.in_force().filter(table=field.refers_to, loser_id=loser).select_for_update():
                merge.moved["custom_fields"] = [*merge.moved.get("custom_fields", []), moved]
                merge.save(update_fields=["moved"])


def find_losers(field: CustomField, model: type[models.Model]) -> list[tuple[Any, Any]]:
    """Return each merged record of `model` that `field` refers to, with the one that it was merged into."""
    table, target = (sql.Identifier(one._meta.db_table) for one in (apps.get_model(field.table), model))
    key = sql.SQL("{}::text").format(sql.Literal(field.key))
    with connection.cursor() as cursor:
        cursor.execute(FIND_LOSERS_SQL.format(table=table, target=target, key=key).as_string())
        return cursor.fetchall()
