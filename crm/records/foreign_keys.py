"""Keep the ON DELETE actions of the database equal to those of the models.

Django deletes and clears related rows itself and leaves the foreign keys of the database without an action, so that a
DELETE in plain SQL is refused. `sync_on_delete_actions` runs after each `migrate`, so a new foreign key needs nothing
of its own.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from django.apps import apps
from django.db import connections, models, transaction

# Codes of `pg_constraint.confdeltype`. PROTECT refuses at once, RESTRICT and DO_NOTHING at commit.
ACTIONS = {
    models.CASCADE: "c",
    models.SET_NULL: "n",
    models.SET_DEFAULT: "d",
    models.PROTECT: "r",
    models.RESTRICT: "a",
    models.DO_NOTHING: "a",
}
# Our own functions may refuse a deletion, so the database always does.
OWN_FUNCTION = "r"
ACTION_SQL = {"c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT", "r": "RESTRICT", "a": "NO ACTION"}
FOREIGN_KEYS_SQL = """
SELECT relation.relname, field.attname,
       held.conname, held.confdeltype, held.convalidated, pg_get_constraintdef(held.oid)
  FROM pg_constraint AS held
  JOIN pg_class AS relation ON relation.oid = held.conrelid
  JOIN pg_attribute AS field ON field.attrelid = held.conrelid AND field.attnum = held.conkey[1]
 WHERE held.contype = 'f' AND held.connamespace = current_schema()::regnamespace AND cardinality(held.conkey) = 1
"""


class ForeignKeyConstraint(NamedTuple):
    """A foreign key of the database; `action` is its code in `ACTION_SQL`."""

    name: str
    action: str
    is_validated: bool
    definition: str


def declared_actions() -> Iterator[tuple[str, str, str]]:
    """Yield table, column and action code of every foreign key that the models declare."""
    for model in apps.get_models(include_auto_created=True):
        if not model._meta.managed:
            continue
        for field in model._meta.local_concrete_fields:
            if isinstance(field, models.ForeignKey) and field.db_constraint:
                yield model._meta.db_table, field.column, ACTIONS.get(field.remote_field.on_delete, OWN_FUNCTION)


def load_constraints(using: str) -> dict[tuple[str, str], ForeignKeyConstraint]:
    """Return the foreign keys of the database by table and column."""
    with connections[using].cursor() as cursor:
        cursor.execute(FOREIGN_KEYS_SQL)
        return {(table, column): ForeignKeyConstraint(*rest) for table, column, *rest in cursor.fetchall()}


def sync_on_delete_actions(*, using: str, **_signal: Any) -> None:
    """Give each foreign key of the database the action of its model. Called after `migrate`.

    A constraint is replaced unvalidated, under a short lock, and validated afterwards while people go on working. If
    that is cut off, the next run validates it.
    """
    constraints = load_constraints(using)
    for table, column, action in declared_actions():
        found = constraints.get((table, column))  # None while the migration of this column has not been applied
        if found is None:
            continue
        if found.action != action:
            replace_action(using, table, found, action)
        if found.action != action or not found.is_validated:
            execute(using, f'ALTER TABLE "{table}" VALIDATE CONSTRAINT "{found.name}"')


def replace_action(using: str, table: str, found: ForeignKeyConstraint, action: str) -> None:
    """Replace the constraint `found` of `table` by the same one with `action`, not validated yet."""
    reference = found.definition.split(" ON DELETE ")[0].split(" DEFERRABLE ")[0].removesuffix(" NOT VALID")
    with transaction.atomic(using=using):
        execute(using, f'ALTER TABLE "{table}" DROP CONSTRAINT "{found.name}"')
        execute(
            using,
            f'ALTER TABLE "{table}" ADD CONSTRAINT "{found.name}" {reference} ON DELETE {ACTION_SQL[action]}'
            " DEFERRABLE INITIALLY DEFERRED NOT VALID",
        )


def execute(using: str, statement: str) -> None:
    with connections[using].cursor() as cursor:
        cursor.execute(statement)
