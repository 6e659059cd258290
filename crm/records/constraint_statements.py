"""One statement that tells whether a row violates any of its constraints, compiled once and not for every row."""

from collections.abc import Collection
from contextlib import nullcontext
from functools import cache, reduce
from operator import or_
from typing import Any

from django.core.exceptions import EmptyResultSet, FieldError, FullResultSet
from django.db import DatabaseError, connections, models, transaction
from django.db.models.expressions import Expression, Value
from django.db.models.functions import Coalesce
from django.db.models.lookups import Exact
from django.db.models.sql import Query


class Slot(Expression):
    """The place of a column's value in the compiled statement; its parameter is the slot itself."""

    def __init__(self, field: models.Field) -> None:
        super().__init__(output_field=field)

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        get_placeholder = getattr(self.output_field, "get_placeholder", None)
        return get_placeholder(None, compiler, connection) if get_placeholder else "%s", [self]


def may_violate_a_constraint(row: models.Model, exclude: Collection[str], using: str) -> bool:
    """Return whether `row` violates a covered constraint, or one cannot be evaluated.

    Constraints of excluded columns do not count. In a check, as in PostgreSQL's, NULL passes.
    """
    columns = {field.name for field in row._meta.local_concrete_fields}.difference(exclude)
    names = tuple(name for name, (_, needed) in covered_constraints(type(row)).items() if needed <= columns)
    if not names:
        return False
    try:
        sql, parameters = compile_constraints(type(row), names, row._state.adding, using)
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


def is_covered(constraint: models.BaseConstraint) -> bool:
    """Return whether the statement covers `constraint`."""
    is_unique = isinstance(constraint, models.UniqueConstraint) and constraint.nulls_distinct is not False
    return is_unique or isinstance(constraint, models.CheckConstraint)


@cache
def covered_constraints(model: type[models.Model]) -> dict[str, tuple[models.BaseConstraint, frozenset[str]]]:
    """Return the covered constraints of `model`, each with the columns that it reads, by name."""
    found = {}
    for constraint in filter(is_covered, model._meta.constraints):
        parts = [part for part in (constraint.condition, *unique_expressions(constraint)) if part is not None]
        paths = [path for part in parts for path in model._get_expr_references(part)]
        found[constraint.name] = (constraint, frozenset(model._meta.pk.name if p[0] == "pk" else p[0] for p in paths))
    return found


def unique_expressions(constraint: models.BaseConstraint) -> list[Any]:
    """Return what `constraint` allows once; nothing for a check."""
    if not isinstance(constraint, models.UniqueConstraint):
        return []
    return [*constraint.expressions, *map(models.F, constraint.fields)]


@cache
def compile_constraints(
    model: type[models.Model], names: tuple[str, ...], is_new: bool, using: str
) -> tuple[str, tuple[Any, ...]]:
    """Return the statement that finds a row if what fills the slots violates one of the constraints called `names`."""
    constraints = [covered_constraints(model)[name] for name in names]
    query = Query(None)
    for column in sorted({column for _, columns in constraints for column in columns}):
        query.add_annotation(Slot(model._meta.get_field(column)), column, select=False)
    query.add_annotation(Value(1), "_check")
    checks = [models.Q(one.condition) for one, _ in constraints if isinstance(one, models.CheckConstraint)]
    violations = [~models.Q(Coalesce(models.Q(*checks), True, output_field=models.BooleanField()))] if checks else []
    violations += [has_double(model, one, is_new) for one, _ in constraints if unique_expressions(one)]
    # A condition that the database cannot evaluate counts as true here.
    each_known = [models.Q(Coalesce(one, True, output_field=models.BooleanField())) for one in violations]
    query.add_q(reduce(or_, each_known))
    return query.get_compiler(using).as_sql()


def has_double(model: type[models.Model], constraint: models.UniqueConstraint, is_new: bool) -> models.Q:
    """Return the condition that another row has the values that `constraint` allows once."""
    slots = {models.F(field.name): Slot(field) for field in model._meta.local_concrete_fields}
    same = [Exact(one, one.replace_expressions(slots)) for one in unique_expressions(constraint)]
    others = model._default_manager.filter(*same)
    if not is_new:
        others = others.exclude(pk=Slot(model._meta.pk))
    condition = constraint.condition or models.Q()
    return condition & models.Q(models.Exists(others.filter(condition)))
