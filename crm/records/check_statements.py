"""One statement that tells whether a row violates any of its checks, compiled once and not for every row."""

from collections.abc import Collection
from contextlib import nullcontext
from functools import cache
from typing import Any

from django.core.exceptions import EmptyResultSet, FieldError, FullResultSet
from django.db import DatabaseError, connections, models, transaction
from django.db.models.expressions import Expression, Value
from django.db.models.functions import Coalesce
from django.db.models.sql import Query


class Slot(Expression):
    """The place of a column's value in the compiled statement; its parameter is the slot itself."""

    def __init__(self, field: models.Field) -> None:
        super().__init__(output_field=field)

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        get_placeholder = getattr(self.output_field, "get_placeholder", None)
        return get_placeholder(None, compiler, connection) if get_placeholder else "%s", [self]


def may_violate_a_check(row: models.Model, exclude: Collection[str], using: str) -> bool:
    """Return whether a check of `row` fails, or cannot be evaluated; checks of excluded columns do not count.

    In a check, as in PostgreSQL's, NULL passes.
    """
    columns = {field.name for field in row._meta.local_concrete_fields}.difference(exclude)
    names = tuple(name for name, (_, needed) in conditions_of(type(row)).items() if needed <= columns)
    if not names:
        return False
    try:
        sql, parameters = compile_checks(type(row), names, using)
        filled = [fill(one, row, using) for one in parameters]
    except (FieldError, EmptyResultSet, FullResultSet, NotPlain):
        return True
    connection = connections[using]
    try:
        with transaction.atomic(using) if connection.in_atomic_block else nullcontext(), connection.cursor() as cursor:
            cursor.execute(sql, filled)
            return cursor.fetchone() is not None
    except DatabaseError:
        return True


class NotPlain(Exception):
    """The database computes a value, which therefore cannot be a parameter."""


def fill(parameter: Any, row: models.Model, using: str) -> Any:
    """Return the parameter of the statement; for a slot, the value that `row` has in its column."""
    if not isinstance(parameter, Slot):
        return parameter
    if parameter.output_field.generated:
        raise NotPlain
    value = getattr(row, parameter.output_field.attname)
    if hasattr(value, "resolve_expression"):
        raise NotPlain
    return parameter.output_field.get_db_prep_value(value, connection=connections[using])


@cache
def conditions_of(model: type[models.Model]) -> dict[str, tuple[models.Q, frozenset[str]]]:
    """Return the condition of each check of `model` and its columns, by the name of the check."""
    checks = (one for one in model._meta.constraints if isinstance(one, models.CheckConstraint))
    conditions = {check.name: models.Q(check.condition) for check in checks}
    return {name: (each, frozenset(each.referenced_base_fields)) for name, each in conditions.items()}


@cache
def compile_checks(model: type[models.Model], names: tuple[str, ...], using: str) -> tuple[str, tuple[Any, ...]]:
    """Return the statement that finds a row if one of the checks called `names` is false for what fills the slots."""
    conditions = [conditions_of(model)[name] for name in names]
    query = Query(None)
    for column in sorted({column for _, columns in conditions for column in columns}):
        query.add_annotation(Slot(model._meta.get_field(column)), column, select=False)
    query.add_annotation(Value(1), "_check")
    all_hold = models.Q(*(condition for condition, _ in conditions))
    violated = ~models.Q(Coalesce(all_hold, True, output_field=models.BooleanField()))
    # A condition that the database cannot evaluate counts as true here.
    query.add_q(models.Q(Coalesce(violated, True, output_field=models.BooleanField())))
    return query.get_compiler(using).as_sql()
